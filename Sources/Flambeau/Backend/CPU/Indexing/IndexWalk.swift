import CKernels
import Synchronization

/// A pass over values that each belong to an element of a table, chosen by a position: gather, scatter, and indexing by
/// tensors.
///
/// Every dimension of the pass has a stride in the values, in the table and in the positions; a position stands for `step`
/// elements of the table. Strides count elements.
///
/// A pass ends early and says false where a position does not lie in 0 ..< `limit`; what belongs to such positions is left alone.
struct IndexWalk {
  fileprivate struct Dimension {
    var size: Int
    var index: Int
    var value: Int
    var table: Int
    /// No two places along it reach the same element of the table, so writers may share the work there.
    var isFree: Bool
  }

  private var dims: [Dimension] = []
  private let step: Int
  private let limit: Int
  private var isEmpty = false
  private var streams = false

  init(step: Int, limit: Int = .max) { (self.step, self.limit) = (step, limit) }

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

  /// Values and table as their first elements.
  struct Operands {
    var value: UnsafeMutableRawPointer
    var table: UnsafeMutableRawPointer
    var index: UnsafePointer<Int64>
    let dtype: DType
    /// What the table begins as, if it is yet to be copied from there. Both are dense, of `tableCount` elements.
    var original: UnsafeMutableRawPointer? = nil
    var tableCount = 0
  }

  /// The values become what the table holds.
  @discardableResult
  func read(_ operands: Operands) -> Bool {
    var walk = self
    walk.streams = dims.reduce(operands.dtype.byteCount) { $0 * $1.size } >= Pass.streamByteCount
    return walk.run(
      KernelAccess.indexRead[operands.dtype.byteCount.trailingZeroBitCount]!, operands, cutting: dims.indices.map { $0 })
  }

  /// The table takes the values. Of those that meet in one element the last stays.
  func write(_ operands: Operands) -> Bool {
    run(KernelAccess.indexWrite[operands.dtype.byteCount.trailingZeroBitCount]!, operands, cutting: freeDimensions)
  }

  /// The values are joined to the table, in their order: sums, products, minima and maxima. float32, float64 and int64 only.
  func reduce(_ kind: Reduction.Kind, _ operands: Operands) -> Bool {
    let row = Int(operands.dtype.computeClass.rawValue) * Int(fb_reduction_count.rawValue)
    return run(KernelAccess.indexReduce[row + Int(kind.kernel.rawValue)]!, operands, cutting: freeDimensions)
  }

  private var freeDimensions: [Int] { dims.indices.filter { dims[$0].isFree } }

  private static let pieceElements = 1 << 14
  private static let mostPieces = 64
  /// Pieces of neighbouring columns are at least this wide, so that writers share no cache line but at their ends.
  private static let leastColumns = 64

  /// Runs the kernel over pieces of one of the dimensions `cutting`: the outermost that is long enough, else the longest.
  private func run(_ kernel: fb_index_move, _ operands: Operands, cutting: [Int]) -> Bool {
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
  private func copiesAlong(_ choice: Int?, _ operands: Operands) -> Int? {
    guard operands.original != nil, choice == 0, dims[0].table > 0, dims[0].size * dims[0].table == operands.tableCount
    else { return nil }
    return Swift.max(1, IndexWalk.copiedElements / dims[0].table)
  }
  private static let copiedElements = 1 << 13

  private func runPiece(_ kernel: fb_index_move, _ operands: Operands) -> Bool {
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

extension IndexWalk.Operands {
  fileprivate func copyOriginal() {
    guard let original else { return }
    let all = Layout([tableCount])
    Elements(original, all, dtype).copy(to: Elements(table, all, dtype))
  }

  fileprivate func copyOriginal(_ count: Int) {
    if let original { table.copyMemory(from: original, byteCount: count * dtype.byteCount) }
  }

  fileprivate func advanced(by count: Int, _ dim: IndexWalk.Dimension) -> IndexWalk.Operands {
    let bytes = dtype.byteCount
    return IndexWalk.Operands(
      value: value + count * dim.value * bytes, table: table + count * dim.table * bytes,
      index: index + count * dim.index, dtype: dtype, original: original.map { $0 + count * dim.table * bytes },
      tableCount: tableCount)
  }
}
