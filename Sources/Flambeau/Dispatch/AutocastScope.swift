/// Runs `body` so that products, convolutions and attention compute in a half type, and what needs the range or the digits
/// (losses, distances, on a GPU also powers, norms and softmaxes) in float32. Torch's `torch.autocast`: a call goes by torch's list for the
/// device it runs on.
///
///     let loss = autocast { lossFunction(model(x), y) }
///     loss.backward()
///
/// Parameters stay float32, and so do their gradients: each call casts its operands, and the cast of a leaf that requires a gradient is
/// kept for all calls until the outermost scope ends. float64, writing in place and everything that is not in the lists
/// is left alone. Backward passes compute in what the forward pass chose, wherever they are called.
///
/// - Parameters:
///   - dtype: bfloat16, which has float32's range, or float16, which has more digits and usually wants a `GradScaler`.
///   - enabled: False for a part of an outer scope that computes as if there were none; its operands are as the scope made them.
///   - cacheEnabled: False to cast leaves at every call.
@discardableResult
public func autocast<R>(
  _ dtype: DType = .bfloat16, enabled: Bool = true, cacheEnabled: Bool = true, file: StaticString = #fileID,
  line: UInt = #line, _ body: () throws -> R
) rethrows -> R {
  let scope = Autocast.opened(dtype, enabled, cacheEnabled, CallSite(file, line))
  defer { if scope.isOutermost { scope.autocast.end() } }
  return try Context.run(Context.current.with(autocast: scope.autocast), body)
}

/// The asynchronous form of ``autocast(_:enabled:cacheEnabled:file:line:_:)``.
@discardableResult
public func autocast<R>(
  _ dtype: DType = .bfloat16, enabled: Bool = true, cacheEnabled: Bool = true,
  isolation: isolated (any Actor)? = #isolation, file: StaticString = #fileID, line: UInt = #line,
  _ body: () async throws -> R
) async rethrows -> R {
  let scope = Autocast.opened(dtype, enabled, cacheEnabled, CallSite(file, line))
  defer { if scope.isOutermost { scope.autocast.end() } }
  return try await Context.run(Context.current.with(autocast: scope.autocast), isolation: isolation, body)
}

/// What calls compute in here, if they are those that compute in a half type; nil outside of `autocast`. Torch's
/// `get_autocast_dtype`, and where it is not nil, `is_autocast_enabled`.
public var autocastDType: DType? { Context.current.autocast?.dtype }

extension Autocast {
  fileprivate static func opened(
    _ dtype: DType, _ enabled: Bool, _ cacheEnabled: Bool, _ site: CallSite
  ) -> (autocast: Autocast, isOutermost: Bool) {
    let outer = Context.current.autocast
    if enabled && !dtype.isHalf && !Context.current.isFailed {
      let problem = "CPU Autocast only supports dtypes of bfloat16, float16 currently, but got \(dtype)"
      var error = TensorError.dtype(problem)
      error.operation = "autocast"
      Door.fail(error, at: site)
    }
    let autocast = Autocast(enabled && dtype.isHalf ? dtype : nil, remembersCasts: cacheEnabled, inside: outer)
    return (autocast, outer == nil)
  }
}
