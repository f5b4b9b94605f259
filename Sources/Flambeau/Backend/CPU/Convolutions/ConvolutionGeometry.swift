import CKernels

/// The sizes of a 2-D convolution over contiguous NCHW tensors, as `torch.nn.functional.conv2d`.
struct ConvolutionGeometry: Hashable, Sendable {
  var batch: Int
  var inChannels: Int
  var outChannels: Int
  var groups: Int
  var input: Size2D
  var kernel: Size2D
  var stride: Size2D
  var padding: Size2D
  var dilation: Size2D
  let output: Size2D

  init(
    batch: Int, inChannels: Int, outChannels: Int, groups: Int = 1, input: Size2D, kernel: Size2D, stride: Size2D = Size2D(1, 1),
    padding: Size2D = Size2D(0, 0), dilation: Size2D = Size2D(1, 1)
  ) {
    (self.batch, self.inChannels, self.outChannels, self.groups) = (batch, inChannels, outChannels, groups)
    (self.input, self.kernel, self.stride, self.padding, self.dilation) = (input, kernel, stride, padding, dilation)
    func size(_ input: Int, _ kernel: Int, _ stride: Int, _ padding: Int, _ dilation: Int) -> Int {
      let room = input + 2 * padding - dilation * (kernel - 1) - 1
      return room < 0 ? 0 : room / stride + 1
    }
    output = Size2D(
      size(input.height, kernel.height, stride.height, padding.height, dilation.height),
      size(input.width, kernel.width, stride.width, padding.width, dilation.width))
  }

  var groupIn: Int { inChannels / groups }
  var groupOut: Int { outChannels / groups }
  /// Products that make one output element: the length of a matrix row of the weights.
  var taps: Int { groupIn * kernel.area }
  var isDepthwise: Bool { groupIn == 1 && groups > 1 }
  var work: Int { batch * outChannels * output.area * taps }
  var isParallel: Bool { work >= Gemm.parallelWork }

  var window: fb_window {
    // A 1×1 kernel at stride 1 sees each pixel once: the image is one long row, read in whole runs.
    if kernel.area == 1 && stride.area == 1 && padding == Size2D(0, 0) {
      return Self.window(Size2D(1, input.area), Size2D(1, output.area), kernel, stride, padding, dilation)
    }
    return Self.window(input, output, kernel, stride, padding, dilation)
  }

  private static func window(
    _ input: Size2D, _ output: Size2D, _ kernel: Size2D, _ stride: Size2D, _ padding: Size2D, _ dilation: Size2D
  ) -> fb_window {
    fb_window(
      in_height: input.height, in_width: input.width, out_height: output.height, out_width: output.width,
      kernel_height: kernel.height, kernel_width: kernel.width, stride_height: stride.height, stride_width: stride.width,
      padding_height: padding.height, padding_width: padding.width, dilation_height: dilation.height,
      dilation_width: dilation.width)
  }

  /// The convolution at stride 1 that takes output gradients to input gradients.
  var reversed: ConvolutionGeometry {
    ConvolutionGeometry(
      batch: batch, inChannels: outChannels, outChannels: inChannels, groups: groups, input: output, kernel: kernel,
      padding: Size2D(
        dilation.height * (kernel.height - 1) - padding.height, dilation.width * (kernel.width - 1) - padding.width),
      dilation: dilation)
  }
}
