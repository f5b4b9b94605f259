#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A sample with the row or family it was found at.
struct TableEntry: Sendable, CustomStringConvertible {
  let place: String
  let sample: Sample
  var description: String { "\(place): \(sample.torch)" }
}

/// Everything in the operator table, found by walking it.
enum Table {
  /// Rows without samples that are not reached through another row's gradient.
  static let untested: [String] = walk().untested
  /// All samples, or those whose place or expression contains FLAMBEAU_ROWS.
  static let entries: [TableEntry] = walk().entries.filter { entry in
    guard let wanted = getenv("FLAMBEAU_ROWS") else { return true }
    return entry.description.contains(String(cString: wanted))
  }

  private static func walk() -> (entries: [TableEntry], untested: [String]) {
    var entries: [TableEntry] = []
    var untested: [String] = []
    func visit(_ value: Any, _ path: String) {
      if let row = value as? AnyOperator {
        if row.samples.isEmpty && !row.name.hasSuffix("_backward") { untested.append("\(path) (\(row.name))") }
        entries += row.samples.map { TableEntry(place: path, sample: $0) }
      } else if let row = value as? BinaryRow {
        // The three rows of it share their samples.
        visit(row.tensors, path)
      } else if let samples = value as? [Sample] {
        entries += samples.map { TableEntry(place: path, sample: $0) }
      } else {
        for child in Mirror(reflecting: value).children {
          visit(child.value, child.label.map { path.isEmpty ? $0 : "\(path).\($0)" } ?? path)
        }
      }
    }
    visit(ops, "")
    return (entries, untested)
  }
}
