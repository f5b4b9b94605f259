/// The order in which a pass over operands of one shape visits them: dimensions merged where every operand allows it,
/// the leading operand's smallest stride innermost.
struct Iteration {
  /// Outermost first; at least one.
  private(set) var sizes: [Int]
  /// Strides in elements: `strides[operand * rank + dimension]`.
  private(set) var strides: [Int]

  var rank: Int { sizes.count }
  var innerSize: Int { sizes[rank - 1] }
  /// The size of the dimension around the inner one.
  var rowCount: Int { rank > 1 ? sizes[rank - 2] : 1 }

  /// `leading` is the operand whose memory order counts. None is empty.
  init(_ operands: [Elements], leading: Int) {
    let layout = operands[leading].layout
    if let flat = Iteration.flatStrides(operands) {
      sizes = [layout.elementCount]
      strides = flat
      return
    }
    let order = Iteration.order(layout)
    var sizes: [Int] = []
    var columns: [[Int]] = []  // every operand's stride, dimension by dimension
    for dim in order {
      let column = operands.map { $0.layout.strides.at(dim) }
      if let last = columns.last, Iteration.nests(last, column, layout.shape.at(dim)) {
        sizes[sizes.count - 1] *= layout.shape.at(dim)
        columns[columns.count - 1] = column
      } else {
        sizes.append(layout.shape.at(dim))
        columns.append(column)
      }
    }
    if sizes.isEmpty {
      sizes = [1]
      columns = [Array(repeating: 1, count: operands.count)]
    }
    self.sizes = sizes
    strides = operands.indices.flatMap { operand in columns.map { $0[operand] } }
  }

  @inline(__always)
  func stride(_ operand: Int, _ dim: Int) -> Int { strides[operand * rank + dim] }

  func innerStride(_ operand: Int) -> Int { stride(operand, rank - 1) }
  func rowStride(_ operand: Int) -> Int { rank > 1 ? stride(operand, rank - 2) : 0 }

  /// Makes `dim` the one around the inner one.
  mutating func moveToRow(_ dim: Int) {
    let row = rank - 2
    let (rank, count) = (rank, strides.count / rank)
    sizes.swapAt(dim, row)
    for operand in 0..<count { strides.swapAt(operand * rank + dim, operand * rank + row) }
  }

  /// The operand's elements follow each other in memory in the order of the pass.
  func isDense(_ operand: Int) -> Bool {
    var step = 1
    for dim in sizes.indices.reversed() {
      if stride(operand, dim) != step { return false }
      step *= sizes[dim]
    }
    return true
  }

  func isConstant(_ operand: Int) -> Bool { sizes.indices.allSatisfy { stride(operand, $0) == 0 } }

  private static func flatStrides(_ operands: [Elements]) -> [Int]? {
    var strides: [Int] = []
    strides.reserveCapacity(operands.count)
    for operand in operands {
      guard let stride = operand.flatStride else { return nil }
      strides.append(stride)
    }
    return strides
  }

  /// Dimensions larger than 1, from the largest stride to the smallest, ties as they stand.
  private static func order(_ layout: Layout) -> [Int] {
    var order: [Int] = []
    for dim in 0..<layout.rank where layout.shape.at(dim) != 1 {
      var place = order.count
      while place > 0 && abs(layout.strides.at(order[place - 1])) < abs(layout.strides.at(dim)) { place -= 1 }
      order.insert(dim, at: place)
    }
    return order
  }

  private static func nests(_ outer: [Int], _ inner: [Int], _ innerSize: Int) -> Bool {
    for i in outer.indices where outer[i] != inner[i] * innerSize { return false }
    return true
  }
}
