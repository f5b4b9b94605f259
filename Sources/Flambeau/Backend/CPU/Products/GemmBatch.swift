// Many products of one shape. The receiver describes the first; offsets count elements of each operand's type.
extension Gemm {
  /// Items at fixed distances; a stride of 0 repeats an operand.
  func runBatch(_ count: Int, aStride: Int, bStride: Int, cStride: Int) {
    // Matrices that follow each other and share B are one taller matrix.
    let joins = bStride == 0 && aStride == m * a.rowStride && cStride == m * cRowStride
    if count > 1 && joins && epilogue.rowBias == nil && epilogue.rows == nil {
      var joined = self
      joined.m = m * count
      return joined.run()
    }
    runBatch(count) { ($0 * aStride, $0 * bStride, $0 * cStride) }
  }

  /// Items wherever the offsets say; operands may repeat, the C's must not overlap. `rows` is the epilogue's row program
  /// with the item's number first.
  func runBatch(
    _ count: Int, rows: ((Int, UnsafeMutableRawPointer, Int, Int, Int) -> Void)? = nil,
    offsets: (Int) -> (a: Int, b: Int, c: Int)
  ) {
    func run(_ i: Int) {
      let at = offsets(i)
      var item = self
      item.a = a.advanced(by: at.a)
      item.b = b.advanced(by: at.b)
      item.c = c + at.c * cType.byteCount
      if let rows { item.epilogue.rows = { rows(i, $0, $1, $2, $3) } }
      item.run()
    }
    // Large items share their own work among the threads; small ones are dealt out in runs.
    if work >= 16 * Gemm.parallelWork || count == 1 {
      for i in 0..<count { run(i) }
      return
    }
    let perJob = Swift.max(1, Gemm.parallelWork / 2 / Swift.max(1, work))
    forEach((count + perJob - 1) / perJob, parallel: count * work >= Gemm.parallelWork) { job in
      for i in (job * perJob)..<Swift.min((job + 1) * perJob, count) { run(i) }
    }
  }
}
