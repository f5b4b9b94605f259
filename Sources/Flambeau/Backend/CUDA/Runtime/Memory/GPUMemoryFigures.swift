/// What an allocator counts. Sizes are bytes.
struct GPUMemoryFigures: Sendable, Equatable {
  /// A number now, and the most it has been since the start or the last reset.
  struct Level: Sendable, Equatable {
    private(set) var now = 0
    private(set) var peak = 0

    mutating func change(by count: Int) {
      now += count
      peak = Swift.max(peak, now)
    }

    mutating func resetPeak() { peak = now }
  }

  /// Blocks of live memory, with their rounding.
  var allocated = Level()
  /// Segments.
  var reserved = Level()
  /// What was asked for by those who hold live memory.
  var requested = Level()
  /// Given back, but used by streams that have not come so far.
  var waiting = Level()
  /// Requests that were met.
  var requestCount = 0
  /// Requests for which the cache had to go.
  var retryCount = 0
  /// Requests that could not be met.
  var failureCount = 0

  /// Free, in segments.
  var cached: Int { reserved.now - allocated.now - waiting.now }

  mutating func resetPeaks() {
    for level in [\GPUMemoryFigures.allocated, \.reserved, \.requested, \.waiting] { self[keyPath: level].resetPeak() }
  }

  /// A count of bytes for people.
  static func text(_ bytes: Int) -> String {
    if bytes < 1 << 10 { return "\(bytes) bytes" }
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
    let (unit, name) = units.first { bytes >= $0.0 }!
    let hundredths = (Double(bytes) / Double(unit) * 100).rounded()
    let (whole, rest) = Int(hundredths).quotientAndRemainder(dividingBy: 100)
    return "\(whole).\(rest < 10 ? "0" : "")\(rest) \(name)"
  }
}
