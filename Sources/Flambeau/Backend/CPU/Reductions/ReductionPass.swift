import CKernels

/// One reduction into a dense result of its compute class.
///
/// Along rows, where a reduced dimension is innermost: each row is reduced by one kernel. Along columns, where a kept one
/// is: rows are added to a block of columns. Work is cut into pieces by shape, whose results join in a fixed tree.
struct ReductionPass {
  private struct Dimension {
    let size: Int
    let isReduced: Bool
    /// The result's stride, then the operands'.
    let strides: [Int]
  }

  private let computeClass: ComputeClass
  private let reduce: fb_reduce
  private let reduceRows: fb_reduce_rows
  private let join: fb_map
  private let foldRows: fb_fold_rows
  private let scalars: Scalars
  private let result: UnsafeMutableRawPointer
  private let byteCount: Int
  private let operandCount: Int
  private let feed: Feed.Shape
  /// The dimension a piece runs along.
  private let inner: Dimension
  private let kept: [Dimension]
  private let reduced: [Dimension]
  private let cost: Int
  /// The bytes from one reduced row to the next, where rows are read as they lie.
  private let rowStep: Int?

  /// Elements of a piece of work.
  private static let pieceElements = 32768
  /// Columns added at a time.
  private static let columnBlock = 2048
  /// Pieces the rows of one block are cut into.
  private static let most = 64
  /// Rows added before their sum joins the sum of sums, for the sake of digits.
  private static let rowsPerSum = 32

  /// `result` takes the kept dimensions' row-major order. Nothing is empty.
  init(
    _ kind: Reduction.Kind, in computeClass: ComputeClass, _ operands: [Elements], map: Plan?, dims: [Int],
    scalars: Scalars, result: UnsafeMutableRawPointer
  ) {
    self.computeClass = computeClass
    reduce = computeClass.reduce(kind.kernel)
    reduceRows = computeClass.reduceRows(kind.kernel)
    join = kind.join.kernel(in: computeClass)!
    foldRows = computeClass.foldRows(kind.kernel)
    self.scalars = scalars
    self.result = result
    byteCount = computeClass.byteCount
    operandCount = operands.count
    cost = map?.cost ?? 1

    var dimensions = ReductionPass.dimensions(operands, dims)
    if dimensions.isEmpty {
      dimensions = [Dimension(size: 1, isReduced: true, strides: [0] + Array(repeating: 1, count: operands.count))]
    }
    let position = ReductionPass.innermost(dimensions)
    inner = dimensions[position]
    dimensions.remove(at: position)
    kept = dimensions.filter { !$0.isReduced }
    reduced = dimensions.filter(\.isReduced)
    feed = Feed.Shape(map, in: computeClass, operands, innerStrides: Array(inner.strides.dropFirst()))
    rowStep = feed.limit == .max && reduced.count == 1 ? reduced[0].strides[1] * computeClass.byteCount : nil
  }

  /// Merged where every operand allows it, from the largest stride to the smallest.
  private static func dimensions(_ operands: [Elements], _ dims: [Int]) -> [Dimension] {
    let shape = operands[0].layout.shape
    var resultStrides = Array(repeating: 0, count: shape.count)
    var step = 1
    for dim in (0..<shape.count).reversed() where !dims.contains(dim) {
      resultStrides[dim] = step
      step *= shape.at(dim)
    }
    let reach = (0..<shape.count).map { dim in operands.map { abs($0.layout.strides.at(dim)) }.max()! }
    // What no operand moves along goes outside.
    let order = (0..<shape.count).filter { shape.at($0) != 1 }.sorted { a, b in
      let (x, y) = (reach[a] == 0 ? Int.max : reach[a], reach[b] == 0 ? Int.max : reach[b])
      return x != y ? x > y : a < b
    }
    var dimensions: [Dimension] = []
    for dim in order {
      let next = Dimension(
        size: shape.at(dim), isReduced: dims.contains(dim),
        strides: [resultStrides[dim]] + operands.map { $0.layout.strides.at(dim) })
      if let last = dimensions.last, last.isReduced == next.isReduced,
        zip(last.strides, next.strides).allSatisfy({ $0 == $1 * next.size })
      {
        dimensions[dimensions.count - 1] = Dimension(
          size: last.size * next.size, isReduced: next.isReduced, strides: next.strides)
      } else {
        dimensions.append(next)
      }
    }
    return dimensions
  }

  /// The dimension of the smallest stride, unless it is short and one of the other kind is long.
  private static func innermost(_ dimensions: [Dimension]) -> Int {
    let last = dimensions.count - 1
    let (short, long) = (32, 64)
    if dimensions[last].size >= short { return last }
    let other = dimensions.lastIndex { $0.isReduced != dimensions[last].isReduced && $0.size >= long }
    return other ?? last
  }

  func run() {
    if inner.isReduced { alongRows() } else { alongColumns() }
  }

  // MARK: Along rows

  private func alongRows() {
    let outputs = kept.reduce(1) { $0 * $1.size }
    let rows = reduced.reduce(1) { $0 * $1.size }
    let budget = Swift.max(4096, ReductionPass.pieceElements * 2 / (cost + 1))
    let rowPieces = (inner.size + budget - 1) / budget
    let pieceLength = (inner.size + rowPieces - 1) / rowPieces
    // Segments of one output: `rowPieces` of each of its rows; a piece of work is some of them.
    let segments = rows * rowPieces
    let perPiece = Swift.max(1, budget / pieceLength)
    let pieces = (segments + perPiece - 1) / perPiece

    if pieces == 1 {
      let perChunk = Swift.max(1, budget / (rows * inner.size))
      let chunks = (outputs + perChunk - 1) / perChunk
      if segments == 1 && feed.limit == .max && kept.count == 1 && kept[0].strides[0] == 1 {
        return eachRow(outputs, perChunk, chunks)
      }
      parallel(chunks) { chunk, feed, offsets, cells in
        for output in chunk * perChunk..<Swift.min((chunk + 1) * perChunk, outputs) {
          let to = result + place(output, offsets) * byteCount
          reduceSegments(0..<segments, rowPieces, pieceLength, feed, offsets, cells, into: to)
        }
      }
      return
    }
    if outputs == 1 && rows == 1 && perPiece == 1 && feed.limit == .max { return eachPiece(pieceLength) }
    Scratch.withBytes(outputs * pieces * byteCount) { partials in
      parallel(outputs * pieces) { unit, feed, offsets, cells in
        let (output, piece) = unit.quotientAndRemainder(dividingBy: pieces)
        _ = place(output, offsets)
        reduceSegments(
          piece * perPiece..<Swift.min((piece + 1) * perPiece, segments), rowPieces, pieceLength, feed, offsets, cells,
          into: partials + unit * byteCount)
      }
      withOffsets { offsets in
        for output in 0..<outputs {
          let to = result + place(output, offsets) * byteCount
          let first = partials + output * pieces * byteCount
          joinTree(first, pieces, 1)
          to.copyMemory(from: first, byteCount: byteCount)
        }
      }
    }
  }

  /// Whole rows of one operand, read as they lie: nothing else is done between one row and the next, which would keep memory waiting.
  private func eachRow(_ outputs: Int, _ perChunk: Int, _ chunks: Int) {
    let step = kept[0].strides[1] * byteCount
    forEach(chunks, parallel: true) { chunk in
      let first = chunk * perChunk
      reduceRows(
        result + first * byteCount, feed.lanes[0].start + first * step, step, Swift.min(perChunk, outputs - first), inner.size)
    }
  }

  /// Pieces of one row, read as it lies, some at a time for the same reason.
  private func eachPiece(_ pieceLength: Int) {
    let (start, together) = (feed.lanes[0].start, 8)
    let (pieces, whole) = ((inner.size + pieceLength - 1) / pieceLength, inner.size / pieceLength)
    Scratch.withBytes(pieces * byteCount) { partials in
      forEach((pieces + together - 1) / together, parallel: true) { chunk in
        let first = chunk * together
        let end = Swift.min(first + together, pieces)
        let (to, from) = (partials + first * byteCount, start + first * pieceLength * byteCount)
        reduceRows(to, from, pieceLength * byteCount, Swift.min(end, whole) - first, pieceLength)
        if end > whole {
          reduce(partials + whole * byteCount, start + whole * pieceLength * byteCount, inner.size - whole * pieceLength)
        }
      }
      joinTree(partials, pieces, 1)
      result.copyMemory(from: partials, byteCount: byteCount)
    }
  }

  /// `offsets` hold the output's corner. `sums` are the sums of 1, 2, 4 … segments that wait for their neighbour, the
  /// largest first: neighbours of equal length join, so that long sums keep their digits.
  private func reduceSegments(
    _ segments: Range<Int>, _ rowPieces: Int, _ pieceLength: Int, _ feed: Feed, _ offsets: UnsafeMutablePointer<Int>,
    _ sums: UnsafeMutableRawPointer, into total: UnsafeMutableRawPointer
  ) {
    let row = offsets + operandCount
    var (count, top) = (0, sums)
    func joinTop() {
      top -= byteCount
      join(top - byteCount, top - byteCount, top, nil, 1, 0)
    }
    for segment in segments {
      let (r, piece) = segment.quotientAndRemainder(dividingBy: rowPieces)
      moveToRow(r, from: offsets, row)
      var index = piece * pieceLength
      let end = Swift.min(index + pieceLength, inner.size)
      while index < end {
        let n = Swift.min(self.feed.limit, end - index)
        reduce(top, feed.block(row, index, n), n)
        top += byteCount
        count += 1
        for _ in 0..<count.trailingZeroBitCount { joinTop() }
        index += n
      }
    }
    while top > sums + byteCount { joinTop() }
    total.copyMemory(from: sums, byteCount: byteCount)
  }

  // MARK: Along columns

  private func alongColumns() {
    let outer = kept.reduce(1) { $0 * $1.size }
    let rows = reduced.reduce(1) { $0 * $1.size }
    let width = Swift.min(inner.size, Swift.min(feed.limit, ReductionPass.columnBlock))
    let blocks = (inner.size + width - 1) / width
    let budget = Swift.max(4096, ReductionPass.pieceElements * 2 / (cost + 1))
    let rowsPerPiece = Swift.max(64, Swift.max(budget / width, (rows + ReductionPass.most - 1) / ReductionPass.most))
    let pieces = (rows + rowsPerPiece - 1) / rowsPerPiece
    let units = outer * blocks
    let blockByteCount = Frame.blockByteCount(computeClass, width)

    if pieces == 1 {
      let perChunk = Swift.max(1, budget / (rows * width))
      parallel((units + perChunk - 1) / perChunk, extra: 2 * blockByteCount) { chunk, feed, offsets, sums in
        for unit in chunk * perChunk..<Swift.min((chunk + 1) * perChunk, units) {
          let (output, block) = unit.quotientAndRemainder(dividingBy: blocks)
          let corner = place(output, offsets)
          let n = Swift.min(width, inner.size - block * width)
          addRows(0..<rows, block * width, n, feed, offsets, sums, sums + blockByteCount)
          write(sums, n, corner + block * width * inner.strides[0])
        }
      }
      return
    }
    Scratch.withBytes(units * pieces * blockByteCount) { partials in
      parallel(units * pieces, extra: blockByteCount) { work, feed, offsets, sums in
        let (unit, piece) = work.quotientAndRemainder(dividingBy: pieces)
        let (output, block) = unit.quotientAndRemainder(dividingBy: blocks)
        _ = place(output, offsets)
        addRows(
          piece * rowsPerPiece..<Swift.min((piece + 1) * rowsPerPiece, rows), block * width,
          Swift.min(width, inner.size - block * width), feed, offsets, partials + work * blockByteCount, sums)
      }
      withOffsets { offsets in
        for unit in 0..<units {
          let (output, block) = unit.quotientAndRemainder(dividingBy: blocks)
          let n = Swift.min(width, inner.size - block * width)
          let first = partials + unit * pieces * blockByteCount
          joinTree(first, pieces, n, step: blockByteCount)
          write(first, n, place(output, offsets) + block * width * inner.strides[0])
        }
      }
    }
  }

  /// Joins rows into `total`, a few at a time in `sum`.
  private func addRows(
    _ rows: Range<Int>, _ column: Int, _ n: Int, _ feed: Feed, _ offsets: UnsafeMutablePointer<Int>,
    _ total: UnsafeMutableRawPointer, _ sum: UnsafeMutableRawPointer
  ) {
    let row = offsets + operandCount
    var first = rows.lowerBound
    while first < rows.upperBound {
      let last = Swift.min(first + ReductionPass.rowsPerSum, rows.upperBound)
      let to = first == rows.lowerBound ? total : sum
      if let rowStep {
        moveToRow(first, from: offsets, row)
        foldRows(to, feed.block(row, column, n), rowStep, last - first, n, true)
      } else {
        for r in first..<last {
          moveToRow(r, from: offsets, row)
          foldRows(to, feed.block(row, column, n), 0, 1, n, r == first)
        }
      }
      if to == sum { join(total, total, sum, nil, n, 0) }
      first = last
    }
  }

  private func write(_ block: UnsafeMutableRawPointer, _ n: Int, _ position: Int) {
    computeClass.store(computeClass.dtype)(result + position * byteCount, inner.strides[0], block, n)
  }

  // MARK: Parts of both

  /// Joins `count` neighbouring blocks of `n` values into the first, halves first.
  private func joinTree(_ first: UnsafeMutableRawPointer, _ count: Int, _ n: Int, step: Int? = nil) {
    let step = step ?? byteCount
    var distance = 1
    while distance < count {
      var i = 0
      while i + distance < count {
        let to = first + i * step
        join(to, to, first + (i + distance) * step, nil, n, 0)
        i += 2 * distance
      }
      distance *= 2
    }
  }

  /// Runs `body(i, feed, offsets, extra)` for each i, on the pool where there are several.
  private func parallel(
    _ count: Int, extra: Int = 64 * 8,
    _ body: (Int, Feed, UnsafeMutablePointer<Int>, UnsafeMutableRawPointer) -> Void
  ) {
    feed.lanes.withUnsafeBufferPointer { lanes in
      func run(_ i: Int) {
        withOffsets { offsets in
          Scratch.withBytes(feed.byteCount + extra + 64) { memory in
            let extraStart = memory + (feed.byteCount + 63) & ~63
            body(i, Feed(feed, in: computeClass, scalars: scalars, at: memory, lanes), offsets, extraStart)
          }
        }
      }
      if count == 1 { run(0) } else { ThreadPool.run(count, run) }
    }
  }

  /// Room for the operands' positions of an output, and of a row of it.
  private func withOffsets(_ body: (UnsafeMutablePointer<Int>) -> Void) {
    withUnsafeTemporaryAllocation(of: Int.self, capacity: 2 * operandCount) { body($0.baseAddress!) }
  }

  /// Moves `offsets` to the corner of an output; returns the result's position.
  private func place(_ output: Int, _ offsets: UnsafeMutablePointer<Int>) -> Int {
    for i in 0..<operandCount { offsets[i] = 0 }
    var position = 0
    var rest = output
    for dimension in kept.reversed() {
      let (quotient, index) = rest.quotientAndRemainder(dividingBy: dimension.size)
      position += index * dimension.strides[0]
      for i in 0..<operandCount { offsets[i] += index * dimension.strides[i + 1] }
      rest = quotient
    }
    return position
  }

  @inline(__always)
  private func moveToRow(_ index: Int, from offsets: UnsafeMutablePointer<Int>, _ row: UnsafeMutablePointer<Int>) {
    for i in 0..<operandCount { row[i] = offsets[i] }
    var rest = index
    for dimension in reduced.reversed() {
      let (quotient, here) = rest.quotientAndRemainder(dividingBy: dimension.size)
      for i in 0..<operandCount { row[i] += here * dimension.strides[i + 1] }
      rest = quotient
    }
  }
}

extension Reduction.Kind {
  var kernel: fb_reduction {
    switch self {
    case .sum: fb_reduce_sum
    case .prod: fb_reduce_prod
    case .min: fb_reduce_min
    case .max: fb_reduce_max
    case .any: fb_reduce_any
    case .all: fb_reduce_all
    }
  }

  /// The primitive that joins two results.
  fileprivate var join: Primitive {
    switch self {
    case .sum: fb_add
    case .prod: fb_mul
    case .min: fb_min
    case .max: fb_max
    case .any: fb_logical_or
    case .all: fb_logical_and
    }
  }
}
