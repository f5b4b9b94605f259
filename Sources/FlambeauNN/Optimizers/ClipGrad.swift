import Flambeau

/// Scales all gradients so that their norm together is at most `maxNorm`, and returns what it was. Torch's `clip_grad_norm_`.
///
/// Parameters without a gradient are passed over. The result is a scalar where the gradients live, float64 if one of them is, else
/// float32; 0 without gradients. On a GPU nobody waits for it.
///
/// - Parameters:
///   - normType: The order p > 0 of the norm; `.infinity` for the largest absolute value.
///   - errorIfNonfinite: An infinite or undefined norm is an error, which has to be waited for; otherwise the gradients are scaled by it.
@discardableResult
public func clipGradNorm_(
  _ parameters: some Sequence<Parameter>, maxNorm: Double, normType: Double = 2, errorIfNonfinite: Bool = false,
  file: StaticString = #fileID, line: UInt = #line
) -> Tensor {
  let operation = "clip_grad_norm_"
  let gradients = parameters.compactMap(\.grad)
  if !(normType > 0) && !Context.current.isFailed {
    Door.fail(TensorError(.argument, "normType must be positive, but got \(normType)"), in: operation, file: file, line: line)
  }
  guard let norm = GradientScaling.norm(of: gradients, order: normType, operation: operation) else { return .zeros([]) }
  if errorIfNonfinite && !norm.item(as: Double.self).isFinite {
    Door.fail(
      TensorError(
        .argument,
        "The total norm of order \(normType) for gradients from `parameters` is non-finite, so it cannot be clipped. To "
          + "disable this error and scale the gradients by the non-finite norm anyway, set errorIfNonfinite: false"),
      in: operation, file: file, line: line)
  }
  GradientScaling.clip(gradients, to: maxNorm, norm: norm, operation: operation)
  return gradients.contains { $0.dtype == .float64 } ? norm : noGrad { norm.to(.float32) }
}

/// Brings every element of all gradients between -clipValue and clipValue; NaN stays. Torch's `clip_grad_value_`.
public func clipGradValue_(_ parameters: some Sequence<Parameter>, clipValue: Double) {
  GradientScaling.clamp(parameters.compactMap(\.grad), to: clipValue, operation: "clip_grad_value_")
}

/// The norm of all gradients together, for a look at how training goes; 0 without gradients. Torch's `get_total_norm`.
///
/// - Parameter normType: The order p > 0 of the norm; `.infinity` for the largest absolute value.
public func gradNorm(
  _ parameters: some Sequence<Parameter>, normType: Double = 2, file: StaticString = #fileID, line: UInt = #line
) -> Double {
  let operation = "grad_norm"
  if !(normType > 0) && !Context.current.isFailed {
    Door.fail(TensorError(.argument, "normType must be positive, but got \(normType)"), in: operation, file: file, line: line)
  }
  return GradientScaling.norm(of: parameters.compactMap(\.grad), order: normType, operation: operation)?.item(as: Double.self)
    ?? 0
}
