import Foundation
import Testing

@testable import Flambeau

/// Every call that stands in `OpTable`, held beside torch's own database of operators: samples and refusals.
@Suite(.serialized) struct OpInfoTests {
  /// FLAMBEAU_ROWS narrows the names down.
  private static let names = OpTable.all.entries.keys.sorted().filter { name in
    guard let wanted = ProcessInfo.processInfo.environment["FLAMBEAU_ROWS"] else { return true }
    return name.contains(wanted)
  }

  private static let golden = URL(fileURLWithPath: Torch.root + "/Tests/Golden/opinfo")

  @Test(.enabled(if: Torch.isThere, "no Python with torch")) func everySample() throws {
    let coverage = Coverage(try OpCases.drawn(Self.names))
    print(coverage.summary)
    if let path = ProcessInfo.processInfo.environment["FLAMBEAU_COVERAGE"] {
      try coverage.table.write(toFile: path, atomically: true, encoding: .utf8)
    }
    expectNone(coverage.differences)
  }

  /// The committed selection needs no torch.
  @Test func committedSamples() throws {
    if ProcessInfo.processInfo.environment["FLAMBEAU_GOLDEN"] == "write" {
      try OpCases.draw(Self.names, into: Self.golden, ["--compact"])
    }
    let known = Set(Self.names)
    let cases = try OpCases(folder: Self.golden).cases.filter { known.contains($0.name) }
    expectNone(Coverage(cases).differences)
  }
}

/// What of torch's database is held, name by name.
private struct Coverage {
  struct Line {
    var cases = 0
    var refusals = 0
    var excused = 0
    var unmapped: [String] = []
    var worst = 0.0
  }

  private(set) var lines: [String: Line] = [:]
  private(set) var differences: [String] = []

  init(_ cases: OpCases) { self.init(cases.cases) }

  init(_ cases: [OpCases.Case]) {
    for sample in cases {
      guard let entry = OpTable.all[sample.name] else { continue }
      switch OpVerdict.of(sample, entry) {
      case .agrees(let worst):
        lines[sample.name, default: Line()].cases += 1
        lines[sample.name]!.worst = max(lines[sample.name]!.worst, worst)
      case .refused: lines[sample.name, default: Line()].refusals += 1
      case .unmapped(let reason): lines[sample.name, default: Line()].unmapped.append(reason)
      case .differs(let what) where OpException.covers(sample.name, sample.description + what):
        lines[sample.name, default: Line()].excused += 1
      case .differs(let what): differences.append("\(sample.description)\n    \(what)")
      }
    }
  }

  var summary: String {
    let values = lines.values
    return "\(lines.count) names of torch's operator database: \(values.reduce(0) { $0 + $1.cases }) samples agree, "
      + "\(values.reduce(0) { $0 + $1.refusals }) are refused as torch refuses them, "
      + "\(values.reduce(0) { $0 + $1.unmapped.count }) cannot be said here, "
      + "\(values.reduce(0) { $0 + $1.excused }) differ for a reason that is named, \(differences.count) differ"
  }

  /// Markdown, a row a name.
  var table: String {
    var text =
      "| name in torch's database | samples that agree | refused as torch does | cannot be said here | differ for a named reason | worst error |\n"
    text += "|---|---|---|---|---|---|\n"
    for (name, line) in lines.sorted(by: { $0.key < $1.key }) {
      let reasons = Set(line.unmapped).sorted().joined(separator: "; ")
      let unmapped = line.unmapped.isEmpty ? "" : "\(line.unmapped.count): \(reasons)"
      text +=
        "| `\(name)` | \(line.cases) | \(line.refusals) | \(unmapped) | \(line.excused == 0 ? "" : "\(line.excused)") | \(String(format: "%.2f", line.worst)) |\n"
    }
    return text
  }
}
