import CKernels

/// One dimension of C cut into the micro-kernel's panels, and these into blocks of about equal size.
struct Cut {
  let count: Int
  let panel: Int
  let panels: Int
  let blocks: Int
  private let packPanels: Int

  /// - Parameter multiple: The number of blocks is brought to a multiple of this where there are panels enough.
  init(_ count: Int, panel: Int, target: Int, multiple: Int = 1) {
    self.count = count
    self.panel = panel
    panels = (count + panel - 1) / panel
    let least = Swift.max(1, (count + target - 1) / target)
    blocks = Swift.min((least + multiple - 1) / multiple * multiple, Swift.max(least, panels))
    packPanels = Swift.max(1, 128 / panel)
  }

  func block(_ i: Int) -> Range<Int> {
    let start = panels * i / blocks * panel
    return start..<Swift.min(panels * (i + 1) / blocks * panel, count)
  }

  var packJobs: Int { (panels + packPanels - 1) / packPanels }
  func packRange(_ job: Int) -> Range<Int> {
    let start = job * packPanels * panel
    return start..<Swift.min(start + packPanels * panel, count)
  }
}

/// The blocked product: slab by slab of k both operands are packed into panels, then C's blocks are computed from them.
///
/// What is packed has elements of the compute type, each a step of k or, of bfloat16 where the processor multiplies pairs, two.
struct PackedGemm {
  private let g: Gemm
  private let kernels: UnsafePointer<fb_gemm_class>
  private let packRows, packColumns: fb_pack
  private let product: @convention(c) (UnsafePointer<fb_gemm_block>?) -> Void
  private let compute: DType
  private let blocking: GemmBlocking
  /// Steps of k in a packed element, and in a slab.
  private let unit: Int
  private let depth: Int

  init(_ g: Gemm) {
    self.g = g
    kernels = g.table.compute(g.cType)
    compute = g.cType.gemmCompute
    blocking = GemmBlocking(g.table, compute)
    if let pairs = g.table.pairs?.pointee, g.a.dtype == .bfloat16, g.b.dtype == .bfloat16 {
      (packRows, packColumns, product, unit) = (pairs.pack_rows!, pairs.pack_columns!, pairs.multiply!, 2)
    } else {
      packRows = g.table.type(g.a.dtype).pointee.pack_rows!
      packColumns = g.table.type(g.b.dtype).pointee.pack_columns!
      (product, unit) = (kernels.pointee.multiply!, 1)
    }
    let elements = (g.k + unit - 1) / unit
    let slabs = Swift.max(1, (elements + blocking.k - 1) / blocking.k)
    depth = Swift.max(1, (elements + slabs - 1) / slabs) * unit
  }

  /// Packed elements for so many steps.
  private func packed(_ steps: Int) -> Int { (steps + unit - 1) / unit }

  func run() {
    for column in stride(from: 0, to: g.n, by: GemmBlocking.span) {
      for row in stride(from: 0, to: g.m, by: GemmBlocking.span) {
        run(row: row, column: column)
      }
    }
  }

  /// Computes the part of C that starts at (row, column) and spans what is packed at a time.
  private func run(row: Int, column: Int) {
    let span = GemmBlocking.span
    let columns = Cut(Swift.min(span, g.n - column), panel: Int(kernels.pointee.tile_columns), target: blocking.columns)
    let rows = Cut(
      Swift.min(span, g.m - row), panel: Int(kernels.pointee.tile_rows), target: blocking.rows,
      multiple: g.evenBlocks(besides: columns.blocks))
    let bytes = compute.byteCount
    let aBytes = (rows.panels * rows.panel * packed(depth) * bytes + 127) & ~127
    let bBytes = (columns.panels * columns.panel * packed(depth) * bytes + 127) & ~127
    let sumBytes = g.cType != compute && g.k > depth ? rows.count * columns.count * bytes : 0
    Scratch.withBytes(aBytes + bBytes + sumBytes) { memory in
      var part = Part(
        row: row, column: column, rows: rows, columns: columns, steps: 0..<0, a: memory, b: memory + aBytes,
        sums: sumBytes > 0 ? memory + aBytes + bBytes : nil)
      var start = 0
      repeat {
        part.steps = start..<Swift.min(start + depth, g.k)
        pack(part)
        forEach(rows.blocks * columns.blocks, parallel: g.isParallel) { i in
          compute(part, rows.block(i % rows.blocks), columns.block(i / rows.blocks))
        }
        start += depth
      } while start < g.k
    }
  }

  /// A slab of a part of C, with the packed operands (and for halves float32 sums) of it.
  private struct Part {
    var row: Int
    var column: Int
    var rows: Cut
    var columns: Cut
    var steps: Range<Int>
    var a: UnsafeMutableRawPointer
    var b: UnsafeMutableRawPointer
    var sums: UnsafeMutableRawPointer?
  }

  private func pack(_ part: Part) {
    let aJobs = part.rows.packJobs
    forEach(aJobs + part.columns.packJobs, parallel: g.isParallel) { job in
      if job < aJobs {
        let lanes = part.rows.packRange(job)
        let from = g.a.advanced(rows: part.row + lanes.lowerBound, columns: part.steps.lowerBound)
        packRows(
          part.a + lanes.lowerBound * packed(part.steps.count) * compute.byteCount, from.data, from.rowStride, from.columnStride,
          lanes.count, part.steps.count)
      } else {
        let lanes = part.columns.packRange(job - aJobs)
        let from = g.b.advanced(rows: part.steps.lowerBound, columns: part.column + lanes.lowerBound)
        packColumns(
          part.b + lanes.lowerBound * packed(part.steps.count) * compute.byteCount, from.data, from.columnStride, from.rowStride,
          lanes.count, part.steps.count)
      }
    }
  }

  private func compute(_ part: Part, _ rows: Range<Int>, _ columns: Range<Int>) {
    let isDirect = g.cType == compute
    let (i, j) = (part.row + rows.lowerBound, part.column + columns.lowerBound)
    let isFirst = part.steps.lowerBound == 0
    let isLast = part.steps.upperBound >= g.k
    let finish = GemmFinish(g)
    let region = GemmRegion(rows: i..<(i + rows.count), columns: j..<(j + columns.count))
    if isDirect {
      let to = g.cAt(i, j)
      multiply(part, rows, columns, into: to, g.cRowStride, beta: isFirst ? g.beta : 1)
      if isLast { finish.epilogue(to, g.cRowStride, region) }
      return
    }
    Scratch.withBytes(part.sums == nil ? rows.count * columns.count * compute.byteCount : 0) { local in
      var (to, stride) = (local, columns.count)
      if let sums = part.sums {
        stride = part.columns.count
        to = sums + (rows.lowerBound * stride + columns.lowerBound) * compute.byteCount
      }
      multiply(part, rows, columns, into: to, stride, beta: isFirst ? 0 : 1)
      if isLast { finish.apply(to, stride, region) }
    }
  }

  private func multiply(
    _ part: Part, _ rows: Range<Int>, _ columns: Range<Int>, into c: UnsafeMutableRawPointer, _ stride: Int, beta: Double
  ) {
    let (k, panel, bytes) = (packed(part.steps.count), part.columns.panel, compute.byteCount)
    var block = fb_gemm_block(
      m: rows.count, n: columns.count, k: k, a: part.a + rows.lowerBound * k * bytes,
      b: part.b + columns.lowerBound * k * bytes, b_row: panel, b_panel: panel * k, c: c, c_row: stride, alpha: g.alpha,
      beta: beta)
    product(&block)
  }
}

extension Gemm {
  /// So many blocks of rows, or a multiple, with `columns` blocks of columns each, keep all threads busy to the end.
  fileprivate func evenBlocks(besides columns: Int) -> Int {
    let threads = isParallel ? threadCount : 1
    return threads / threads.greatestCommonDivisor(columns)
  }
}

extension Int {
  fileprivate func greatestCommonDivisor(_ other: Int) -> Int { other == 0 ? self : other.greatestCommonDivisor(self % other) }
}
