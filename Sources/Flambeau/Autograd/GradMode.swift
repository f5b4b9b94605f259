/// Runs `body` without recording: results do not require gradients. Torch's `no_grad`.
@discardableResult
public func noGrad<R>(_ body: () throws -> R) rethrows -> R {
  try Context.run(Context.current.with(gradEnabled: false), body)
}

/// The asynchronous form of ``noGrad(_:)``.
@discardableResult
public func noGrad<R>(isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> R) async rethrows -> R {
  try await Context.run(Context.current.with(gradEnabled: false), isolation: isolation, body)
}

/// Runs `body` recording again, inside ``noGrad(_:)``. Torch's `enable_grad`.
@discardableResult
public func enableGrad<R>(_ body: () throws -> R) rethrows -> R {
  try Context.run(Context.current.with(gradEnabled: true), body)
}

/// Runs `body` without recording, on tensors that autograd never sees: what it makes cannot be saved for a derivative, nor
/// written outside. Cheaper than ``noGrad(_:)``. Torch's `inference_mode`.
@discardableResult
public func inferenceMode<R>(_ body: () throws -> R) rethrows -> R {
  try Context.run(Context.current.with(gradEnabled: false, inference: true), body)
}

/// The asynchronous form of ``inferenceMode(_:)``.
@discardableResult
public func inferenceMode<R>(
  isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> R
) async rethrows -> R {
  try await Context.run(Context.current.with(gradEnabled: false, inference: true), isolation: isolation, body)
}
