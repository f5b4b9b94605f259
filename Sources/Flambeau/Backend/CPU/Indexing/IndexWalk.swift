import CKernels
import Synchronization

/// A pass over values that each belong to an element of a table, chosen by a position: gather, scatter, and indexing by
/// tensors.
///
/// Every dimension of the pass has a stride in the values, in the table and in the positions; a position stands for `step`
/// elements of the table. Strides count elements.
///
/// A pass ends early and says false where a position does not lie in 0 ..< `limit`; what belongs to such positions is left alone.
struct IndexWalk: Hashable {
  struct Dimension: Hashable {
    var size: Int
    var index: Int
    var value: Int
    var table: Int
    /// No two places along it reach the same element of the table, so writers may share the work there.
    var isFree: Bool

    /// So many neighbours count as one.
    mutating func widen(by width: Int) {
      size /= width
      value *= width
      table *= width
    }
  }

  private(set) var dims: [Dimension] = []
  let step: Int
  let limit: Int
  /// What every position times `step` is a multiple of.
  let grain: Int
  private(set) var isEmpty = false
  private var streams = false

  init(step: Int, limit: Int = .max, grain: Int? = nil) { (self.step, self.limit, self.grain) = (step, limit, grain ?? step) }

  /// The next dimension inwards. Those that nest are walked as one.
  mutating func append(size: Int, index: Int, value: Int, table: Int, isFree: Bool) {
    if size == 0 { isEmpty = true }
    if size == 1 { return }
    if let last = dims.last, last.isFree == isFree, last.index == index * size, last.value == value * size,
      last.table == table * size
    {
      dims[dims.count - 1] = Dimension(size: last.size * size, index: index, value: value, table: table, isFree: isFree)
    } else {
      dims.append(Dimension(size: size, index: index, value: value, table: table, isFree: isFree))
    }
  }

  struct Operands {
    var value: Elements
    var table: Elements
    /// int64.
    var index: Elements
    /// What the table begins as, if it is yet to be copied from there, dense as the table is. Only in the processor's memory.
    var original: Elements? = nil
  }

  /// What becomes of values and table.
  enum Move: Sendable, Hashable {
    /// The values become what the table holds.
    case read
    /// The table takes the values. Of those that meet in one element the last stays.
    case write
    /// The values are joined to the table, in their order: sums, products, minima and maxima. float32, float64 and int64 only.
    case join(Reduction.Kind)
  }

  @discardableResult
  func run(_ move: Move, _ operands: Operands) throws(TensorError) -> Bool {
    var isWithin = true
    try KernelCall.task(on: operands.table.device, IndexTask(move: move, walk: self, over: operands)) {
      isWithin = runHere(move, operands)
    }
    return isWithin
  }

  private func runHere(_ move: Move, _ operands: Operands) -> Bool {
    let dtype = operands.table.dtype
    let size = dtype.byteCount.trailingZeroBitCount
    let kernel =
      switch move {
      case .read: KernelAccess.indexRead[size]!
      case .write: KernelAccess.indexWrite[size]!
      case .join(let kind):
        KernelAccess.indexReduce[
          Int(dtype.computeClass.rawValue) * Int(fb_reduction_count.rawValue) + Int(kind.kernel.rawValue)]!
      }
    let start = Start(
      value: operands.value.start, table: operands.table.start,
      index: UnsafePointer(operands.index.start.assumingMemoryBound(to: Int64.self)), dtype: dtype,
      original: operands.original?.start, tableCount: operands.table.layout.elementCount)
    var walk = self
    walk.streams = move == .read && dims.reduce(dtype.byteCount) { $0 * $1.size } >= Pass.streamByteCount
    return walk.run(kernel, start, cutting: dims.indices.filter { move == .read || dims[$0].isFree })
  }

  /// First elements.
  fileprivate struct Start {
    var value: UnsafeMutableRawPointer
    var table: UnsafeMutableRawPointer
    var index: UnsafePointer<Int64>
    let dtype: DType
    /// What the table begins as, if it is yet to be copied from there. Both are dense, of `tableCount` elements.
    var original: UnsafeMutableRawPointer?
    let tableCount: Int
  }

  private static let pieceElements = 1 << 14
  private static let mostPieces = 64
  /// Pieces of neighbouring columns are at least this wide, so that writers share no cache line but at their ends.
  private static let leastColumns = 64

  /// Runs the kernel over pieces of one of the dimensions `cutting`: the outermost that is long enough, else the longest.
  private func run(_ kernel: fb_index_move, _ operands: Start, cutting: [Int]) -> Bool {
    guard !isEmpty else {
      operands.copyOriginal()
      return true
    }
    let count = dims.reduce(1) { $0 * $1.size }
    let wanted = Swift.min(count / IndexWalk.pieceElements, IndexWalk.mostPieces)
    let longest = cutting.max { dims[$0].size < dims[$1].size }
    let choice = wanted > 1 ? cutting.first { dims[$0].size >= wanted } ?? longest : nil
    let copiesAlong = copiesAlong(choice, operands)
    if copiesAlong == nil { operands.copyOriginal() }
    guard let choice else { return runPiece(kernel, operands) }
    let size = dims[choice].size
    var length = (size + wanted - 1) / wanted
    if choice == dims.count - 1 { length = Swift.max(length, IndexWalk.leastColumns) }
    let isWithin = Atomic<Bool>(true)
    ThreadPool.run((size + length - 1) / length) { piece in
      var walk = self
      let end = Swift.min((piece + 1) * length, size)
      for start in stride(from: piece * length, to: end, by: copiesAlong ?? length) {
        walk.dims[choice].size = Swift.min(copiesAlong ?? length, end - start)
        let part = operands.advanced(by: start, walk.dims[choice])
        if copiesAlong != nil { part.copyOriginal(walk.dims[choice].size * walk.dims[choice].table) }
        if !walk.runPiece(kernel, part) { isWithin.store(false, ordering: .relaxed) }
      }
    }
    return isWithin.load(ordering: .relaxed)
  }

  /// How much of a dimension is copied before it is walked, so that the copy is still near: nil where the table is no sequence of what
  /// belongs to the places along it.
  private func copiesAlong(_ choice: Int?, _ operands: Start) -> Int? {
    guard operands.original != nil, choice == 0, dims[0].table > 0, dims[0].size * dims[0].table == operands.tableCount
    else { return nil }
    return Swift.max(1, IndexWalk.copiedElements / dims[0].table)
  }
  private static let copiedElements = 1 << 13

  private func runPiece(_ kernel: fb_index_move, _ operands: Start) -> Bool {
    let columns = dims.last ?? Dimension(size: 1, index: 0, value: 1, table: 1, isFree: true)
    let rows = dims.count > 1 ? dims[dims.count - 2] : Dimension(size: 1, index: 0, value: 0, table: 0, isFree: true)
    var plane = fb_index_walk(
      rows: rows.size, columns: columns.size, index_row: rows.index, index_column: columns.index, value_row: rows.value,
      value_column: columns.value, table_row: rows.table, table_column: columns.table, step: step, limit: Int64(limit),
      streams: streams)
    let outer = Swift.max(dims.count - 2, 0)
    var place = [Int](repeating: 0, count: outer)
    var at = operands
    while true {
      if !kernel(&plane, at.value, at.table, at.index) { return false }
      var dim = outer - 1
      while dim >= 0 {
        place[dim] += 1
        at = at.advanced(by: 1, dims[dim])
        if place[dim] < dims[dim].size { break }
        at = at.advanced(by: -place[dim], dims[dim])
        place[dim] = 0
        dim -= 1
      }
      if dim < 0 { return true }
    }
  }
}

extension IndexWalk.Start {
  fileprivate func copyOriginal() {
    guard let original else { return }
    let all = Layout([tableCount])
    Elements(original, all, dtype).copyOnProcessor(to: Elements(table, all, dtype))
  }

  fileprivate func copyOriginal(_ count: Int) {
    if let original { table.copyMemory(from: original, byteCount: count * dtype.byteCount) }
  }

  fileprivate func advanced(by count: Int, _ dim: IndexWalk.Dimension) -> IndexWalk.Start {
    let bytes = dtype.byteCount
    return IndexWalk.Start(
      value: value + count * dim.value * bytes, table: table + count * dim.table * bytes,
      index: index + count * dim.index, dtype: dtype, original: original.map { $0 + count * dim.table * bytes },
      tableCount: tableCount)
  }
}
