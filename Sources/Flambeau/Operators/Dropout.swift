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
      let shape = body.layout.shape
      guard shape.count >= 2 else { throw .shape("Feature dropout requires at least 2 dimensions in the input") }
      return Layout(Shape(shape.prefix(2) + Array(repeating: 1, count: shape.count - 2)))
    }
  }

  /// The product with noise of the layout that `noise` gives.
  private func masked(
    _ name: String, _ p: Double, _ training: Bool, _ site: CallSite, _ noise: (TensorBody) throws(TensorError) -> Layout
  ) -> Tensor {
    checked(name, at: site) { _ throws(TensorError) in
      guard p >= 0, p <= 1 else {
        throw .argument("dropout probability has to be between 0 and 1, but got \(p)")
      }
      if p == 0 || !training || count == 0 || Context.current.isFailed { return self }
      guard dtype.isFloatingPoint else {
        throw .dtype("result type Float can't be cast to the desired output type \(dtype.torchScalarName)")
      }
      let value = try Value(try noise(body), dtype)
      if p == 1 {
        value.fillZero()
      } else {
        let kept = 1 - p
        Generator.current.fillBernoulli(value.storage.pointer, dtype, count: value.layout.elementCount, p: kept)
        noGrad { _ = Tensor(TensorBody(value)).div_(kept) }
      }
      return self * Tensor(TensorBody(value))
    }
  }
}
