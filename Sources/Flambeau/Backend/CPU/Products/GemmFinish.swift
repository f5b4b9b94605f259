import CKernels

/// A rectangle of C.
struct GemmRegion {
  var rows: Range<Int>
  var columns: Range<Int>
}

/// What happens between a finished sum and C.
struct GemmFinish {
  let g: Gemm
  let compute: DType

  init(_ g: Gemm) {
    self.g = g
    compute = g.cType.gemmCompute
  }

  /// C = epilogue(sums + beta · C), rounded, for sums in the compute type that nobody needs afterwards.
  func apply(_ sums: UnsafeMutableRawPointer, _ stride: Int, _ region: GemmRegion) {
    var beta = g.beta
    if beta != 0 && !g.epilogue.isEmpty {
      addC(sums, stride, region)
      beta = 0
    }
    epilogue(sums, stride, region)
    let to = g.cAt(region.rows.lowerBound, region.columns.lowerBound)
    g.table.type(g.cType).pointee.finish(to, g.cRowStride, sums, stride, region.rows.count, region.columns.count, beta)
  }

  /// sums += beta · C
  private func addC(_ sums: UnsafeMutableRawPointer, _ stride: Int, _ region: GemmRegion) {
    let finish = g.table.type(compute).pointee.finish!
    Scratch.withBytes(region.columns.count * compute.byteCount) { wide in
      for (i, row) in region.rows.enumerated() {
        let at = sums + i * stride * compute.byteCount
        g.table.type(g.cType).pointee.widen(wide, g.cAt(row, region.columns.lowerBound), 1, region.columns.count)
        finish(wide, 0, at, 0, 1, region.columns.count, g.beta)
        finish(at, 0, wide, 0, 1, region.columns.count, 0)
      }
    }
  }

  /// Bias and row program on values of the compute type.
  func epilogue(_ values: UnsafeMutableRawPointer, _ stride: Int, _ region: GemmRegion) {
    let epilogue = g.epilogue
    if epilogue.isEmpty { return }
    if epilogue.rowBias != nil || epilogue.columnBias != nil { addBias(values, stride, region) }
    if let program = epilogue.rows {
      for (i, row) in region.rows.enumerated() {
        program(values + i * stride * compute.byteCount, row, region.columns.lowerBound, region.columns.count)
      }
    }
  }

  private func addBias(_ values: UnsafeMutableRawPointer, _ stride: Int, _ region: GemmRegion) {
    let (rows, columns) = (region.rows, region.columns)
    let rowBias = g.epilogue.rowBias.map { $0 + rows.lowerBound * g.cType.byteCount }
    let columnBias = g.epilogue.columnBias.map { $0 + columns.lowerBound * g.cType.byteCount }
    let add = g.table.compute(g.cType).pointee.add_bias!
    if g.cType == compute { return add(values, stride, rows.count, columns.count, rowBias, columnBias) }
    Scratch.withBytes((rows.count + columns.count) * compute.byteCount) { wide in
      let widen = g.table.type(g.cType).pointee.widen!
      let wideColumns = wide + rows.count * compute.byteCount
      if let rowBias { widen(wide, rowBias, 1, rows.count) }
      if let columnBias { widen(wideColumns, columnBias, 1, columns.count) }
      add(values, stride, rows.count, columns.count, rowBias == nil ? nil : wide, columnBias == nil ? nil : wideColumns)
    }
  }
}
