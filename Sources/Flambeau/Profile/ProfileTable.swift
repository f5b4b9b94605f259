extension Profile: CustomStringConvertible {
  public var description: String { table() }

  /// The entries as text, a line each: name, calls, milliseconds with and without what is inside, the share of the whole,
  /// what GPUs took, where there was work for them, what was moved and computed a second, and the operands.
  ///
  /// - Parameters:
  ///   - rows: The most lines; those that took longest themselves come first.
  ///   - byOperands: A line for every list of operands, not one for each name.
  ///   - limits: Adds a column that says how near each came to what the machine can do. Above 100 % the data was in a cache.
  public func table(rows: Int = 30, byOperands: Bool = true, limits: MachineLimits? = nil) -> String {
    let entries = entries(byOperands: byOperands)
    let isOnGPU = !kernels.isEmpty
    var lines = [["", "calls", "total ms", "self ms", "self %"] + (isOnGPU ? ["GPU ms"] : []) + ["GB/s", "GFLOP/s"]]
    if limits != nil { lines[0].append("of limit") }
    if byOperands { lines[0].append("operands") }
    for entry in entries.prefix(Swift.max(rows, 0)) {
      // A GPU's work is not done when the call that queues it ends.
      let own = (isOnGPU && entry.gpu > .zero ? entry.gpu : entry.own).seconds
      var cells = [
        entry.name, "\(entry.calls)", (entry.total.seconds * 1e3).fixed(3), (entry.own.seconds * 1e3).fixed(3),
        duration > .zero ? (100 * entry.own.seconds / duration.seconds).fixed(1) : "",
      ]
      if isOnGPU { cells.append((entry.gpu.seconds * 1e3).fixed(3)) }
      cells += [
        entry.byteCount > 0 && own > 0 ? (Double(entry.byteCount) / own / 1e9).fixed(2) : "",
        entry.operations > 0 && own > 0 ? (entry.operations / own / 1e9).fixed(1) : "",
      ]
      if let limits {
        let least = limits.seconds(byteCount: Double(entry.byteCount), operations: entry.operations)
        cells.append(least > 0 && own > 0 ? (100 * least / own).fixed(0) + " %" : "")
      }
      if byOperands { cells.append(entry.operands) }
      lines.append(cells)
    }
    return Profile.aligned(lines, textLast: byOperands) + footer(entries.count - lines.count + 1)
  }

  private func footer(_ left: Int) -> String {
    let calls = events.count == 1 ? "1 event" : "\(events.count) events"
    let gpu = kernels.reduce(Duration.zero) { $0 + $1.duration }.seconds * 1e3
    let queued = kernels.isEmpty ? "" : ", \(kernels.count) kernels of \(gpu.fixed(3)) ms on the GPU"
    return "\(left > 0 ? "… and \(left) more\n" : "")\(calls) in \((duration.seconds * 1e3).fixed(3)) ms\(queued)\n"
  }

  /// Numbers stand right, the first column and, if it is text, the last one left.
  private static func aligned(_ lines: [[String]], textLast: Bool) -> String {
    let widths = lines[0].indices.map { column in lines.map { $0[column].count }.max()! }
    return lines.map { cells in
      var line = ""
      for (column, cell) in cells.enumerated() {
        let space = String(repeating: " ", count: widths[column] - cell.count)
        let isText = column == 0 || textLast && column == cells.count - 1
        line += (column == 0 ? "" : "  ") + (isText ? cell + space : space + cell)
      }
      while line.last == " " { line.removeLast() }
      return line + "\n"
    }.joined()
  }
}

extension Duration {
  var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
