/// How a tensor's elements lie in its storage: sizes, strides and an offset, counted in elements.
public struct Layout: Sendable, Hashable {
  /// The sizes of the dimensions.
  public private(set) var shape: Shape
  /// How many elements lie between neighbours, for each dimension.
  public private(set) var strides: Shape
  /// Where the first element is, in elements.
  public private(set) var offset: Int
  /// Row-major without gaps (dimensions of size 1 ignored; empty layouts are contiguous).
  public private(set) var isContiguous: Bool
  /// How many elements there are.
  public private(set) var elementCount: Int

  /// The row-major layout of `shape`.
  init(_ shape: Shape) {
    self.shape = shape
    var strides = shape
    var step = 1
    var i = shape.count - 1
    while i >= 0 {
      strides.at(i, put: step)
      step *= Swift.max(shape.at(i), 1)
      i -= 1
    }
    self.strides = strides
    offset = 0
    isContiguous = true
    elementCount = shape.elementCount
  }

  init(shape: Shape, strides: Shape, offset: Int) {
    self.shape = shape
    self.strides = strides
    self.offset = offset
    elementCount = shape.elementCount
    isContiguous = Layout.isRowMajor(shape, strides, elementCount)
  }

  private static func isRowMajor(_ shape: Shape, _ strides: Shape, _ elementCount: Int) -> Bool {
    if elementCount == 0 { return true }
    var step = 1
    var i = shape.count - 1
    while i >= 0 {
      let size = shape.at(i)
      if size != 1 {
        if strides.at(i) != step { return false }
        step *= size
      }
      i -= 1
    }
    return true
  }

  @inline(__always) var rank: Int { shape.count }

  /// The gapless layout of the same shape whose dimensions nest as this one's do.
  var dense: Layout {
    var strides = shape
    var step = 1
    for i in dimensionsByNesting() {
      strides.at(i, put: step)
      step *= Swift.max(shape.at(i), 1)
    }
    return Layout(shape: shape, strides: strides, offset: 0)
  }

  /// Every element has an address of its own and there are no gaps, in some order of the dimensions.
  var isDense: Bool {
    if isContiguous { return true }
    var expected = 1
    for i in dimensionsByStride() where shape.at(i) != 1 {
      if strides.at(i) != expected { return false }
      expected *= shape.at(i)
    }
    return true
  }

  /// Dimensions from the innermost to the outermost, as torch sorts them: those with a stride of 0 stay where they are, and of
  /// equal strides the smaller size is inside.
  private func dimensionsByNesting() -> [Int] {
    var order = Array((0..<rank).reversed())
    for i in 1..<Swift.max(rank, 1) {
      var moving = i
      for other in (0..<i).reversed() {
        let (a, b) = (order[other], order[moving])
        let (x, y) = (abs(strides.at(a)), abs(strides.at(b)))
        if x == 0 || y == 0 || x == y && shape.at(a) <= shape.at(b) { continue }
        if x < y { break }
        order.swapAt(other, moving)
        moving = other
      }
    }
    return order
  }

  /// Dimensions from the smallest stride to the largest.
  private func dimensionsByStride() -> [Int] {
    (0..<rank).sorted { a, b in
      let (x, y) = (abs(strides.at(a)), abs(strides.at(b)))
      return x != y ? x < y : a > b
    }
  }

  /// Neighbours are as far apart as in `other`, which has the same shape.
  func nests(as other: Layout) -> Bool {
    for dim in 0..<rank where shape.at(dim) != 1 && strides.at(dim) != other.strides.at(dim) { return false }
    return true
  }

  /// Two positions may name one element (a stride of 0, or dimensions that overlap).
  var overlapsItself: Bool {
    if isContiguous || elementCount <= 1 { return false }
    var reach = 0
    for i in dimensionsByStride() where shape.at(i) != 1 {
      if abs(strides.at(i)) <= reach { return true }
      reach += abs(strides.at(i)) * (shape.at(i) - 1)
    }
    return false
  }

  /// The lowest and highest element positions touched; nil when there are no elements.
  var bounds: ClosedRange<Int>? {
    if elementCount == 0 { return nil }
    var low = offset
    var high = offset
    for i in 0..<rank {
      let reach = strides.at(i) * (shape.at(i) - 1)
      if reach < 0 { low += reach } else { high += reach }
    }
    return low...high
  }
}

// Views: each returns the layout of the same elements seen another way.
extension Layout {
  func dimension(_ dim: Int) throws(TensorError) -> Int { try dimension(dim, rank: rank) }

  /// `dim`, counted from either end of `rank` dimensions, as a position.
  func dimension(_ dim: Int, rank: Int) throws(TensorError) -> Int {
    let bound = Swift.max(rank, 1)
    guard dim >= -bound && dim < bound else { throw .dimensionRange(dim, rank: rank) }
    return dim < 0 ? dim + bound : dim
  }

  func permuted(_ order: [Int]) -> Layout {
    Layout(shape: Shape(order.map(shape.at)), strides: Shape(order.map(strides.at)), offset: offset)
  }

  func swapped(_ a: Int, _ b: Int) -> Layout {
    if rank == 0 { return self }
    return Layout(
      shape: shape.replacing(a, with: shape.at(b)).replacing(b, with: shape.at(a)),
      strides: strides.replacing(a, with: strides.at(b)).replacing(b, with: strides.at(a)), offset: offset)
  }

  func selected(_ dim: Int, _ index: Int) -> Layout {
    Layout(
      shape: shape.removing(at: dim), strides: strides.removing(at: dim), offset: offset + index * strides.at(dim))
  }

  func sliced(_ dim: Int, start: Int, count: Int, step: Int = 1) -> Layout {
    Layout(
      shape: shape.replacing(dim, with: count), strides: strides.replacing(dim, with: strides.at(dim) * step),
      offset: offset + start * strides.at(dim))
  }

  func inserted(_ dim: Int) -> Layout {
    let stride = dim < rank ? strides.at(dim) * shape.at(dim) : 1
    return Layout(
      shape: shape.inserting(1, at: dim), strides: strides.inserting(stride, at: dim), offset: offset)
  }

  func removed(_ dim: Int) -> Layout {
    Layout(shape: shape.removing(at: dim), strides: strides.removing(at: dim), offset: offset)
  }

  /// The layout stretched to `target` with strides of 0; nil if the shapes do not fit. Sizes are right-aligned.
  func broadcast(to target: Shape) -> Layout? {
    if shape == target { return self }
    guard target.count >= rank else { return nil }
    var strides = Shape(repeating: 0, count: target.count)
    let lead = target.count - rank
    for i in 0..<rank {
      if shape.at(i) == target.at(i + lead) {
        strides.at(i + lead, put: self.strides.at(i))
      } else if shape.at(i) != 1 {
        return nil
      }
    }
    return Layout(shape: target, strides: strides, offset: offset)
  }

  /// The layout of the same elements, in the same order, under another shape; nil if that needs a copy.
  /// `target` has the same number of elements.
  func viewed(as target: Shape) -> Layout? {
    if isContiguous {
      var layout = Layout(target)
      layout.offset = offset
      return layout
    }
    var result = Shape(repeating: 0, count: target.count)
    var d = target.count - 1  // the target dimension being filled
    var chunkStride = strides.at(rank - 1)
    var available = 1  // elements in the current run of source dimensions
    var used = 1
    var i = rank - 1
    while i >= 0 {
      available *= shape.at(i)
      let endsRun =
        i == 0 || (shape.at(i - 1) != 1 && strides.at(i - 1) != available * chunkStride)
      if endsRun {
        while d >= 0 && (used < available || target.at(d) == 1) {
          result.at(d, put: used * chunkStride)
          used *= target.at(d)
          d -= 1
        }
        if used != available { return nil }
        if i > 0 {
          chunkStride = strides.at(i - 1)
          available = 1
          used = 1
        }
      }
      i -= 1
    }
    return d == -1 ? Layout(shape: target, strides: result, offset: offset) : nil
  }

  func moved(to offset: Int) -> Layout {
    var result = self
    result.offset = offset
    return result
  }
}

extension Shape {
  /// The shape both broadcast to, right-aligned; throws torch's sentence where a dimension fits neither way.
  static func broadcast(_ a: Shape, _ b: Shape) throws(TensorError) -> Shape {
    if a == b { return a }
    var result = Shape(repeating: 1, count: Swift.max(a.count, b.count))
    for i in 0..<result.count {
      let ia = i - (result.count - a.count)
      let ib = i - (result.count - b.count)
      let x = ia >= 0 ? a.at(ia) : 1
      let y = ib >= 0 ? b.at(ib) : 1
      guard x == y || x == 1 || y == 1 else {
        throw .shape(
          "The size of tensor a (\(x)) must match the size of tensor b (\(y)) at non-singleton dimension \(i)")
      }
      result.at(i, put: x == 1 ? y : x)
    }
    return result
  }
}
