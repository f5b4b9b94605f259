import CKernels

/// What is done to the output of a convolution while it is in cache.
struct ConvolutionEpilogue {
  /// One element of the tensors' type per output channel.
  var bias: UnsafeRawPointer?
  /// Called once for every finished segment of a plane, in the compute type (float32 for halves), before rounding:
  /// (elements, image, channel, first pixel, count).
  var rows: ((UnsafeMutableRawPointer, Int, Int, Int, Int) -> Void)?
}

/// 2-D convolution by products of weights and padded planes of the image, by Winograd's transforms, or channel by channel.
///
/// Tensors are contiguous: input [batch, in, h, w], weight [out, in / groups, kh, kw], output [batch, out, h', w'], all of one
/// floating-point type. The bits of the result depend on the geometry and the instruction set only.
struct Convolution {
  var geometry: ConvolutionGeometry
  var dtype: DType
  var table = GemmTable.current

  /// Pixels of a block of the input gradient of strided convolutions.
  static let pixels = 256

  var compute: DType { dtype.gemmCompute }
  var bytes: Int { compute.byteCount }

  /// output = input ⋆ weight, then the epilogue.
  func forward(
    input: UnsafeRawPointer, weight: UnsafeRawPointer, output: UnsafeMutableRawPointer,
    epilogue: ConvolutionEpilogue = ConvolutionEpilogue()
  ) {
    if epilogue.rows != nil { return computeForward(input, weight, output, epilogue) }
    ConvolutionTask.observed(
      ConvolutionTask(.forward, geometry, dtype, input: input, weight: weight, output: output, bias: epilogue.bias)
    ) {
      computeForward(input, weight, output, epilogue)
    }
  }

  private func computeForward(
    _ input: UnsafeRawPointer, _ weight: UnsafeRawPointer, _ output: UnsafeMutableRawPointer, _ epilogue: ConvolutionEpilogue
  ) {
    let g = geometry
    if g.batch * g.outChannels * g.output.area == 0 { return }
    fb_count_operations(2 * Double(g.work))
    if g.isDepthwise && epilogue.rows == nil { return depthwise(input, weight, output, bias: epilogue.bias) }
    if epilogue.rows == nil, let winograd = Winograd(self) {
      return winograd.run(
        input: input, weights: WinogradWeights(weight, of: g), output: output, bias: epilogue.bias)
    }
    PlaneConvolution(self).run(input, weight, output, epilogue)
  }
}
