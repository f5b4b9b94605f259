import CKernels

/// Elements as rows without gaps, for loops that walk along one dimension.
enum DenseRows {
  /// Gives `body` the elements as `dtype`, row after row, `dim` being the row (nil: all is one row). Where they lie if
  /// possible, else a copy. `computeClass` holds both dtypes. Nothing is empty.
  static func read(
    _ input: Elements, _ dim: Int?, as dtype: DType, in computeClass: ComputeClass,
    _ body: (_ start: UnsafeMutableRawPointer, _ rows: Int, _ width: Int) -> Void
  ) {
    let count = input.layout.elementCount
    let layout = dim.map { moving($0, toLastOf: input.layout) } ?? input.layout
    let width = dim == nil ? count : layout.shape.last ?? 1
    if layout.isContiguous && input.dtype == dtype {
      body(input.start, count / width, width)
      return
    }
    Scratch.withBytes(count * dtype.byteCount) { buffer in
      Interpreter.run(
        identity, in: computeClass, input.laid(layout),
        into: Elements(buffer, Layout(layout.shape), dtype))
      body(buffer, count / width, width)
    }
  }

  /// Gives `body` room for rows of `dtype`, which become the elements of `output`: where they lie if possible.
  static func write(
    _ output: Elements, _ dim: Int, as dtype: DType, in computeClass: ComputeClass, _ body: (UnsafeMutableRawPointer) -> Void
  ) {
    let layout = moving(dim, toLastOf: output.layout)
    if layout.isContiguous && output.dtype == dtype {
      body(output.start)
      return
    }
    Scratch.withBytes(output.layout.elementCount * dtype.byteCount) { buffer in
      body(buffer)
      Interpreter.run(
        identity, in: computeClass, Elements(buffer, Layout(layout.shape), dtype),
        into: output.laid(layout))
    }
  }

  /// The same, or, without an output, room for `count` elements that nobody reads.
  static func write(
    _ output: Elements?, _ dim: Int?, _ count: Int, as dtype: DType, in computeClass: ComputeClass,
    _ body: (UnsafeMutableRawPointer) -> Void
  ) {
    guard let output else { return Scratch.withBytes(count * dtype.byteCount, body) }
    write(output, dim ?? 0, as: dtype, in: computeClass, body)
  }

  /// Runs `body` on ranges of rows, cut by their length.
  static func parallel(_ rows: Int, _ width: Int, _ body: (Range<Int>) -> Void) {
    let perChunk = Swift.max(1, 16384 / width)
    let chunks = (rows + perChunk - 1) / perChunk
    if chunks == 1 {
      body(0..<rows)
    } else {
      ThreadPool.run(chunks) { body($0 * perChunk..<Swift.min(($0 + 1) * perChunk, rows)) }
    }
  }

  private static let identity = Program { x in x }

  private static func moving(_ dim: Int, toLastOf layout: Layout) -> Layout {
    dim >= layout.rank - 1 ? layout : layout.permuted((0..<layout.rank).filter { $0 != dim } + [dim])
  }
}
