struct Conv2dArguments: Hashable, Sendable {
  var stride: Size2D = 1
  var padding: Size2D = 0
  var dilation: Size2D = 1
  var groups = 1
}

/// The geometry of a convolution and the shape of the operand whose gradient is computed.
struct Conv2dGradientArguments: Sendable {
  let arguments: Conv2dArguments
  let shape: Shape
  /// Input or weight of the convolution lay so, as the gradient does then.
  var isChannelsLast = false
}

/// Convolutions [n, c, h, w]. The gradients are rows, and each one's gradients are made of the other two rows.
struct Convolutions: Sendable {
  /// Input, weight and maybe bias.
  let conv2d: Operator<Conv2dArguments> = Operator<Conv2dArguments>(
    "conv2d", saves: Products.saves,
    forward: { (operands, at) throws(TensorError) in
      let (x, w, bias) = (operands[0]!.body, operands[1]!.body, operands[2]?.body)
      try Convolutions.check(x, w, bias, at)
      let geometry = Convolutions.geometry(x.layout.shape, w.layout.shape, at)
      let shape: Shape = [geometry.batch, geometry.outChannels, geometry.output.height, geometry.output.width]
      if !x.dtype.isFloatingPoint {
        return try Convolutions.integers(x, w, bias, geometry, shape)
      }
      let isLast = Convolutions.keepsChannelsLast(x, w)
      let (input, weight) = (try x.body(channelsLast: isLast), try w.body(channelsLast: isLast))
      let added = try bias?.contiguousBody()
      let result = try Value(Layout(shape, channelsLast: isLast), x.dtype, on: x.device)
      if !x.device.isCPU {
        try Convolutions.launch(.forward, geometry, input.elements, weight.elements, result.elements, bias: added?.elements)
        return result
      }
      withExtendedLifetime((input, weight, added)) {
        Convolution(geometry: geometry, dtype: x.dtype).forward(
          input: input.elements.start, weight: weight.elements.start, output: result.storage.pointer,
          epilogue: ConvolutionEpilogue(bias: added.map { UnsafeRawPointer($0.elements.start) }))
      }
      return result
    },
    backward: { (call, gradient) throws(TensorError) in
      let at = call.attributes
      let isLast = call.isChannelsLast(0) || call.isChannelsLast(1)
      return Few(
        call.needs(0) ? ops.convolutions.input(gradient, try call.operand(1), at, call.shape(0), isLast) : nil,
        call.needs(1) ? ops.convolutions.weight(try call.operand(0), gradient, at, call.shape(1), isLast) : nil,
        call.needs(2) ? gradient.sum(dim: [0, 2, 3]) : nil)
    },
    tangent: { (call, t) throws(TensorError) in try Products.tangent(call, t) },
    samples: [
      Sample("F.conv2d(a, b, c)", [.real([2, 3, 5, 6]), .real([4, 3, 3, 2]), .real([4])]) { $0[0].conv2d($0[1], bias: $0[2]) },
      Sample("F.conv2d(a, b, None, (2, 1), (1, 2), (1, 2))", [.real([1, 2, 6, 5]), .real([3, 2, 3, 2])]) {
        $0[0].conv2d($0[1], stride: [2, 1], padding: [1, 2], dilation: [1, 2])
      },
      Sample("F.conv2d(a, b, c, 2, 1, 1, 2)", [.real([2, 4, 5, 5]), .real([6, 2, 3, 3]), .real([6])]) {
        $0[0].conv2d($0[1], bias: $0[2], stride: 2, padding: 1, groups: 2)
      },
      Sample("F.conv2d(a, b, c, padding=1, groups=3)", [.real([2, 3, 4, 5]), .real([6, 1, 3, 3]), .real([6])]) {
        $0[0].conv2d($0[1], bias: $0[2], padding: 1, groups: 3)
      },
      Sample("F.conv2d(a, b)", [.real([2, 4, 3, 3]), .real([5, 4, 1, 1])]) { $0[0].conv2d($0[1]) },
      Sample("F.conv2d(a, b, c)", [.real([3, 4, 5]), .real([2, 3, 2, 2]), .real([2])]) { $0[0].conv2d($0[1], bias: $0[2]) },
      Sample("F.conv2d(a, b, padding='same', dilation=(1, 2))", [.real([1, 2, 4, 5]), .real([3, 2, 2, 3])]) {
        $0[0].conv2d($0[1], padding: .same, dilation: [1, 2])
      },
      Sample("F.conv2d(a, b, padding='valid')", [.real([1, 2, 4, 5]), .real([3, 2, 2, 3])]) {
        $0[0].conv2d($0[1], padding: .valid)
      },
    ]
  ).onGPU()

  /// The gradient of the input, from that of the output and the weight.
  let inputGradient: Operator<Conv2dGradientArguments> = Operator<Conv2dGradientArguments>(
    "conv2d_input_backward", saves: Products.saves,
    forward: { (operands, at) throws(TensorError) in
      let isLast = Convolutions.keepsChannelsLast(operands[0]!.body, operands[1]!.body, or: at.isChannelsLast)
      let (g, w) = (try operands[0]!.body.body(channelsLast: isLast), try operands[1]!.body.body(channelsLast: isLast))
      let result = try Value(Layout(at.shape, channelsLast: isLast), g.dtype, on: g.device)
      let geometry = Convolutions.geometry(at.shape, w.layout.shape, at.arguments)
      if !g.device.isCPU {
        try Convolutions.launch(.inputGradient, geometry, result.elements, w.elements, g.elements)
        return result
      }
      withExtendedLifetime((g, w)) {
        Convolution(geometry: geometry, dtype: g.dtype).inputGradient(
          outputGradient: g.elements.start, weight: w.elements.start, inputGradient: result.storage.pointer)
      }
      return result
    },
    backward: { (call, gradient) throws(TensorError) in
      let (at, isLast) = (call.attributes.arguments, call.attributes.isChannelsLast)
      return Few(
        call.needs(0) ? ops.convolutions.conv2d(gradient, try call.operand(1), at) : nil,
        call.needs(1) ? ops.convolutions.weight(gradient, try call.operand(0), at, call.shape(1), isLast) : nil)
    }
  ).onGPU()

  /// The gradient of the weight, from the input and the gradient of the output.
  let weightGradient: Operator<Conv2dGradientArguments> = Operator<Conv2dGradientArguments>(
    "conv2d_weight_backward", saves: Products.saves,
    forward: { (operands, at) throws(TensorError) in
      let isLast = Convolutions.keepsChannelsLast(operands[0]!.body, operands[1]!.body, or: at.isChannelsLast)
      let (x, g) = (try operands[0]!.body.body(channelsLast: isLast), try operands[1]!.body.body(channelsLast: isLast))
      let result = try Value(Layout(at.shape, channelsLast: isLast), g.dtype, on: g.device)
      let geometry = Convolutions.geometry(x.layout.shape, at.shape, at.arguments)
      if !g.device.isCPU {
        try Convolutions.launch(.weightGradient, geometry, x.elements, result.elements, g.elements)
        return result
      }
      withExtendedLifetime((x, g)) {
        Convolution(geometry: geometry, dtype: g.dtype).weightGradient(
          input: x.elements.start, outputGradient: g.elements.start, weightGradient: result.storage.pointer)
      }
      return result
    },
    backward: { (call, gradient) throws(TensorError) in
      let (at, isLast) = (call.attributes.arguments, call.attributes.isChannelsLast)
      return Few(
        call.needs(0) ? ops.convolutions.input(try call.operand(1), gradient, at, call.shape(0), isLast) : nil,
        call.needs(1) ? ops.convolutions.conv2d(try call.operand(0), gradient, at) : nil)
    }
  ).onGPU()
}

extension Convolutions {
  private func input(
    _ gradient: Tensor, _ weight: Tensor, _ at: Conv2dArguments, _ shape: Shape, _ isLast: Bool
  ) -> Tensor {
    inputGradient(gradient, weight, Conv2dGradientArguments(arguments: at, shape: shape, isChannelsLast: isLast))
  }

  private func weight(
    _ input: Tensor, _ gradient: Tensor, _ at: Conv2dArguments, _ shape: Shape, _ isLast: Bool
  ) -> Tensor {
    weightGradient(input, gradient, Conv2dGradientArguments(arguments: at, shape: shape, isChannelsLast: isLast))
  }

  /// Torch's rule for the result: as either operand lies; never for float64, which no library convolves so.
  private static func keepsChannelsLast(_ a: TensorBody, _ b: TensorBody, or isAsked: Bool = false) -> Bool {
    a.dtype != .float64 && (isAsked || a.keepsChannelsLast || b.keepsChannelsLast)
  }

  static func geometry(_ x: Shape, _ w: Shape, _ at: Conv2dArguments) -> ConvolutionGeometry {
    ConvolutionGeometry(
      batch: x.at(0), inChannels: x.at(1), outChannels: w.at(0), groups: at.groups,
      input: Size2D(height: x.at(2), width: x.at(3)), kernel: Size2D(height: w.at(2), width: w.at(3)), stride: at.stride,
      padding: at.padding, dilation: at.dilation)
  }

  /// One of the three from the two others, on their GPU.
  private static func launch(
    _ direction: ConvolutionTask.Direction, _ geometry: ConvolutionGeometry, _ input: Elements, _ weight: Elements,
    _ output: Elements, bias: Elements? = nil
  ) throws(TensorError) {
    let task = ConvolutionTask(
      direction: direction, geometry: geometry, input: input, weight: weight, output: output, bias: bias)
    try GPUBackend.run(.task(task), on: output.device)
  }

  private static func integers(
    _ x: TensorBody, _ w: TensorBody, _ bias: TensorBody?, _ geometry: ConvolutionGeometry, _ shape: Shape
  ) throws(TensorError) -> Value {
    let wide = { (body: TensorBody) throws(TensorError) -> Value in
      let value = try Value(Layout(body.layout.shape), .int64, on: body.device)
      try body.elements.copy(to: value.elements)
      return value
    }
    let (input, weight, added) = (try wide(x), try wide(w), try bias.map(wide))
    let sums = try Value(Layout(shape), .int64, on: x.device)
    if x.device.isCPU {
      let pointer = { (value: Value) in value.storage.pointer.assumingMemoryBound(to: Int64.self) }
      withExtendedLifetime((input, weight, added)) {
        IntegerConvolution(geometry: geometry).forward(
          input: pointer(input), weight: pointer(weight), bias: added.map { UnsafePointer(pointer($0)) },
          output: pointer(sums))
      }
    } else {
      try launch(.forward, geometry, input.elements, weight.elements, sums.elements, bias: added?.elements)
      withExtendedLifetime((input, weight, added)) {}
    }
    if x.dtype == .int64 { return sums }
    let result = try Value(Layout(shape), x.dtype, on: x.device)
    try sums.elements.copy(to: result.elements)
    return result
  }

  private static func check(
    _ x: TensorBody, _ w: TensorBody, _ bias: TensorBody?, _ at: Conv2dArguments
  ) throws(TensorError) {
    let check = ConvolutionCheck(
      name: "conv2d", stride: at.stride.sizes, padding: at.padding.sizes, dilation: at.dilation.sizes, groups: at.groups)
    try check.check(x, w, bias)
    try Products.checkMultiplies(x.dtype, "slow_conv2d_cpu")
  }
}

/// How a convolution treats its input's border.
public enum ConvolutionPadding: Sendable {
  /// As many zeros as give an output of the input's size, with the odd one after the input; stride 1 only.
  case same
  /// None.
  case valid
}

extension Tensor {
  /// The convolution of images [n, c, h, w], or of one image [c, h, w]. Torch's `conv2d`.
  ///
  /// - Parameters:
  ///   - weight: [outputs, c / groups, kernel height, kernel width], of this dtype.
  ///   - bias: [outputs], of this dtype.
  ///   - padding: Rows and columns of zeros on either side.
  ///   - groups: Channels are cut into as many parts, each convolved for itself; c for a depthwise convolution.
  public func conv2d(
    _ weight: Tensor, bias: Tensor? = nil, stride: Size2D = 1, padding: Size2D = 0, dilation: Size2D = 1, groups: Int = 1,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let arguments = Conv2dArguments(stride: stride, padding: padding, dilation: dilation, groups: groups)
    let site = CallSite(file, line)
    return batched { ops.convolutions.conv2d.call(Few($0, weight, bias), arguments, at: site) }
  }

  /// The convolution with as much padding as its name says. Torch's `conv2d` with `padding="same"` or `"valid"`.
  public func conv2d(
    _ weight: Tensor, bias: Tensor? = nil, stride: Size2D = 1, padding: ConvolutionPadding, dilation: Size2D = 1,
    groups: Int = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    guard padding == .same else {
      return conv2d(weight, bias: bias, stride: stride, dilation: dilation, groups: groups, file: file, line: line)
    }
    return checked("conv2d", at: CallSite(file, line)) { layout throws(TensorError) in
      guard stride == 1 else { throw .argument("padding='same' is not supported for strided convolutions") }
      guard weight.ndim == 4, layout.rank >= 3 else {
        return conv2d(weight, bias: bias, dilation: dilation, groups: groups, file: file, line: line)
      }
      let total = Size2D(
        height: dilation.height * (weight.shape.at(2) - 1), width: dilation.width * (weight.shape.at(3) - 1))
      let padded = paddedAfter(layout.rank - 2, total.height % 2).paddedAfter(layout.rank - 1, total.width % 2)
      return padded.conv2d(
        weight, bias: bias, padding: Size2D(height: total.height / 2, width: total.width / 2), dilation: dilation,
        groups: groups, file: file, line: line)
    }
  }

  /// Zeros after the last position of a dimension.
  private func paddedAfter(_ dim: Int, _ count: Int) -> Tensor {
    if count == 0 || body.poison != nil { return self }
    let size = shape.at(dim)
    return placed(in: shape.replacing(dim, with: size + count)) { $0.sliced(dim, start: 0, count: size) }
  }

  /// Runs `body` on images [n, c, h, w]; one image [c, h, w] becomes a batch and is taken out of the result again.
  func batched(_ body: (Tensor) -> Tensor) -> Tensor {
    guard ndim == 3 else { return body(self) }
    let result = body(reshape(shape.inserting(1, at: 0)))
    return result.reshape(result.shape.removing(at: 0))
  }
}
