import Flambeau

/// How many values lie in each interval, as TensorBoard's histograms have it.
struct Histogram {
  let min, max, sum, sumOfSquares: Double
  let count: Int
  /// The upper ends of the intervals.
  let limits: [Double]
  let counts: [Double]

  /// Intervals that widen by a tenth away from 0, as torch's `SummaryWriter` and TensorFlow have them.
  private static let edges: [Double] = {
    var positive: [Double] = []
    var edge = 1e-12
    while edge < 1e20 {
      positive.append(edge)
      edge *= 1.1
    }
    return positive.reversed().map { -$0 } + [0] + positive
  }()

  /// Of the finite elements of `values`.
  init(_ values: Tensor) {
    var counts = [Double](repeating: 0, count: Self.edges.count - 1)
    var (low, high, sum, squares, count) = (Double.infinity, -Double.infinity, 0.0, 0.0, 0)
    for value in values.detach().array(of: Double.self) where value.isFinite {
      (low, high) = (Swift.min(low, value), Swift.max(high, value))
      sum += value
      squares += value * value
      count += 1
      if let place = Self.place(of: value) { counts[place] += 1 }
    }
    (self.count, self.sum, sumOfSquares) = (count, sum, squares)
    (min, max) = count == 0 ? (0, 0) : (low, high)
    guard let first = counts.firstIndex(where: { $0 > 0 }), let last = counts.lastIndex(where: { $0 > 0 }) else {
      (limits, self.counts) = ([0], [0])
      return
    }
    // Only upper ends are written: an empty interval in front says where the first one begins.
    limits = Array(Self.edges[first...last + 1])
    self.counts = [0] + counts[first...last]
  }

  /// The interval that holds `value`; its lower end belongs to it, and the last one's upper end too.
  private static func place(of value: Double) -> Int? {
    guard value >= edges[0], value <= edges[edges.count - 1] else { return nil }
    var (low, high) = (0, edges.count - 1)
    while high - low > 1 {
      let middle = (low + high) / 2
      if edges[middle] <= value { low = middle } else { high = middle }
    }
    return low
  }

  func write(_ message: inout ProtobufWriter) {
    message.double(1, min)
    message.double(2, max)
    message.double(3, Double(count))
    message.double(4, sum)
    message.double(5, sumOfSquares)
    message.doubles(6, limits)
    message.doubles(7, counts)
  }
}
