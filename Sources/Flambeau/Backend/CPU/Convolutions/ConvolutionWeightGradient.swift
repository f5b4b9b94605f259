import CKernels

extension Convolution {
  /// The gradient of the weight, summed over images and pixels.
  func weightGradient(
    input: UnsafeRawPointer, outputGradient: UnsafeRawPointer, weightGradient: UnsafeMutableRawPointer
  ) {
    ConvolutionTask.observed(
      ConvolutionTask(.weightGradient, geometry, dtype, input: input, weight: weightGradient, output: outputGradient)
    ) {
      computeWeightGradient(input, outputGradient, weightGradient)
    }
  }

  private func computeWeightGradient(
    _ input: UnsafeRawPointer, _ outputGradient: UnsafeRawPointer, _ weightGradient: UnsafeMutableRawPointer
  ) {
    let g = geometry
    let count = g.outChannels * g.taps
    if count == 0 { return }
    if g.batch * g.output.area == 0 {
      weightGradient.initializeMemory(as: UInt8.self, repeating: 0, count: count * dtype.byteCount)
      return
    }
    fb_count_operations(2 * Double(g.work))
    if g.isDepthwise { return depthwiseWeightGradient(input, outputGradient, weightGradient) }
    if let winograd = Winograd(self), winograd.isWorthItForWeights {
      return winograd.weightGradient(input: input, outputGradient: outputGradient, weightGradient: weightGradient)
    }
    PlaneWeightGradient(self).run(input, outputGradient, weightGradient)
  }
}

/// sums[tap, output] = planes seen through every tap · gradients[pixel, output], turned into the gradient of the weight.
private struct PlaneWeightGradient {
  private let convolution: Convolution
  private let g: ConvolutionGeometry
  private let layout: PlaneLayout
  /// Slices of the batch, each summed on its own, then added in order.
  private let slices: Int
  private let channelBlocks: Int
  private let panel: Int
  private let sumRow: Int

  init(_ convolution: Convolution) {
    self.convolution = convolution
    g = convolution.geometry
    let lanes = Int(convolution.table.compute(convolution.dtype).pointee.tile_columns) / 2
    panel = 2 * lanes
    // Turned gradients of a rectangle stay in a core's cache.
    layout = PlaneLayout(g, pixels: Swift.max(32, Swift.min(512, (1 << 16) / g.groupOut)), lanes: lanes)
    sumRow = (g.groupOut + lanes - 1) / lanes * lanes
    slices = Swift.max(1, Swift.min(g.batch, 16, (32 << 20) / (g.groups * g.taps * sumRow * convolution.bytes)))
    let most = Swift.max(1, Swift.min(256 / g.kernel.area, (g.groupIn * slices * g.groups + 7) / 8))
    channelBlocks = (g.groupIn + most - 1) / most
  }

  private func channels(_ block: Int) -> Range<Int> {
    (g.groupIn * block / channelBlocks)..<(g.groupIn * (block + 1) / channelBlocks)
  }

  func run(
    _ input: UnsafeRawPointer, _ outputGradient: UnsafeRawPointer, _ weightGradient: UnsafeMutableRawPointer
  ) {
    let (bytes, area) = (convolution.bytes, g.kernel.area)
    let most = (g.groupIn + channelBlocks - 1) / channelBlocks
    let size = g.groups * g.taps * sumRow
    let sumBytes = (slices * size * bytes + 127) & ~127
    let add = convolution.table.type(convolution.compute).pointee.finish!
    let turn = convolution.table.convolution(convolution.dtype).pointee.turn!
    Scratch.withBytes(sumBytes + most * area * MemoryLayout<Int>.size) { sums in
      let at = (sums + sumBytes).assumingMemoryBound(to: Int.self)
      layout.fillOffsets(at, channels: most)
      forEach(slices * g.groups * channelBlocks, parallel: g.isParallel) { job in
        let (rest, block) = (job / channelBlocks, job % channelBlocks)
        let (slice, group) = (rest / g.groups, rest % g.groups)
        let images = (g.batch * slice / slices)..<(g.batch * (slice + 1) / slices)
        let to = sums + (slice * size + (group * g.taps + channels(block).lowerBound * area) * sumRow) * bytes
        sum(images, group, channels(block), input, outputGradient, at, to)
      }
      forEach(g.groups * channelBlocks, parallel: g.isParallel) { job in
        let (group, some) = (job / channelBlocks, channels(job % channelBlocks))
        let (first, taps) = (some.lowerBound * area, some.count * area)
        let total = sums + (group * g.taps + first) * sumRow * bytes
        for slice in 1..<Swift.max(1, slices) { add(total, 0, total + slice * size * bytes, 0, 1, taps * sumRow, 1) }
        turn(
          weightGradient + (group * g.groupOut * g.taps + first) * convolution.dtype.byteCount, g.taps, total, sumRow, taps,
          g.groupOut)
      }
    }
  }

  /// Sums over some images for the taps of some channels of a group.
  private func sum(
    _ images: Range<Int>, _ group: Int, _ channels: Range<Int>, _ input: UnsafeRawPointer,
    _ outputGradient: UnsafeRawPointer, _ at: UnsafeMutablePointer<Int>, _ sums: UnsafeMutableRawPointer
  ) {
    let (dtype, bytes, table) = (convolution.dtype, convolution.bytes, convolution.table)
    let turnedBytes = ((g.groupOut + panel - 1) / panel * panel * layout.pixels * bytes + 127) & ~127
    var window = g.window
    Scratch.withBytes(turnedBytes + (channels.count * layout.channel + 2 * panel) * bytes) { turned in
      let planes = turned + turnedBytes
      var product = fb_tap_product(
        taps: channels.count * g.kernel.area, outputs: g.groupOut, planes: planes, gradients: turned, at: at, sums: sums,
        sums_row: sumRow, adds: 0)
      for image in images {
        let channel = image * g.inChannels + group * g.groupIn + channels.lowerBound
        let gradient = (image * g.outChannels + group * g.groupOut) * g.output.area
        for i in 0..<layout.count {
          var rectangle = layout.rectangle(i)
          table.convolution(dtype).pointee.split_planes(
            planes, layout.channel, input + channel * g.input.area * dtype.byteCount, &window, &rectangle, channels.count)
          let first = gradient + rectangle.y * window.out_width + rectangle.x
          table.type(dtype).pointee.pack_columns(
            turned, outputGradient + first * dtype.byteCount, g.output.area, 1, g.groupOut, rectangle.height * rectangle.width)
          table.convolutionClass(dtype).pointee.tap_products(&product, &rectangle)
          product.adds = 1
        }
      }
    }
  }
}
