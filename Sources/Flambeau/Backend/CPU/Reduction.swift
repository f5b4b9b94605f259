import CKernels

/// Reductions over any dimensions, and scans along one.
enum Reduction {
  enum Kind: Sendable { case sum, prod, min, max, any, all }

  /// Reduces `dims` (distinct, not negative) of the inputs, which have one shape; `output` has that shape with the
  /// reduced sizes 1.
  ///
  /// What is reduced is `map` of the inputs (the only input itself, without one), computed in `computeClass`; `finish`,
  /// a program of one input, is applied to each result before it is converted to the output's dtype. Both read `scalars`.
  /// A reduction of nothing gives the identity (min and max: ±infinity, or the integers' bounds).
  static func run(
    _ kind: Kind, in computeClass: ComputeClass, _ inputs: [Elements], map: Program? = nil, dims: [Int],
    scalars: Scalars = Scalars(), finish: Program? = nil, into output: Elements
  ) {
    let count = output.layout.elementCount
    if count == 0 { return }
    // Straight into the output where it is what the pass makes.
    let isPlain = finish == nil && output.dtype == computeClass.dtype && output.layout.isContiguous
    if isPlain {
      reduce(kind, computeClass, inputs, map, dims, scalars, count, into: output.start)
      return
    }
    withBuffer(count * computeClass.byteCount) { buffer in
      reduce(kind, computeClass, inputs, map, dims, scalars, count, into: buffer)
      let results = Elements(buffer, Layout(output.layout.shape), computeClass.dtype)
      if let finish, finish.scalarCount > 0 {
        Interpreter.run(finish, in: computeClass, results, scalars: scalars, into: output)
      } else {
        Interpreter.run(finish ?? identity, in: computeClass, results, into: output)
      }
    }
  }

  /// The position along `dim` of the first smallest or largest element, or of the first NaN; `nil` reduces all
  /// dimensions and counts row-major. `output` is int64, shaped as in `run`. Nothing is empty.
  static func arg(
    _ kind: Kind, in computeClass: ComputeClass, _ input: Elements, dim: Int?, into output: Elements
  ) {
    let kernel = (kind == .min ? KernelAccess.argmin : KernelAccess.argmax)[Int(computeClass.rawValue)]!
    if output.layout.elementCount == 0 { return }
    guard let dim else {
      withRows(input, nil, computeClass) { start, _, width in
        let index = argOfLong(kernel, start, width, computeClass.byteCount)
        output.start.storeBytes(of: Int64(index), as: Int64.self)
      }
      return
    }
    withRows(input, dim, computeClass) { start, rows, width in
      let stride = width * computeClass.byteCount
      withBuffer(rows * 8) { buffer in
        let indices = buffer.assumingMemoryBound(to: Int64.self)
        forChunks(rows, width) { for r in $0 { indices[r] = Int64(kernel(start + r * stride, width)) } }
        Interpreter.run(
          identity, in: fb_i64, Elements(buffer, Layout(output.layout.shape), .int64), into: output)
      }
    }
  }

  /// Running sums or products along `dim`; both have one shape. float32 accumulates in float64.
  static func scan(_ kind: Kind, in computeClass: ComputeClass, _ input: Elements, dim: Int, into output: Elements) {
    if output.layout.elementCount == 0 { return }
    let rank = input.layout.rank
    let width = rank == 0 ? 1 : input.layout.shape.at(dim)
    let rows = input.layout.elementCount / width
    let stride = width * computeClass.byteCount
    let isPlain = rank == 0 || (dim == rank - 1 && output.layout.isContiguous && output.dtype == computeClass.dtype)

    withRows(input, rank == 0 ? nil : dim, computeClass) { start, _, _ in
      let scanAll = { (to: UnsafeMutableRawPointer) in
        forChunks(rows, width) {
          for r in $0 { Scan.run(computeClass, isSum: kind == .sum, start + r * stride, to + r * stride, width) }
        }
      }
      if isPlain {
        scanAll(output.start)
        return
      }
      withBuffer(rows * stride) { buffer in
        scanAll(buffer)
        let last = moving(dim, toLastOf: output.layout)
        Interpreter.run(
          identity, in: computeClass, Elements(buffer, Layout(last.shape), computeClass.dtype),
          into: Elements(output.pointer, last, output.dtype))
      }
    }
  }

  private static let identity = Program { x in x }

  private static func reduce(
    _ kind: Kind, _ computeClass: ComputeClass, _ inputs: [Elements], _ map: Program?, _ dims: [Int], _ scalars: Scalars,
    _ count: Int, into result: UnsafeMutableRawPointer
  ) {
    if inputs[0].layout.elementCount == 0 {
      computeClass.reduce(kind.kernel)(result, result, 0)
      computeClass.load(computeClass.dtype)(result, result, 0, count)
      return
    }
    ReductionPass(
      kind, in: computeClass, inputs, map: map?.plan(in: computeClass), dims: dims, scalars: scalars, result: result
    ).run()
  }

  /// A long row's position: of the pieces' winners, then of the winner among them.
  private static func argOfLong(_ kernel: fb_arg, _ start: UnsafeMutableRawPointer, _ n: Int, _ byteCount: Int) -> Int {
    let piece = 32768
    let pieces = (n + piece - 1) / piece
    if pieces == 1 { return kernel(start, n) }
    var winner = 0
    withBuffer(pieces * 16) { buffer in
      let indices = buffer.assumingMemoryBound(to: Int.self)
      let values = buffer + pieces * 8
      ThreadPool.run(pieces) { i in
        indices[i] = i * piece + kernel(start + i * piece * byteCount, Swift.min(piece, n - i * piece))
        (values + i * byteCount).copyMemory(from: start + indices[i] * byteCount, byteCount: byteCount)
      }
      winner = indices[kernel(values, pieces)]
    }
    return winner
  }

  /// Gives `body` the elements in the compute class, row after row, `dim` being the row (nil: all is one row).
  private static func withRows(
    _ input: Elements, _ dim: Int?, _ computeClass: ComputeClass,
    _ body: (_ start: UnsafeMutableRawPointer, _ rows: Int, _ width: Int) -> Void
  ) {
    let count = input.layout.elementCount
    let isScalar = input.layout.rank == 0
    let layout = isScalar ? input.layout : dim.map { moving($0, toLastOf: input.layout) } ?? input.layout
    let width = isScalar ? 1 : dim.map { input.layout.shape.at($0) } ?? count
    if layout.isContiguous && input.dtype == computeClass.dtype {
      body(input.start, count / width, width)
      return
    }
    withBuffer(count * computeClass.byteCount) { buffer in
      Interpreter.run(
        identity, in: computeClass, Elements(input.pointer, layout, input.dtype),
        into: Elements(buffer, Layout(layout.shape), computeClass.dtype))
      body(buffer, count / width, width)
    }
  }

  private static func moving(_ dim: Int, toLastOf layout: Layout) -> Layout {
    dim == layout.rank - 1 ? layout : layout.permuted((0..<layout.rank).filter { $0 != dim } + [dim])
  }

  /// Cuts rows into chunks by their length.
  private static func forChunks(_ rows: Int, _ width: Int, _ body: (Range<Int>) -> Void) {
    let perChunk = Swift.max(1, 16384 / width)
    let chunks = (rows + perChunk - 1) / perChunk
    if chunks == 1 {
      body(0..<rows)
    } else {
      ThreadPool.run(chunks) { body($0 * perChunk..<Swift.min(($0 + 1) * perChunk, rows)) }
    }
  }

  private static func withBuffer(_ byteCount: Int, _ body: (UnsafeMutableRawPointer) -> Void) {
    Scratch.withBytes(byteCount, body)
  }
}

/// Running totals of one row; reading and writing may be the same memory.
private enum Scan {
  static func run(
    _ computeClass: ComputeClass, isSum: Bool, _ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer, _ n: Int
  ) {
    if computeClass == fb_f32 {
      if isSum {
        scan(from, to, n, 0.0, { Double($0) }, { Float($0) }, { $0 + $1 })
      } else {
        scan(from, to, n, 1.0, { Double($0) }, { Float($0) }, { $0 * $1 })
      }
    } else if computeClass == fb_f64 {
      if isSum {
        scan(from, to, n, 0.0, { $0 }, { $0 }, { $0 + $1 })
      } else {
        scan(from, to, n, 1.0, { $0 }, { $0 }, { $0 * $1 })
      }
    } else if isSum {
      scan(from, to, n, Int64(0), { $0 }, { $0 }, { $0 &+ $1 })
    } else {
      scan(from, to, n, Int64(1), { $0 }, { $0 }, { $0 &* $1 })
    }
  }

  @inline(__always)
  private static func scan<Element, Total>(
    _ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer, _ n: Int, _ start: Total, _ widen: (Element) -> Total,
    _ narrow: (Total) -> Element, _ join: (Total, Total) -> Total
  ) {
    let (x, y) = (from.assumingMemoryBound(to: Element.self), to.assumingMemoryBound(to: Element.self))
    var total = start
    for i in 0..<n {
      total = join(total, widen(x[i]))
      y[i] = narrow(total)
    }
  }
}
