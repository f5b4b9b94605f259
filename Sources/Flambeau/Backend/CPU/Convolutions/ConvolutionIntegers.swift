/// A convolution of int64 tensors, whose sums wrap: exact also for the smaller types they were converted from.
struct IntegerConvolution {
  let geometry: ConvolutionGeometry

  /// Contiguous operands as `Convolution`'s; `bias` may be missing.
  func forward(
    input: UnsafePointer<Int64>, weight: UnsafePointer<Int64>, bias: UnsafePointer<Int64>?,
    output: UnsafeMutablePointer<Int64>
  ) {
    ConvolutionTask.observed(
      ConvolutionTask(.forward, geometry, .int64, input: input, weight: weight, output: output, bias: bias)
    ) {
      compute(input, weight, bias, output)
    }
  }

  private func compute(
    _ input: UnsafePointer<Int64>, _ weight: UnsafePointer<Int64>, _ bias: UnsafePointer<Int64>?,
    _ output: UnsafeMutablePointer<Int64>
  ) {
    let g = geometry
    forEach(g.batch * g.outChannels, parallel: g.isParallel) { job in
      let (image, channel) = (job / g.outChannels, job % g.outChannels)
      let plane = output + job * g.output.area
      plane.update(repeating: bias?[channel] ?? 0, count: g.output.area)
      let first = channel / g.groupOut * g.groupIn
      for i in 0..<g.groupIn {
        addChannel(
          input + (image * g.inChannels + first + i) * g.input.area, weight + (channel * g.groupIn + i) * g.kernel.area,
          to: plane)
      }
    }
  }

  private func addChannel(_ from: UnsafePointer<Int64>, _ weight: UnsafePointer<Int64>, to: UnsafeMutablePointer<Int64>) {
    let g = geometry
    for tap in 0..<g.kernel.area {
      let (i, j) = (tap / g.kernel.width, tap % g.kernel.width)
      let row = i * g.dilation.height - g.padding.height
      let column = j * g.dilation.width - g.padding.width
      for y in 0..<g.output.height {
        let inY = y * g.stride.height + row
        if inY < 0 || inY >= g.input.height { continue }
        let (line, out) = (from + inY * g.input.width, to + y * g.output.width)
        for x in 0..<g.output.width {
          let inX = x * g.stride.width + column
          if inX >= 0 && inX < g.input.width { out[x] &+= weight[tap] &* line[inX] }
        }
      }
    }
  }
}
