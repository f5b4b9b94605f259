import CKernels

/// Reductions over any dimensions.
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
    func run() { plain(kind, computeClass, inputs, map, dims, scalars, finish, count, output) }
    if KernelCall.isObserved {
      KernelCall.observed(
        .reduction(kind, computeClass, inputs, map: map, dims: dims, scalars, finish: finish, into: output)
      ) { run() }
    } else {
      run()
    }
  }

  private static func plain(
    _ kind: Kind, _ computeClass: ComputeClass, _ inputs: [Elements], _ map: Program?, _ dims: [Int], _ scalars: Scalars,
    _ finish: Program?, _ count: Int, _ output: Elements
  ) {
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
    if KernelCall.isObserved {
      KernelCall.observed(.arg(kind, computeClass, input, dim: dim, into: output)) {
        arg(kernel, computeClass, input, dim, output)
      }
    } else {
      arg(kernel, computeClass, input, dim, output)
    }
  }

  private static func arg(
    _ kernel: fb_arg, _ computeClass: ComputeClass, _ input: Elements, _ dim: Int?, _ output: Elements
  ) {
    guard let dim else {
      DenseRows.read(input, nil, as: computeClass.dtype, in: computeClass) { start, _, width in
        let index = argOfLong(kernel, start, width, computeClass.byteCount)
        output.start.storeBytes(of: Int64(index), as: Int64.self)
      }
      return
    }
    DenseRows.read(input, dim, as: computeClass.dtype, in: computeClass) { start, rows, width in
      let stride = width * computeClass.byteCount
      withBuffer(rows * 8) { buffer in
        let indices = buffer.assumingMemoryBound(to: Int64.self)
        DenseRows.parallel(rows, width) { for r in $0 { indices[r] = Int64(kernel(start + r * stride, width)) } }
        Interpreter.run(
          identity, in: fb_i64, Elements(buffer, Layout(output.layout.shape), .int64), into: output)
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

  private static func withBuffer(_ byteCount: Int, _ body: (UnsafeMutableRawPointer) -> Void) {
    Scratch.withBytes(byteCount, body)
  }
}
