/// Who holds the memory of a GPU, in words.
struct GPUMemoryReport {
  private static let most = 5

  private let gpu: GPU
  private let figures: GPUMemoryFigures
  private let live: [GPUAllocator.Piece]

  init(_ gpu: GPU, _ figures: GPUMemoryFigures, _ pieces: [GPUAllocator.Piece]) {
    (self.gpu, self.figures) = (gpu, figures)
    live = pieces.filter { $0.state == .live }.sorted { $0.byteCount > $1.byteCount }
  }

  /// The sentence for a request that could not be met.
  func exhausted(by byteCount: Int, share: Double) -> String {
    let capacity = text(gpu.properties.byteCount)
    let limit = share < 1 ? " (\(Int((share * 100).rounded())) % of it may be used)" : ""
    let free = (try? gpu.freeByteCount()).map { " and \(text($0)) free" } ?? ""
    var sentence =
      "\(gpu.name) is out of memory: \(text(byteCount)) asked of \(capacity)\(limit)\(free), "
      + "with \(text(figures.allocated.now)) in live tensors, \(text(figures.waiting.now)) waiting for other streams "
      + "and \(text(figures.cached)) cached"
    if !live.isEmpty {
      sentence += "; the largest live: " + largest.map { "\(text($0.byteCount))\(of($0))" }.joined(separator: ", ")
    }
    return sentence
  }

  var table: String {
    let rows = [
      ("in live tensors", figures.allocated), ("asked for", figures.requested), ("waiting for streams", figures.waiting),
      ("reserved", figures.reserved),
    ]
    var lines = ["\(gpu.name)  \(gpu.properties.name), \(text(gpu.properties.byteCount))"]
    lines.append(line("", "now", "peak"))
    lines += rows.map { line($0.0, text($0.1.now), text($0.1.peak)) }
    lines.append(line("cached", text(figures.cached), ""))
    lines.append(
      "\(figures.requestCount) requests met, \(figures.retryCount) after emptying the cache, \(figures.failureCount) not met")
    lines += largest.map { line("largest live", text($0.byteCount), $0.operation) }
    return lines.joined(separator: "\n")
  }

  private var largest: ArraySlice<GPUAllocator.Piece> { live.prefix(GPUMemoryReport.most) }

  private func of(_ piece: GPUAllocator.Piece) -> String { piece.operation.isEmpty ? "" : " of \(piece.operation)" }

  private func line(_ name: String, _ first: String, _ second: String) -> String {
    func right(_ text: String) -> String { String(repeating: " ", count: Swift.max(12 - text.count, 0)) + text }
    return name + String(repeating: " ", count: Swift.max(20 - name.count, 0)) + right(first) + "  " + right(second)
  }

  private func text(_ bytes: Int) -> String { GPUMemoryFigures.text(bytes) }
}
