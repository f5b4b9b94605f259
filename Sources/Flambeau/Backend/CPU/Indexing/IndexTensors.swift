import CKernels

// Tensors of positions, as an ``IndexWalk`` takes them: int64, checked.

extension Layout {
  /// A scalar seen as a vector of one.
  var atLeastVector: Layout { rank == 0 ? Layout(shape: [1], strides: [1], offset: offset) : self }
}

extension TensorBody {
  /// The positions as int64: the tensor's own elements, or converted ones lying row-major.
  func asPositions() throws(TensorError) -> Value {
    if dtype == .int64 { return value }
    let converted = try Value(Layout(layout.shape), .int64, on: device)
    try elements.copy(to: converted.elements)
    return converted
  }
}

extension Value {
  /// Throws unless all positions lie within `size`; from its end on, too, with `negative`. A GPU's kernels check their positions, and
  /// report them when they are waited for.
  func checkPositions(_ size: Int, dim: Int, negative: Bool) throws(TensorError) {
    if !storage.device.isCPU { return }
    let distinct = try distinctPositions()
    let bad = distinct.firstPosition(outside: negative ? -size : 0, size)
    if bad >= 0 {
      let index = distinct.elements.start.assumingMemoryBound(to: Int64.self)[bad]
      throw .index("index \(index) is out of bounds for dimension \(dim) with size \(size)")
    }
  }

  private static let pieceCount = 1 << 16

  /// Where the first position outside lies; -1 if there is none. The layout is row-major.
  private func firstPosition(outside low: Int, _ high: Int) -> Int {
    let index = UnsafePointer(elements.start.assumingMemoryBound(to: Int64.self))
    let count = layout.elementCount
    let pieces = (count + Value.pieceCount - 1) / Value.pieceCount
    let check = Kernels.table.pointee.index_check!
    return withExtendedLifetime(storage) {
      withUnsafeTemporaryAllocation(of: Int.self, capacity: pieces) { found in
        ThreadPool.run(pieces) { piece in
          let start = piece * Value.pieceCount
          found[piece] = check(index + start, Swift.min(Value.pieceCount, count - start), Int64(low), Int64(high))
        }
        let piece = found.firstIndex { $0 >= 0 }
        return piece.map { $0 * Value.pieceCount + found[$0] } ?? -1
      }
    }
  }

  /// Row-major, without what broadcasting repeats.
  private func distinctPositions() throws(TensorError) -> Value {
    if layout.isContiguous { return self }
    var shape = layout.shape
    for dim in 0..<layout.rank where layout.strides.at(dim) == 0 && shape.at(dim) > 1 { shape.at(dim, put: 1) }
    let place = Layout(shape: shape, strides: layout.strides, offset: layout.offset)
    if place.isContiguous { return Value(storage, place, dtype) }
    let copy = try Value(Layout(shape), dtype)
    try elements(place).copy(to: copy.elements)
    return copy
  }
}

/// What indexing `dims` of a table by as many tensors of positions reads or writes.
///
/// The tensors broadcast together; their dimensions stand where the indexed ones stood, or first if those are not
/// neighbours.
struct IndexedDimensions {
  let dims: [Int]
  /// The result's.
  let shape: Shape
  private let indexShape: Shape
  private let firstIndexDim: Int
  private let others: [Int]

  init(_ table: Layout, _ dims: [Int], indices: [Shape]) throws(TensorError) {
    self.dims = dims
    var indexShape = indices[0]
    for shape in indices.dropFirst() {
      guard let both = try? Shape.broadcast(indexShape, shape) else {
        throw .index(
          "shape mismatch: indexing tensors could not be broadcast together with shapes "
            + indices.map(\.description).joined(separator: ", "))
      }
      indexShape = both
    }
    let others = (0..<table.rank).filter { !dims.contains($0) }
    let areNeighbours = dims.last! - dims.first! == dims.count - 1
    firstIndexDim = areNeighbours ? dims.first! : 0
    var sizes = others.map(table.shape.at)
    sizes.insert(contentsOf: indexShape, at: firstIndexDim)
    shape = Shape(sizes)
    self.indexShape = indexShape
    self.others = others
  }

  /// For every place of the positions, how far its element lies from the table's first.
  func offsets(_ indices: [TensorBody], in table: Layout, negative: Bool) throws(TensorError) -> Value {
    let device = indices[0].device
    let offsets = try Value(Layout(indexShape), .int64, on: device)
    try offsets.fillZero()
    for (index, dim) in zip(indices, dims) {
      let positions = try index.asPositions()
      if offsets.layout.elementCount > 0 {
        try positions.checkPositions(table.shape.at(dim), dim: dim, negative: negative)
      }
      var wide = Value(positions.storage, positions.layout.broadcast(to: indexShape)!, .int64)
      if !wide.layout.isContiguous {
        let copy = try Value(Layout(indexShape), .int64, on: device)
        try wide.elements.copy(to: copy.elements)
        wide = copy
      }
      let step = IndexOffsets(
        size: table.shape.at(dim), stride: table.strides.at(dim), negative: negative, positions: wide.elements,
        offsets: offsets.elements)
      try withExtendedLifetime(wide.storage) { () throws(TensorError) in try step.run() }
    }
    return offsets
  }

  /// The pass over the table and values of `shape` that ``offsets(_:in:negative:)`` leads.
  func walk(table: Layout, value: Layout) -> IndexWalk {
    // Offsets are sums of multiples of the dimensions' strides.
    var walk = IndexWalk(step: 1, grain: dims.reduce(0) { IndexedDimensions.divisor($0, table.strides.at($1)) })
    let offsetStrides = Layout(indexShape).strides
    var other = others.makeIterator()
    for dim in 0..<shape.count {
      let place = dim - firstIndexDim
      if place >= 0 && place < indexShape.count {
        walk.append(
          size: shape.at(dim), index: offsetStrides.at(place), value: value.strides.at(dim), table: 0, isFree: false)
      } else {
        walk.append(
          size: shape.at(dim), index: 0, value: value.strides.at(dim), table: table.strides.at(other.next()!), isFree: true)
      }
    }
    return walk
  }
}

extension IndexedDimensions {
  /// The greatest common one.
  private static func divisor(_ a: Int, _ b: Int) -> Int { b == 0 ? abs(a) : divisor(b, a % b) }
}

/// Offsets that grow by what the positions along one dimension say: by `stride` for each, negative ones counted from `size`.
struct IndexOffsets {
  let size: Int
  let stride: Int
  let negative: Bool
  /// Both int64, of one shape; on the CPU row-major, with all positions checked.
  var positions: Elements
  var offsets: Elements

  func run() throws(TensorError) {
    try KernelCall.task(on: offsets.device, self) {
      Kernels.table.pointee.index_offsets(
        offsets.start.assumingMemoryBound(to: Int64.self), positions.start.assumingMemoryBound(to: Int64.self),
        offsets.layout.elementCount, Int64(size), Int64(stride))
    }
  }
}

extension IndexWalk {
  /// The pass over positions along one dimension of a table whose other dimensions they share.
  init(along dim: Int, table: Layout, index: Layout, value: Layout) {
    self.init(step: table.strides.at(dim), limit: table.shape.at(dim))
    for i in 0..<table.rank {
      append(
        size: index.shape.at(i), index: index.strides.at(i), value: value.strides.at(i),
        table: i == dim ? 0 : table.strides.at(i), isFree: i != dim)
    }
  }
}

extension Elements {
  /// The elements at int64 positions `index` along `dim`; all three may be scalars. False if not all positions lie within it.
  func read(along dim: Int, at index: Elements, into value: Elements) throws(TensorError) -> Bool {
    let table = layout.atLeastVector
    return try IndexWalk(along: dim, table: table, index: index.layout.atLeastVector, value: value.layout.atLeastVector).run(
      .read, IndexWalk.Operands(value: value, table: self, index: index))
  }

  /// Changes elements of this table: `value`, broadcast to `shape`, is put where `index` says, or joined to what is there by
  /// `kind`. `walk` is the pass for a layout of the table and one of the values; false if it ended early.
  ///
  /// - Parameter original: What the table begins as, if it is yet to be copied from there.
  @discardableResult
  func put(
    _ value: Elements, _ shape: Shape, at index: Value, joinedBy kind: Reduction.Kind?, over original: Elements? = nil,
    _ walk: (_ table: Layout, _ value: Layout) -> IndexWalk
  ) throws(TensorError) -> Bool {
    let isNative = kind == nil || dtype == dtype.computeClass.dtype
    let isCopiedOnTheWay =
      isNative && device.isCPU && !KernelCall.isObserved && layout.isContiguous && original?.layout.isContiguous == true
    if let original, !isCopiedOnTheWay { try original.copy(to: self) }
    func operands(_ table: Elements, _ value: Elements) -> IndexWalk.Operands {
      IndexWalk.Operands(
        value: value, table: table, index: index.elements, original: isCopiedOnTheWay ? original : nil)
    }
    return try withExtendedLifetime(index.storage) { () throws(TensorError) -> Bool in
      guard let kind else { return try walk(layout, value.layout.broadcast(to: shape)!).run(.write, operands(self, value)) }
      if isNative {
        return try walk(layout, value.layout.broadcast(to: shape)!).run(.join(kind), operands(self, value))
      } else {
        // Sums are exact or rounded once: they are formed in the class the dtype computes in, and lie as the table does, because
        // positions may be counted in its strides.
        guard let reach = layout.bounds else { return true }
        let memory = try Value(Layout([reach.count]), dtype.computeClass.dtype, on: device)
        let terms = try Value(Layout(value.layout.shape), memory.dtype, on: device)
        let sums = memory.elements(layout.moved(to: layout.offset - reach.lowerBound))
        try copy(to: sums)
        try value.copy(to: terms.elements)
        return try withExtendedLifetime((memory.storage, terms.storage)) { () throws(TensorError) in
          guard try walk(sums.layout, terms.layout.broadcast(to: shape)!).run(.join(kind), operands(sums, terms.elements)) else {
            return false
          }
          try sums.copy(to: self)
          return true
        }
      }
    }
  }

  /// Adds the elements to those of `target`, which has their shape and dtype, one programs compute in, and may show some of
  /// its memory more than once.
  func add(to target: Elements) throws(TensorError) {
    let nowhere = try Value(Layout([]), .int64, on: device)
    try nowhere.fillZero()
    try target.put(self, layout.shape, at: nowhere, joinedBy: .sum) { table, value in
      var walk = IndexWalk(step: 0)
      for dim in 0..<table.rank {
        walk.append(
          size: table.shape.at(dim), index: 0, value: value.strides.at(dim), table: table.strides.at(dim), isFree: false)
      }
      return walk
    }
  }
}
