import CKernels

/// A matrix in memory; strides count elements.
struct MatrixOperand {
  var data: UnsafeRawPointer
  var dtype: DType
  var rowStride: Int
  var columnStride: Int

  var transposed: MatrixOperand {
    MatrixOperand(data: data, dtype: dtype, rowStride: columnStride, columnStride: rowStride)
  }

  func advanced(rows: Int = 0, columns: Int = 0) -> MatrixOperand {
    advanced(by: rows * rowStride + columns * columnStride)
  }

  func advanced(by elements: Int) -> MatrixOperand {
    var moved = self
    moved.data = data + elements * dtype.byteCount
    return moved
  }
}

/// What is done to C while it is in cache, in the compute type (float32 for halves), before rounding.
struct GemmEpilogue {
  /// Added to every row of C; n elements of C's type.
  var columnBias: UnsafeRawPointer?
  /// Added to every column of C; m elements of C's type.
  var rowBias: UnsafeRawPointer?
  /// Called once for every finished segment of a row: (elements in the compute type, row, first column, count).
  var rows: ((UnsafeMutableRawPointer, Int, Int, Int) -> Void)?

  var isEmpty: Bool { columnBias == nil && rowBias == nil && rows == nil }
}

/// C[m, n] = alpha · A[m, k] B[k, n] + beta · C, then the epilogue.
///
/// Floating-point operands may differ in type within one class (halves and float32; float64 alone); integers agree and wrap.
/// A beta of 0 does not read C. The bits of the result depend on the shape, the strides and the instruction set only.
struct Gemm {
  var m: Int
  var n: Int
  var k: Int
  var a: MatrixOperand
  var b: MatrixOperand
  var c: UnsafeMutableRawPointer
  var cType: DType
  var cRowStride: Int
  var alpha = 1.0
  var beta = 0.0
  var epilogue = GemmEpilogue()
  var table = GemmTable.current

  func run() {
    if m == 0 || n == 0 { return }
    if !cType.isFloatingPoint { return runIntegers() }
    if isTiny { return runTiny() }
    if n == 1 && m > 1 && cRowStride == 1 && epilogue.rows == nil { return transposed.run() }
    if runSplit() { return }
    if let thin = ThinGemm(self) { return thin.run() }
    PackedGemm(self).run()
  }

  /// The same product as Cᵀ = Bᵀ Aᵀ, for a C of one column.
  private var transposed: Gemm {
    var t = self
    (t.m, t.n, t.a, t.b, t.cRowStride) = (n, m, b.transposed, a.transposed, m)
    (t.epilogue.rowBias, t.epilogue.columnBias) = (epilogue.columnBias, epilogue.rowBias)
    return t
  }

  /// Work under which a second thread costs more than it brings.
  static let parallelWork = 1 << 19
  var work: Int { m * n * Swift.max(k, 1) }
  var isParallel: Bool { work >= Gemm.parallelWork }

  func cAt(_ row: Int, _ column: Int) -> UnsafeMutableRawPointer {
    c + (row * cRowStride + column) * cType.byteCount
  }
}

extension Gemm {
  private var isTiny: Bool {
    guard cType == a.dtype && cType == b.dtype && !cType.isHalf && epilogue.isEmpty else { return false }
    return work <= (b.columnStride == 1 ? 4096 : 512)
  }

  private var asSmall: fb_gemm_small {
    fb_gemm_small(
      m: m, n: n, k: k, a: a.data, a_row: a.rowStride, a_column: a.columnStride, b: b.data, b_row: b.rowStride,
      b_column: b.columnStride, c: c, c_row: cRowStride, alpha: alpha, beta: beta)
  }

  private func runTiny() {
    var product = asSmall
    table.compute(cType).pointee.small(&product)
  }

  private func runIntegers() {
    precondition(epilogue.isEmpty, "epilogues are for floating point")
    let kernel = table.type(cType).pointee.integers!
    let rows = Swift.max(1, (1 << 16) / Swift.max(1, n * k))
    forEach((m + rows - 1) / rows, parallel: isParallel) { i in
      var part = asSmall
      part.m = Swift.min(rows, m - i * rows)
      part.a = a.advanced(rows: i * rows).data
      part.c = cAt(i * rows, 0)
      kernel(&part)
    }
  }

  /// A long k under a small C: slices of k by shape, each a product of its own, added in order.
  private func runSplit() -> Bool {
    let slice = 4096
    let slices = Swift.min(32, k / slice)
    guard slices >= 4, m * n <= 128 * 128, Swift.max(m, n) <= 1024, isParallel else { return false }
    let type = cType.gemmCompute
    let size = m * n * type.byteCount
    Scratch.withBytes(size * slices) { parts in
      forEach(slices, parallel: true) { s in
        let (start, end) = (k * s / slices, k * (s + 1) / slices)
        var part = self
        part.k = end - start
        part.a = a.advanced(columns: start)
        part.b = b.advanced(rows: start)
        (part.c, part.cType, part.cRowStride) = (parts + s * size, type, n)
        part.beta = 0
        part.epilogue = GemmEpilogue()
        part.run()
      }
      for s in 1..<slices {
        table.type(type).pointee.finish(parts, n, parts + s * size, n, m, n, 1)
      }
      GemmFinish(self).apply(parts, n, GemmRegion(rows: 0..<m, columns: 0..<n))
    }
    return true
  }
}

/// Runs the body for every index, on the pool where that is worth its cost.
@inline(__always)
func forEach(_ count: Int, parallel: Bool, _ body: (Int) -> Void) {
  if parallel && count > 1 {
    ThreadPool.run(count, body)
  } else {
    for i in 0..<count { body(i) }
  }
}
