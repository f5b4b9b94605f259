struct Dropouts: Sendable {
  /// The attribute is the probability of a 0. What elements are multiplied with follows the result: numbers or, of a GPU, truths.
  let dropout: Operator<Double> = Operator<Double>(
    "dropout", auxiliaryCount: 1, saves: { _ in SavePlan(auxiliaries: true) },
    forward: { (operands, p) throws(TensorError) in
      let x = operands[0]!.body
      if !x.device.isCPU && p < 1 {
        var result = try Value(x.layout.dense, x.dtype, on: x.device)
        let kept = try Value(x.layout.dense, .bool, on: x.device)
        // In the order they lie in, where nothing is between.
        func seen(_ elements: Elements) -> Elements {
          let layout = elements.layout
          let row = Layout(shape: [layout.elementCount], strides: [1], offset: layout.offset)
          return x.layout.isDense ? elements.laid(row) : elements
        }
        try RandomTask.draw(
          .dropout(keeping: 1 - p, of: seen(x.elements), into: seen(result.elements)), into: seen(kept.elements))
        withExtendedLifetime(x) {}
        result.auxiliaries = [kept]
        return result
      }
      let noise = try Dropouts.noise(x.layout.dense, x.dtype, p, on: x.device)
      var result = try Value(x.layout.dense, x.dtype, on: x.device)
      try Pointwise.run(
        Dropouts.product, Few(operands[0], Tensor(TensorBody(noise))), Scalars(), in: x.dtype, into: result.elements)
      result.auxiliaries = [noise]
      return result
    },
    backward: { (call, gradient) throws(TensorError) in Few(try Dropouts.masked(call, gradient)) },
    tangent: { (call, tangents) throws(TensorError) in
      try tangents[0].map { (t) throws(TensorError) in try Dropouts.masked(call, t) }
    },
    samples: [
      Sample("(torch.manual_seed(7), F.dropout(a.contiguous(), 0.3))[1]", [.real([3, 7])]) { operands in
        withGenerator(Generator(seed: 7)) { operands[0].contiguous().dropout(0.3) }
      }
    ]
  ).onGPU()

  private static let product = Program { x, noise in x * noise }

  /// What was dropped of the operand is of a gradient, too.
  private static func masked(_ call: Call<Double>, _ gradient: Tensor) throws(TensorError) -> Tensor {
    let kept = try call.auxiliary(0)
    if kept.dtype != .bool { return gradient * kept }
    return mask.call(Few(gradient, kept), PointwiseArguments(scalars: Scalars(Number(1 / (1 - call.attributes)))))
  }

  private static let mask = Operator.map(
    "dropout_backward", .promoted, Program(inputs: 2, scalars: 1) { x, s in x[0] * (x[1] * s[0]) })

  /// 1 / (1 − p), or 0 with the probability p.
  static func noise(_ layout: Layout, _ dtype: DType, _ p: Double, on device: Device) throws(TensorError) -> Value {
    let value = try Value(layout, dtype, on: device)
    if p == 1 {
      try value.fillZero()
    } else {
      let noise = Tensor(TensorBody(value))
      noGrad { _ = noise.bernoulli_(1 - p).div_(1 - p) }
    }
    return value
  }
}

extension Tensor {
  /// Each element 0 with the probability `p`, the others divided by 1 − p, drawn from the current generator; the tensor itself
  /// where `training` is false. Torch's `dropout`.
  public func dropout(
    _ p: Double = 0.5, training: Bool = true, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    return checked("dropout", at: site) { _ throws(TensorError) in
      try drops(p, training) ? ops.dropouts.dropout(self, p, at: site) : self
    }
  }

  /// ``dropout(_:training:file:line:)`` of whole channels of [n, c, *]. Torch's `feature_dropout`, `dropout2d` among it.
  public func featureDropout(
    _ p: Double = 0.5, training: Bool = true, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    masked("feature_dropout", p, training, CallSite(file, line)) { (body) throws(TensorError) in
      try Tensor.channelNoise(body)
    }
  }

  /// Each element −1.7581 with the probability `p`, then all scaled and moved so that mean and variance stay 0 and 1; for
  /// ``selu()`` (Klambauer et al., 2017). Torch's `alpha_dropout`.
  public func alphaDropout(
    _ p: Double = 0.5, training: Bool = true, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    masked("alpha_dropout", p, training, isAlpha: true, CallSite(file, line)) { $0.layout.dense }
  }

  /// ``alphaDropout(_:training:file:line:)`` of whole channels of [n, c, *]. Torch's `feature_alpha_dropout`.
  public func featureAlphaDropout(
    _ p: Double = 0.5, training: Bool = true, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    masked("feature_alpha_dropout", p, training, isAlpha: true, CallSite(file, line)) { (body) throws(TensorError) in
      try Tensor.channelNoise(body)
    }
  }

  /// One number for each channel.
  private static func channelNoise(_ body: TensorBody) throws(TensorError) -> Layout {
    let shape = body.layout.shape
    guard shape.count >= 2 else { throw .shape("Feature dropout requires at least 2 dimensions in the input") }
    return Layout(Shape(shape.prefix(2) + Array(repeating: 1, count: shape.count - 2)))
  }

  /// The product with noise of the layout that `noise` gives.
  private func masked(
    _ name: String, _ p: Double, _ training: Bool, isAlpha: Bool = false, _ site: CallSite,
    _ noise: (TensorBody) throws(TensorError) -> Layout
  ) -> Tensor {
    checked(name, at: site) { _ throws(TensorError) in
      guard try drops(p, training) else { return self }
      let layout = try noise(body)
      if isAlpha && p < 1 {
        let kept = Tensor(TensorBody(try Value(layout, dtype, on: device)))
        noGrad { _ = kept.bernoulli_(1 - p) }
        return saturated(kept, p)
      }
      return self * Tensor(TensorBody(try Dropouts.noise(layout, dtype, p, on: device)))
    }
  }

  /// Whether elements are to be dropped with the probability `p`, which is checked.
  private func drops(_ p: Double, _ training: Bool) throws(TensorError) -> Bool {
    guard p >= 0, p <= 1 else {
      throw .argument("dropout probability has to be between 0 and 1, but got \(p)")
    }
    if p == 0 || !training || count == 0 || Context.current.isFailed { return false }
    guard dtype.isFloatingPoint else {
      throw .dtype("result type Float can't be cast to the desired output type \(dtype.torchScalarName)")
    }
    return true
  }

  /// The tensor where `kept` is 1, what selu becomes far below 0 where it is 0, scaled and moved.
  private func saturated(_ kept: Tensor, _ p: Double) -> Tensor {
    let alpha = 1.7580993408473766
    let scale = 1 / ((alpha * alpha * p + 1) * (1 - p)).squareRoot()
    let (noise, shift) = noGrad { (kept * scale, (kept - 1) * (alpha * scale) + alpha * scale * p) }
    return self * noise + shift
  }
}
