import CKernels

/// What is done to the output of a convolution while it is in cache.
struct ConvolutionEpilogue {
  /// One element of the tensors' type per output channel.
  var bias: UnsafeRawPointer?
  /// Called once for every finished segment of a plane, in the compute type (float32 for halves), before rounding:
  /// (elements, image, channel, first pixel, count).
  var rows: ((UnsafeMutableRawPointer, Int, Int, Int, Int) -> Void)?
}

/// 2-D convolution by implicit matrix products: a block of image patches at a time is laid out as matrix rows in cache.
///
/// Tensors are contiguous: input [batch, in, h, w], weight [out, in / groups, kh, kw], output [batch, out, h', w'], all of one
/// floating-point type. The bits of the result depend on the geometry and the instruction set only.
struct Convolution {
  var geometry: ConvolutionGeometry
  var dtype: DType
  var table = GemmTable.current

  /// Steps of the summed dimension laid out at a time, and pixels of a block.
  static let depth = 256
  static let pixels = 256

  var compute: DType { dtype.gemmCompute }
  var bytes: Int { compute.byteCount }

  /// output = input ⋆ weight, then the epilogue.
  func forward(
    input: UnsafeRawPointer, weight: UnsafeRawPointer, output: UnsafeMutableRawPointer,
    epilogue: ConvolutionEpilogue = ConvolutionEpilogue()
  ) {
    let g = geometry
    if g.batch * g.outChannels * g.output.area == 0 { return }
    if g.isDepthwise && epilogue.rows == nil { return depthwise(input, weight, output, bias: epilogue.bias) }
    if epilogue.rows == nil, let winograd = Winograd(self) {
      return winograd.run(
        input: input, weights: WinogradWeights(weight, of: g), output: output, bias: epilogue.bias)
    }
    let panels = PackedWeights(self)
    Scratch.withBytes(panels.byteCount) { packed in
      panels.pack(weight, into: packed)
      let chunks = Cut(g.output.area, panel: Int(panels.kernels.pointee.tile_columns), target: Self.pixels)
      forEach(g.batch * g.groups * chunks.blocks, parallel: g.isParallel) { job in
        let (rest, chunk) = (job / chunks.blocks, job % chunks.blocks)
        let (image, group) = (rest / g.groups, rest % g.groups)
        forward(image, group, chunks.block(chunk), input, panels, packed, output, epilogue)
      }
    }
  }

  /// One block of pixels of one image, all channels of a group.
  private func forward(
    _ image: Int, _ group: Int, _ pixels: Range<Int>, _ input: UnsafeRawPointer, _ weights: PackedWeights,
    _ packed: UnsafeMutableRawPointer, _ output: UnsafeMutableRawPointer, _ epilogue: ConvolutionEpilogue
  ) {
    let g = geometry
    let row = patchRow(pixels.count)
    let isDirect = dtype == compute
    let firstOut = image * g.outChannels + group * g.groupOut
    let from = input + (image * g.inChannels + group * g.groupIn) * g.input.area * dtype.byteCount
    let to = output + (firstOut * g.output.area + pixels.lowerBound) * dtype.byteCount
    let sumBytes = isDirect ? 0 : g.groupOut * pixels.count * bytes
    Scratch.withBytes(weights.depth * row * bytes + sumBytes) { patches in
      let sums = isDirect ? to : patches + weights.depth * row * bytes
      let stride = isDirect ? g.output.area : pixels.count
      var window = g.window
      for steps in weights.slabs {
        table.convolution(dtype).pointee.patch_rows(
          patches, row, from, &window, steps.lowerBound, steps.upperBound, pixels.lowerBound, pixels.upperBound)
        var block = fb_gemm_block(
          m: g.groupOut, n: pixels.count, k: steps.count, a: weights.slab(packed, group, steps), b: patches, b_row: row,
          b_panel: Int(weights.kernels.pointee.tile_columns), c: sums, c_row: stride, alpha: 1,
          beta: steps.lowerBound == 0 ? 0 : 1)
        weights.kernels.pointee.multiply(&block)
      }
      finish(sums, stride, image, group, pixels, epilogue)
      if !isDirect {
        table.type(dtype).pointee.finish(to, g.output.area, sums, stride, g.groupOut, pixels.count, 0)
      }
    }
  }

  private func finish(
    _ sums: UnsafeMutableRawPointer, _ stride: Int, _ image: Int, _ group: Int, _ pixels: Range<Int>,
    _ epilogue: ConvolutionEpilogue
  ) {
    let g = geometry
    if let bias = epilogue.bias {
      Scratch.withBytes(g.groupOut * bytes) { wide in
        table.type(dtype).pointee.widen(wide, bias + group * g.groupOut * dtype.byteCount, 1, g.groupOut)
        table.compute(dtype).pointee.add_bias(sums, stride, g.groupOut, pixels.count, wide, nil)
      }
    }
    if let program = epilogue.rows {
      for i in 0..<g.groupOut {
        program(sums + i * stride * bytes, image, group * g.groupOut + i, pixels.lowerBound, pixels.count)
      }
    }
  }

  /// Elements from one row of patches to the next: whole vectors, and not a power of two, which would crowd the cache's sets.
  func patchRow(_ pixels: Int) -> Int {
    let panel = Int(table.compute(dtype).pointee.tile_columns)
    return ((pixels + panel - 1) / panel + 1) * panel
  }
}

/// The weights of every group as packed rows, slab after slab of the taps.
struct PackedWeights {
  let kernels: UnsafePointer<fb_gemm_class>
  let depth: Int
  let slabs: [Range<Int>]
  private let convolution: Convolution
  private let paddedRows: Int

  init(_ convolution: Convolution) {
    self.convolution = convolution
    let g = convolution.geometry
    kernels = convolution.table.compute(convolution.dtype)
    let panel = Int(kernels.pointee.tile_rows)
    paddedRows = (g.groupOut + panel - 1) / panel * panel
    let count = Swift.max(1, (g.taps + Convolution.depth - 1) / Convolution.depth)
    slabs = (0..<count).map { (g.taps * $0 / count)..<(g.taps * ($0 + 1) / count) }
    depth = slabs.map(\.count).max()!
  }

  var byteCount: Int { convolution.geometry.groups * paddedRows * convolution.geometry.taps * convolution.bytes }

  func slab(_ packed: UnsafeMutableRawPointer, _ group: Int, _ steps: Range<Int>) -> UnsafeMutableRawPointer {
    packed + (group * convolution.geometry.taps + steps.lowerBound) * paddedRows * convolution.bytes
  }

  func pack(_ weight: UnsafeRawPointer, into packed: UnsafeMutableRawPointer) {
    let g = convolution.geometry
    let dtype = convolution.dtype
    forEach(g.groups * slabs.count, parallel: g.isParallel) { job in
      let (group, steps) = (job / slabs.count, slabs[job % slabs.count])
      let from = weight + (group * g.groupOut * g.taps + steps.lowerBound) * dtype.byteCount
      convolution.table.type(dtype).pointee.pack_rows(slab(packed, group, steps), from, g.taps, 1, g.groupOut, steps.count)
    }
  }
}
