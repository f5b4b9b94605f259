extension Tensor {
  /// Each element 0 with the probability `p`, the others divided by 1 − p, drawn from the current generator; the tensor itself
  /// where `training` is false. Torch's `dropout`.
  public func dropout(
    _ p: Double = 0.5, training: Bool = true, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    masked("dropout", p, training, CallSite(file, line)) { $0.layout.dense }
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
      guard p >= 0, p <= 1 else {
        throw .argument("dropout probability has to be between 0 and 1, but got \(p)")
      }
      if p == 0 || !training || count == 0 || Context.current.isFailed { return self }
      guard dtype.isFloatingPoint else {
        throw .dtype("result type Float can't be cast to the desired output type \(dtype.torchScalarName)")
      }
      let value = try Value(try noise(body), dtype, on: device)
      if p == 1 {
        try value.fillZero()
      } else {
        let kept = 1 - p
        let mask = Tensor(TensorBody(value))
        noGrad { _ = mask.bernoulli_(kept) }
        if isAlpha { return saturated(mask, p) }
        noGrad { _ = mask.div_(kept) }
      }
      return self * Tensor(TensorBody(value))
    }
  }
  /// The tensor where `kept` is 1, what selu becomes far below 0 where it is 0, scaled and moved.
  private func saturated(_ kept: Tensor, _ p: Double) -> Tensor {
    let alpha = 1.7580993408473766
    let scale = 1 / ((alpha * alpha * p + 1) * (1 - p)).squareRoot()
    let (noise, shift) = noGrad { (kept * scale, (kept - 1) * (alpha * scale) + alpha * scale * p) }
    return self * noise + shift
  }
}
