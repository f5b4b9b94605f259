import CKernels

/// Convolutions of one input channel a group: a thread sums up an element of the result, or a block one of the weight's gradient.
struct DepthwiseKernel {
  private let task: ConvolutionTask
  private let text: ConvolutionText

  init(_ task: ConvolutionTask, _ text: ConvolutionText) { (self.task, self.text) = (task, text) }

  func launch(_ device: DeviceShape) -> KernelLaunch {
    var arguments = KernelArguments()
    text.declare(in: &arguments)
    let count = task.result.layout.elementCount
    arguments.integer("count", count)
    arguments.divisor(
      "channels", task.direction == .forward ? task.geometry.outChannels : task.geometry.inChannels, wide: text.isWide)
    arguments.divisor("multiple", task.geometry.groupOut, wide: text.isWide)
    let isBlock = task.direction == .weightGradient
    let source = KernelSource("depthwise", arguments: arguments.declaration, parts: text.parts + KernelSource.tiles, body: body)
    return KernelLaunch(
      source, grid: (device.blocks(isBlock ? count : (count + 255) / 256, perMultiprocessor: 32), 1), block: (256, 1),
      sharedByteCount: isBlock ? 2 * 32 * text.computeClass.byteCount : 0, arguments)
  }

  // MARK: Text

  private var body: String {
    switch task.direction {
    case .forward: each(size: "a.out_h, a.out_w", result: "y", type: text.outputType, forward)
    case .inputGradient: each(size: "a.in_h, a.in_w", result: "x", type: text.inputType, inputGradient)
    case .weightGradient: weightGradient
    }
  }

  private func each(size: String, result: String, type: String, _ sum: String) -> String {
    let bias =
      task.bias.map { "total = op_add::of(total, element<C, \(text.type($0))>(a.bias, channel * (Position)a.bias_stride));" }
      ?? ""
    return """
        for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < a.count; i += (int64_t)gridDim.x * blockDim.x) {
          const Place p = place((Position)i, \(size));
          const Position image = (Position)quotient_by((Count)p.of, a.channels), channel = p.of - image * (Position)a.channels.size;
          C sum = 0;
      \(sum)    V total = V(sum);
          \(bias)
          put<C, \(type)>(a.\(result), image * (Position)a.\(result)0 + channel * (Position)a.\(result)1 + p.y * (Position)a.\(result)2 + p.x * (Position)a.\(result)3, total);
        }

      """
  }

  private var product: String { "sum = added_product(sum, element<C, \(text.weightType)>(a.w, " }

  private var forward: String {
    """
        const Position from = image * (Position)a.x0 + (Position)quotient_by((Count)channel, a.multiple) * (Position)a.x1;
        for (Position u = 0; u < (Position)a.kernel_h.size; u++) {
          const Position y = p.y * (Position)a.stride_h.size - (Position)a.pad_h + u * (Position)a.dilation_h;
          if (y < 0 || y >= (Position)a.in_h.size) continue;
          for (Position v = 0; v < (Position)a.kernel_w.size; v++) {
            const Position x = p.x * (Position)a.stride_w.size - (Position)a.pad_w + v * (Position)a.dilation_w;
            if (x < 0 || x >= (Position)a.in_w.size) continue;
            \(product)channel * (Position)a.w0 + u * (Position)a.w2 + v * (Position)a.w3).v,
                                element<C, \(text.inputType)>(a.x, from + y * (Position)a.x2 + x * (Position)a.x3).v);
          }
        }

    """
  }

  private var inputGradient: String {
    """
        for (Position o = channel * (Position)a.group_out; o < (channel + 1) * (Position)a.group_out; o++) {
          for (Position u = 0; u < (Position)a.kernel_h.size; u++) {
            const Position y = met(p.y + (Position)a.pad_h - u * (Position)a.dilation_h, a.stride_h, a.out_h);
            if (y < 0) continue;
            for (Position v = 0; v < (Position)a.kernel_w.size; v++) {
              const Position x = met(p.x + (Position)a.pad_w - v * (Position)a.dilation_w, a.stride_w, a.out_w);
              if (x < 0) continue;
              \(product)o * (Position)a.w0 + u * (Position)a.w2 + v * (Position)a.w3).v,
                                  element<C, \(text.outputType)>(a.y, image * (Position)a.y0 + o * (Position)a.y1 + y * (Position)a.y2 + x * (Position)a.y3).v);
            }
          }
        }

    """
  }

  private var weightGradient: String {
    """
      FB_SHARED(shared);
      int turn = 0;
      for (int64_t i = blockIdx.x; i < a.count; i += gridDim.x) {
        const Place tap = place((Position)i, a.kernel_h, a.kernel_w);
        const Position channel = (Position)quotient_by((Count)tap.of, a.multiple);
        C sum = 0;
        const Position pixels = (Position)(a.batch * a.out_h.size * a.out_w.size);
        for (Position pixel = threadIdx.x; pixel < pixels; pixel += 256) {
          const Place p = place(pixel, a.out_h, a.out_w);
          const Position y = p.y * (Position)a.stride_h.size - (Position)a.pad_h + tap.y * (Position)a.dilation_h;
          const Position x = p.x * (Position)a.stride_w.size - (Position)a.pad_w + tap.x * (Position)a.dilation_w;
          if (y < 0 || y >= (Position)a.in_h.size || x < 0 || x >= (Position)a.in_w.size) continue;
          sum = added_product(sum, element<C, \(text.outputType)>(a.y, p.of * (Position)a.y0 + tap.of * (Position)a.y1 + p.y * (Position)a.y2 + p.x * (Position)a.y3).v,
                              element<C, \(text.inputType)>(a.x, p.of * (Position)a.x0 + channel * (Position)a.x1 + y * (Position)a.x2 + x * (Position)a.x3).v);
        }
        const V total = joined<FoldSum, 256>(V(sum), (C *)shared + turn * 32);
        turn ^= 1;
        if (threadIdx.x == 0) put<C, \(text.weightType)>(a.w, tap.of * (Position)a.w0 + tap.y * (Position)a.w2 + tap.x * (Position)a.w3, total);
      }

    """
  }
}
