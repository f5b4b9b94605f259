/// Runs `body` without keeping what its derivative reads: the backward pass runs it again when it needs that. Trades time for
/// memory (Chen et al., 2016). Torch's `checkpoint`, the form that does not reenter.
///
///     for block in blocks { x = checkpoint { [x] in block(x) } }
///
/// - Parameters:
///   - preservesRandomState: The second run draws the same random numbers, as dropout needs. While the first runs, other tasks draw from
///     generators of their own (``withGenerator(_:_:)``).
///   - body: Does the same each time; what it reads has not changed by the backward pass.
public func checkpoint(preservesRandomState: Bool = true, _ body: @escaping @Sendable () -> Tensor) -> Tensor {
  checkpoint(preservesRandomState: preservesRandomState) { [body()] }[0]
}

/// The same of several results.
public func checkpoint(preservesRandomState: Bool = true, _ body: @escaping @Sendable () -> [Tensor]) -> [Tensor] {
  let context = Context.current
  guard context.records, !context.isFailed else { return body() }
  let run = CheckpointedRun(body, context, preservesRandomState: preservesRandomState)
  return Context.run(context.with(watch: run.watch)) { body() }
}

/// One run of a checkpointed body: what it saved, in order, until it is needed.
private final class CheckpointedRun: Sendable {
  private struct State {
    var saved: [(shape: Shape, dtype: DType)] = []
    /// What running again gave and no derivative has read yet.
    var values: [Tensor?] = []
  }

  private let body: @Sendable () -> [Tensor]
  private let context: Context
  private let position: DrawPosition?
  private let lock = Lock()
  /// Guarded by the lock.
  nonisolated(unsafe) private var state = State()

  init(_ body: @escaping @Sendable () -> [Tensor], _ context: Context, preservesRandomState: Bool) {
    self.body = body
    self.context = context
    position = preservesRandomState ? .current : nil
  }

  var watch: GraphWatch {
    GraphWatch(hooks: SavedTensorHooks { self.forget($0) }, isAnomalyMode: context.watch?.isAnomalyMode ?? false)
  }

  private func forget(_ tensor: Tensor) -> SavedTensorHooks.Unpack {
    let index = lock.withLock {
      state.saved.append((tensor.shape, tensor.dtype))
      return state.saved.count - 1
    }
    return { () throws(TensorError) in try self.value(index) }
  }

  private func value(_ index: Int) throws(TensorError) -> Tensor {
    if let known = take(index) { return known }
    var values = try recomputed()
    let value = values[index].take()!
    // Another pass may have done the same meanwhile.
    let old = lock.withLock {
      defer { state.values = values }
      return state.values
    }
    withExtendedLifetime(old) {}
    return value
  }

  private func take(_ index: Int) -> Tensor? {
    lock.withLock {
      guard state.values.indices.contains(index) else { return nil }
      defer { state.values[index] = nil }
      return state.values[index]
    }
  }

  private func recomputed() throws(TensorError) -> [Tensor?] {
    let collected = Collected()
    let again = Context(
      gradEnabled: true, errorScope: Context.current.errorScope, generator: context.generator,
      watch: GraphWatch(
        hooks: SavedTensorHooks { tensor in
          collected.append(tensor)
          return { tensor }
        }, isAnomalyMode: context.watch?.isAnomalyMode ?? false), autocast: context.autocast?.renewed)
    Context.run(again) {
      if let position { position.drawingAgain { _ = body() } } else { _ = body() }
    }
    if let error = Context.current.failure { throw error }
    let (values, saved) = (collected.tensors, lock.withLock { state.saved })
    guard values.count == saved.count else {
      throw .autograd(
        "checkpoint: A different number of tensors was saved during the original forward and recomputation. Number of tensors "
          + "saved during forward: \(saved.count). Number of tensors saved during recomputation: \(values.count). The body has "
          + "to do the same each time.")
    }
    for (i, (value, then)) in zip(values, saved).enumerated() where value.shape != then.shape || value.dtype != then.dtype {
      throw .autograd(
        "checkpoint: Recomputed values have different metadata than during the forward pass: tensor \(i) was \(then.dtype) "
          + "\(then.shape) and is now \(value.summary). The body has to do the same each time.")
    }
    return values
  }
}

/// Tensors in the order they were saved.
private final class Collected: Sendable {
  private let lock = Lock()
  /// Guarded by the lock.
  nonisolated(unsafe) private var list: [Tensor] = []

  func append(_ tensor: Tensor) { lock.withLock { list.append(tensor) } }
  var tensors: [Tensor] { lock.withLock { list } }
}
