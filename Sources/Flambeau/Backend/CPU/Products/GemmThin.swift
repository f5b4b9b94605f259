import CKernels

/// Products with at most eight rows or columns, which memory bounds: the large operand is read once, where it lies.
struct ThinGemm {
  static let limit = 8

  private let g: Gemm
  private let compute: DType
  /// The small operand as `thin` rows, the large one as `lanes` columns.
  private let small: MatrixOperand
  private let large: MatrixOperand
  private let thin: Int
  private let lanes: Int
  private let isTransposed: Bool
  /// From row to row of the small operand's copy and of the sums: rows a power of two apart would share cache sets.
  private var smallRow: Int { g.k + 16 }
  private var sumRow: Int { lanes + 16 }

  /// Nil where the shape or the large operand's layout asks for packing.
  init?(_ g: Gemm) {
    self.g = g
    compute = g.cType.gemmCompute
    isTransposed = g.n < g.m
    small = isTransposed ? g.b.transposed : g.a
    large = isTransposed ? g.a.transposed : g.b
    (thin, lanes) = isTransposed ? (g.n, g.m) : (g.m, g.n)
    guard thin <= ThinGemm.limit, g.k > 0 else { return nil }
    guard large.rowStride == 1 || large.columnStride == 1 else { return nil }
  }

  func run() {
    let bytes = compute.byteCount
    Scratch.withBytes(thin * (smallRow + sumRow + lanes) * bytes) { memory in
      let sums = memory + thin * smallRow * bytes
      for i in 0..<thin { widen(i, memory + i * smallRow * bytes) }
      if large.rowStride == 1 { runDots(memory, sums) } else { runScaledRows(memory, sums) }
      if isTransposed && thin > 1 {
        let turned = sums + thin * sumRow * bytes
        transpose(sums, turned)
        GemmFinish(g).apply(turned, thin, GemmRegion(rows: 0..<g.m, columns: 0..<g.n))
      } else {
        GemmFinish(g).apply(sums, isTransposed ? 1 : sumRow, GemmRegion(rows: 0..<g.m, columns: 0..<g.n))
      }
    }
  }

  /// alpha times a row of the small operand, dense.
  private func widen(_ row: Int, _ to: UnsafeMutableRawPointer) {
    let from = small.advanced(rows: row)
    g.table.type(from.dtype).pointee.widen(to, from.data, from.columnStride, g.k)
    if g.alpha == 1 { return }
    if compute == .float64 {
      let x = to.assumingMemoryBound(to: Double.self)
      for i in 0..<g.k { x[i] *= g.alpha }
    } else {
      let (x, alpha) = (to.assumingMemoryBound(to: Float.self), Float(g.alpha))
      for i in 0..<g.k { x[i] *= alpha }
    }
  }

  private func runDots(_ x: UnsafeMutableRawPointer, _ sums: UnsafeMutableRawPointer) {
    let chunk = Swift.max(16, ((1 << 17) / g.k) & ~15)
    let kernel = g.table.type(large.dtype).pointee.dots!
    forEach((lanes + chunk - 1) / chunk, parallel: g.isParallel) { i in
      let from = large.advanced(columns: i * chunk)
      kernel(
        sums + i * chunk * compute.byteCount, sumRow, x, smallRow, thin, from.data, from.columnStride,
        Swift.min(chunk, lanes - i * chunk), g.k)
    }
  }

  /// Slices of k, each summed over whole rows of the large operand as they lie, then added in order.
  private func runScaledRows(_ x: UnsafeMutableRawPointer, _ sums: UnsafeMutableRawPointer) {
    // Sums of a chunk stay in the first-level cache.
    let width = thin == 1 ? 4096 : 8192 / thin
    let bytes = compute.byteCount
    let columnChunks = (lanes + width - 1) / width
    let slices = Swift.max(1, Swift.min(32, g.k / 128, g.k * lanes / (1 << 17)))
    let kernel = g.table.type(large.dtype).pointee.scaled_rows!
    let finish = g.table.type(compute).pointee.finish!
    let size = thin * sumRow
    Scratch.withBytes(slices * size * bytes) { parts in
      forEach(slices * columnChunks, parallel: g.isParallel) { i in
        let (slice, chunk) = (i / columnChunks, i % columnChunks)
        let (start, end) = (g.k * slice / slices, g.k * (slice + 1) / slices)
        let count = Swift.min(width, lanes - chunk * width)
        let from = large.advanced(rows: start, columns: chunk * width)
        let to = (slice == 0 ? sums : parts + slice * size * bytes) + chunk * width * bytes
        for row in 0..<thin {
          (to + row * sumRow * bytes).initializeMemory(as: UInt8.self, repeating: 0, count: count * bytes)
        }
        kernel(to, sumRow, x + start * bytes, smallRow, thin, from.data, from.rowStride, count, end - start)
      }
      for slice in 1..<Swift.max(1, slices) { finish(sums, 0, parts + slice * size * bytes, 0, 1, size, 1) }
    }
  }

  private func transpose(_ from: UnsafeMutableRawPointer, _ to: UnsafeMutableRawPointer) {
    if compute == .float64 {
      let (x, y) = (from.assumingMemoryBound(to: Double.self), to.assumingMemoryBound(to: Double.self))
      for i in 0..<lanes { for j in 0..<thin { y[i * thin + j] = x[j * sumRow + i] } }
    } else {
      let (x, y) = (from.assumingMemoryBound(to: Float.self), to.assumingMemoryBound(to: Float.self))
      for i in 0..<lanes { for j in 0..<thin { y[i * thin + j] = x[j * sumRow + i] } }
    }
  }
}
