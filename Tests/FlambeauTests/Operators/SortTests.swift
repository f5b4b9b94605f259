import Testing

@testable import Flambeau

/// Orders of long and short rows beside Swift's own sort, and the same bits on one thread and on many.
@Suite struct SortTests {
  /// Random, with many equal elements, NaN and both zeros where the dtype has them.
  private static func line(_ count: Int, _ dtype: DType, _ random: inout Draw) -> Tensor {
    let kinds = count > 2000 ? 5000 : 40
    let values = (0..<count).map { _ -> Double in
      let x = Double(random.integer(-kinds...kinds)) / 16
      if !dtype.isFloatingPoint { return x * 16 }
      return random.integer(0...50) == 0 ? .nan : x == 0 && random.integer(0...1) == 0 ? -0.0 : x
    }
    return Tensor(values).to(dtype)
  }

  /// Positions in order of size, equal elements as they stand, NaN last.
  private static func order(_ values: [Double], descending: Bool) -> [Int] {
    let keys = values.map { descending ? ($0.isNaN ? -.infinity : -$0) : $0.isNaN ? .infinity : $0 }
    return values.indices.sorted { keys[$0] < keys[$1] || keys[$0] == keys[$1] && $0 < $1 }
  }

  private static let cases: [(DType, Int)] =
    DType.allCases.flatMap { dtype in [1, 7, 8, 9, 100, 256, 257, 1000, 9000].map { (dtype, $0) } }
    + [(.float32, 140_001), (.float64, 140_001), (.int64, 140_001), (.float16, 140_001)]

  @Test(arguments: cases, [false, true]) func orders(_ of: (dtype: DType, count: Int), descending: Bool) {
    var random = Draw(state: UInt64(of.count))
    let x = Self.line(of.count, of.dtype, &random)
    let values = x.array(of: Double.self)
    let order = Self.order(values, descending: descending)
    let expected = order.map { values[$0].bitPattern }
    let sorted = x.sort(descending: descending)
    #expect(sorted.indices.array(of: Int.self) == order)
    #expect(sorted.values.array(of: Double.self).map(\.bitPattern) == expected)
    #expect(x.argsort(descending: descending).array(of: Int.self) == order)
    for k in Set([1, of.count / 100, of.count / 3, of.count]) where k > 0 && of.dtype != .bool {
      let top = x.topK(k, largest: descending)
      #expect(top.indices.array(of: Int.self) == Array(order.prefix(k)), "top \(k)")
      #expect(top.values.array(of: Double.self).map(\.bitPattern) == Array(expected.prefix(k)), "top \(k)")
      let some = x.topK(k, largest: descending, sorted: false).indices.array(of: Int.self)
      #expect(some.sorted() == order.prefix(k).sorted(), "unsorted top \(k)")
      if descending { continue }
      let kth = x.kthValue(k)
      #expect(kth.indices.item() == Double(order[k - 1]), "\(k)th")
      #expect(kth.values.item().bitPattern == expected[k - 1], "\(k)th")
    }
    let numbers = values.count { !$0.isNaN }
    if !descending {
      let middle = x.median(dim: 0)
      #expect(Int(middle.indices.item()) == order[numbers < of.count ? numbers : (of.count - 1) / 2])
      #expect(Int(x.nanMedian(dim: 0).indices.item()) == order[Swift.max(0, (numbers - 1) / 2)])
      #expect(x.median().item().bitPattern == middle.values.item().bitPattern)
    }
  }

  @Test func rowsOfEveryLayout() {
    var random = Draw(state: 7)
    let x = Self.line(60 * 70 * 3, .float32, &random).reshape([60, 70, 3])
    for dim in 0..<3 {
      let sorted = x.sort(dim: dim)
      let apart = x.transpose(dim, 2).contiguous().sort()
      #expect(sorted.indices.array(of: Int.self) == apart.indices.transpose(dim, 2).array(of: Int.self))
      let strided = x.transpose(0, 1).sort(dim: dim)
      let dense = x.transpose(0, 1).contiguous().sort(dim: dim)
      #expect(strided.indices.array(of: Int.self) == dense.indices.array(of: Int.self))
    }
  }

  /// A kernel called from inside the pool runs on one thread.
  @Test(arguments: [1 << 18, 3000]) func threadsDoNotMatter(count: Int) {
    var random = Draw(state: 3)
    let x = Self.line(count * 2, .float32, &random).reshape([2, count])
    func results() -> [[Int]] {
      [x.argsort(), x.topK(50).indices, x.median(dim: 1).indices, x.argmax(dim: 1)].map { $0.array(of: Int.self) }
        + [x.nanSum(), x.nanSum(dim: 0).cumsum(dim: 0), x.cumsum(dim: 0), x.cumprod(dim: 1)].map {
          $0.array(of: Float.self).map { Int($0.bitPattern) }
        }
    }
    nonisolated(unsafe) var alone: [[Int]] = []
    ThreadPool.run(2) { i in if i == 0 { alone = results() } }
    #expect(alone == results())
  }

  @Test func varianceKeepsItsDigitsFarFromZero() {
    var random = Draw(state: 11)
    let values = (0..<6000).map { _ in Float(1e6 + random.unit()) }
    let x = Tensor(values, shape: [300, 20])
    func variance(_ of: [Float]) -> Double {
      let mean = of.reduce(0) { $0 + Double($1) } / Double(of.count)
      return of.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(of.count - 1)
    }
    #expect(Swift.abs(x.var().item() / variance(values) - 1) < 1e-6)
    let columns = x.var(dim: 0).array(of: Double.self)
    let rows = x.std(dim: 1).array(of: Double.self)
    for c in 0..<20 {
      #expect(Swift.abs(columns[c] / variance(stride(from: c, to: 6000, by: 20).map { values[$0] }) - 1) < 1e-6)
    }
    for r in 0..<300 {
      #expect(Swift.abs(rows[r] * rows[r] / variance(Array(values[r * 20..<r * 20 + 20])) - 1) < 1e-6)
    }
  }

  @Test(arguments: [[2000], [5, 40, 300], [30, 3]], [DType.float64, .int64]) func totalsFromEitherEnd(
    shape: [Int], dtype: DType
  ) {
    var random = Draw(state: 5)
    let values = (0..<Shape(shape).elementCount).map { _ in Double(random.integer(-9...9)) }
    let x = Tensor(values, shape: Shape(shape)).to(dtype)
    for dim in shape.indices {
      let total = x.sum(dim: dim, keepDim: true)
      // From the end: what the elements before do not have, of whole numbers exactly.
      let reversed = ops.scans.cumsum(x, ScanArguments(dim: dim, isReversed: true))
      let expected = total - x.cumsum(dim: dim) + x
      #expect(reversed.array(of: Double.self) == expected.array(of: Double.self))
    }
  }

  @Test func countsGoBeyondWhatFloatCanCount() {
    let x = Tensor([1 as Float]).expand([1 << 25, 1]).reshape([1 << 25])
    #expect(x.countNonzero().item() == Double(1 << 25))
  }
}
