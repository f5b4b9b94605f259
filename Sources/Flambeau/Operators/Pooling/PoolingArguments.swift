struct PoolingArguments: Sendable {
  enum Windows: Sendable {
    case sliding(kernel: Size2D, stride: Size2D, padding: Size2D, dilation: Size2D, ceilMode: Bool)
    /// As many windows as asked for.
    case adaptive(Size2D)
  }

  var windows: Windows
  /// Averages: padding counts in the divisor.
  var countsPadding = true
  /// Averages: the divisor, in place of the window's size.
  var divisor: Int?

  /// How planes in the last two dimensions of `shape` are pooled.
  func pooling(_ shape: Shape, _ dtype: DType) -> Pooling {
    let (rank, input) = (shape.count, shape.planeSize)
    var planes = 1
    for i in 0..<rank - 2 { planes *= shape.at(i) }
    let rows: PoolingSpans
    let columns: PoolingSpans
    switch windows {
    case .sliding(let kernel, let stride, let padding, let dilation, let ceilMode):
      rows = PoolingSpans(
        input: input.height, kernel: kernel.height, stride: stride.height, padding: padding.height,
        dilation: dilation.height, ceilMode: ceilMode, countsPadding: countsPadding)
      columns = PoolingSpans(
        input: input.width, kernel: kernel.width, stride: stride.width, padding: padding.width,
        dilation: dilation.width, ceilMode: ceilMode, countsPadding: countsPadding)
    case .adaptive(let output):
      rows = PoolingSpans(input: input.height, adaptiveOutput: output.height)
      columns = PoolingSpans(input: input.width, adaptiveOutput: output.width)
    }
    return Pooling(planes: planes, rows: rows, columns: columns, dtype: dtype, divisor: divisor)
  }

  /// Throws torch's sentence unless images of `shape` can be pooled.
  func check(_ shape: Shape, _ name: String) throws(TensorError) {
    switch windows {
    case .adaptive(let output): try checkAdaptive(shape, output, name)
    case .sliding(let kernel, let stride, let padding, let dilation, _):
      try checkSliding(shape, kernel, stride, padding, dilation)
    }
  }

  private func checkAdaptive(_ shape: Shape, _ output: Size2D, _ name: String) throws(TensorError) {
    guard shape.count == 3 || shape.count == 4 else {
      throw .shape("\(name)(): Expected 3D or 4D tensor, but got: \(shape)")
    }
    for i in shape.count - 3..<shape.count where shape.at(i) == 0 {
      throw .shape(
        "\(name)(): Expected input to have non-zero size for non-batch dimensions, but input has sizes \(shape) with "
          + "dimension \(i) being empty")
    }
    guard output.all({ $0 >= 0 }) else {
      throw .argument(
        "\(name): elements of output_size must be greater than or equal to 0 but received "
          + "{\(output.height), \(output.width)}")
    }
  }

  private func checkSliding(
    _ shape: Shape, _ kernel: Size2D, _ stride: Size2D, _ padding: Size2D, _ dilation: Size2D
  ) throws(TensorError) {
    guard kernel.all({ $0 > 0 }) else {
      throw .argument("kernel size should be greater than zero, but got kH: \(kernel.height) kW: \(kernel.width)")
    }
    guard stride.all({ $0 != 0 }) else { throw .argument("stride should not be zero") }
    guard stride.all({ $0 > 0 }) else {
      throw .argument("stride should be greater than zero, but got dH: \(stride.height) dW: \(stride.width)")
    }
    guard dilation.all({ $0 > 0 }) else {
      throw .argument(
        "dilation should be greater than zero, but got dilationH: \(dilation.height) dilationW: \(dilation.width)")
    }
    for (pad, kernel, dilation) in [
      (padding.height, kernel.height, dilation.height), (padding.width, kernel.width, dilation.width),
    ] {
      guard pad >= 0 else { throw .argument("pad must be non-negative, but got pad: \(pad)") }
      guard pad <= ((kernel - 1) * dilation + 1) / 2 else {
        throw .argument(
          "pad should be at most half of effective kernel size, but got pad=\(pad), kernel_size=\(kernel) and "
            + "dilation=\(dilation)")
      }
    }
    if let divisor, divisor == 0 { throw .argument("divisor must be not zero") }
    guard shape.count == 3 || shape.count == 4 else {
      throw .shape("non-empty 3D or 4D (batch mode) tensor expected for input, but got \(shape)")
    }
    guard (shape.count - 3..<shape.count).allSatisfy({ shape.at($0) > 0 }) else {
      throw .shape(
        "Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but got:\(shape)")
    }
    let plan = pooling(shape, .float32)
    guard plan.outputArea > 0 else {
      let (channels, input) = (shape.at(shape.count - 3), shape.planeSize)
      throw .shape(
        "Given input size: (\(channels)x\(input.height)x\(input.width)). Calculated output size: "
          + "(\(channels)x\(plan.rows.count)x\(plan.columns.count)). Output size is too small")
    }
  }
}

/// What a gradient of pooling needs to know: how it was done, and the input's shape.
struct PoolingGradientArguments: Sendable {
  let arguments: PoolingArguments
  let shape: Shape
  /// The input lay so, and positions do.
  let isChannelsLast: Bool
}

extension Shape {
  /// The last two sizes.
  fileprivate var planeSize: Size2D { Size2D(height: at(count - 2), width: at(count - 1)) }
}
