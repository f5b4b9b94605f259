import CKernels

// The gradient of the weights: tiles of the input and of the output gradient are transformed into 36 planes each, those are
// multiplied as matrices [outputs, tiles] · [tiles, inputs], and the sums become gradients of nine taps.
extension Winograd {
  /// Few tiles do not pay for 36 planes of sums, nor few channels for transforms of both operands.
  var isWorthItForWeights: Bool { tiles.count >= 16 && geometry.groupIn + geometry.groupOut >= 64 }

  func weightGradient(
    input: UnsafeRawPointer, outputGradient: UnsafeRawPointer, weightGradient: UnsafeMutableRawPointer
  ) {
    for group in 0..<geometry.groups {
      WinogradWeightGradient(self, group, input, outputGradient, weightGradient).run()
    }
  }
}

private struct WinogradWeightGradient {
  private let winograd: Winograd
  private let g: ConvolutionGeometry
  private let group: Int
  private let input: UnsafeRawPointer
  private let outputGradient: UnsafeRawPointer
  private let weightGradient: UnsafeMutableRawPointer
  private let rows: Cut
  private let columns: Cut

  /// Numbers of each transformed operand that are kept at a time.
  private static let keptNumbers = 2 << 20
  private static let bytes = Winograd.bytes

  init(
    _ winograd: Winograd, _ group: Int, _ input: UnsafeRawPointer, _ outputGradient: UnsafeRawPointer,
    _ weightGradient: UnsafeMutableRawPointer
  ) {
    (self.winograd, g, self.group) = (winograd, winograd.geometry, group)
    (self.input, self.outputGradient, self.weightGradient) = (input, outputGradient, weightGradient)
    // A block's sums of all planes stay in a core's cache, and there are several blocks to share among threads.
    func cut(_ channels: Int, _ panel: Int) -> Cut {
      Cut(channels, panel: panel, target: Swift.max(32, Swift.min(64, channels / 4)))
    }
    rows = cut(g.groupOut, winograd.panel)
    columns = cut(g.groupIn, 2 * winograd.lanes)
  }

  private var mostRows: Int { (rows.panels + rows.blocks - 1) / rows.blocks * rows.panel }
  private var sumRow: Int { (columns.panels + columns.blocks - 1) / columns.blocks * columns.panel }
  private var sumPlane: Int { winograd.plane(mostRows * sumRow) }

  func run() {
    let chunks = winograd.tiles.blocks(Self.keptNumbers / (Winograd.planes * Swift.max(g.groupIn, g.groupOut)))
    let most = chunks.map { winograd.tiles.count($0) }.max()!
    let jobs = rows.blocks * columns.blocks
    let block = Winograd.planes * sumPlane * Self.bytes
    let (a, b) = (Operand(winograd, rows, most), Operand(winograd, columns, most))
    Scratch.withBytes(a.byteCount + b.byteCount + (chunks.count > 1 ? jobs * block : 0)) { memory in
      let (gradients, images) = (memory, memory + a.byteCount)
      let kept = images + b.byteCount
      for (i, runs) in chunks.enumerated() {
        transform(runs, a, gradients, b, images)
        let (isFirst, isLast) = (i == 0, i == chunks.count - 1)
        forEach(jobs, parallel: g.isParallel) { job in
          let (m, n) = (rows.block(job % rows.blocks), columns.block(job / rows.blocks))
          Scratch.withBytes(chunks.count > 1 ? 0 : block) { local in
            let sums = chunks.count > 1 ? kept + job * block : local
            multiply(m, n, winograd.tiles.count(runs), a, gradients, b, images, sums, adds: !isFirst)
            if isLast { finish(m, n, sums) }
          }
        }
      }
    }
  }

  /// A transformed operand: planes of packed panels of channels.
  private struct Operand {
    let channels: Cut
    let plane: Int
    let byteCount: Int

    init(_ winograd: Winograd, _ channels: Cut, _ tiles: Int) {
      self.channels = channels
      plane = winograd.plane(channels.panels * channels.panel * tiles)
      byteCount = (Winograd.planes * plane * Winograd.bytes + 127) & ~127
    }

    /// Where channels of a plane that start a panel are, with so many tiles to a channel.
    func at(_ i: Int, _ channel: Int, _ tiles: Int) -> Int { (i * plane + channel * tiles) * Winograd.bytes }
  }

  private func transform(
    _ runs: Range<Int>, _ a: Operand, _ gradients: UnsafeMutableRawPointer, _ b: Operand, _ images: UnsafeMutableRawPointer
  ) {
    let tiles = winograd.tiles
    let total = tiles.count(runs)
    let parts = Swift.max(1, Swift.min(runs.count, total / 64))
    forEach((a.channels.panels + b.channels.panels) * parts, parallel: g.isParallel) { job in
      let (i, part) = (job / parts, job % parts)
      let some = (runs.lowerBound + runs.count * part / parts)..<(runs.lowerBound + runs.count * (part + 1) / parts)
      let before = tiles.start(some.lowerBound) - tiles.start(runs.lowerBound)
      if i < a.channels.panels {
        pack(some, i, before, total, a, gradients, isInput: false)
      } else {
        pack(some, i - a.channels.panels, before, total, b, images, isInput: true)
      }
    }
  }

  /// Transforms a panel of channels of some runs, whose first tile is number `before` of `total`.
  private func pack(
    _ runs: Range<Int>, _ panel: Int, _ before: Int, _ total: Int, _ operand: Operand, _ to: UnsafeMutableRawPointer,
    isInput: Bool
  ) {
    let width = operand.channels.panel
    let channels = (panel * width)..<Swift.min((panel + 1) * width, operand.channels.count)
    let count = winograd.tiles.count(runs)
    let row = winograd.padded(count)
    let plane = winograd.plane(width * row)
    let kernels = winograd.table.type(.float32).pointee
    let packing = isInput ? kernels.pack_columns! : kernels.pack_rows!
    Scratch.withBytes((Winograd.planes * plane + winograd.lanes) * Self.bytes) { spread in
      if isInput {
        winograd.transformInput(runs, group, channels, input, to: spread, row: row, plane: plane)
      } else {
        winograd.transformGradient(runs, group, channels, outputGradient, to: spread, row: row, plane: plane)
      }
      for i in 0..<Winograd.planes {
        packing(
          to + operand.at(i, channels.lowerBound, total) + before * width * Self.bytes, spread + i * plane * Self.bytes, row, 1,
          channels.count, count)
      }
    }
  }

  private func multiply(
    _ m: Range<Int>, _ n: Range<Int>, _ tiles: Int, _ a: Operand, _ gradients: UnsafeMutableRawPointer, _ b: Operand,
    _ images: UnsafeMutableRawPointer, _ sums: UnsafeMutableRawPointer, adds: Bool
  ) {
    var block = fb_gemm_block(
      m: m.count, n: n.count, k: tiles, a: gradients, b: images, b_row: columns.panel, b_panel: columns.panel * tiles, c: sums,
      c_row: sumRow, alpha: 1, beta: adds ? 1 : 0)
    for i in 0..<Winograd.planes {
      block.a = UnsafeRawPointer(gradients + a.at(i, m.lowerBound, tiles))
      block.b = UnsafeRawPointer(images + b.at(i, n.lowerBound, tiles))
      block.c = sums + i * sumPlane * Self.bytes
      winograd.kernels.pointee.multiply(&block)
    }
  }

  private func finish(_ m: Range<Int>, _ n: Range<Int>, _ sums: UnsafeMutableRawPointer) {
    for (i, out) in m.enumerated() {
      let at = ((group * g.groupOut + out) * g.groupIn + n.lowerBound) * g.kernel.area
      winograd.transforms.pointee.weight_gradient(
        weightGradient + at * winograd.dtype.byteCount, sums + i * sumRow * Self.bytes, sumPlane, n.count)
    }
  }
}
