/// One backward pass, for hooks that see several places of a graph: passes of other threads, and those within it, are others.
package final class BackwardPass: Sendable {
  private let lock = Lock()
  /// Guarded by the lock.
  nonisolated(unsafe) private var gradients: [ObjectIdentifier: Tensor] = [:]

  /// The innermost that runs here.
  @TaskLocal package static var current: BackwardPass?

  private init() {}

  /// Keeps a gradient under the name of `owner` until it is taken, or the pass is over.
  package func keep(_ gradient: Tensor, for owner: AnyObject) {
    let old = lock.withLock { gradients.updateValue(gradient, forKey: ObjectIdentifier(owner)) }
    withExtendedLifetime(old) {}
  }

  /// What was kept for `owner`, if anything.
  package func take(for owner: AnyObject) -> Tensor? { lock.withLock { gradients.removeValue(forKey: ObjectIdentifier(owner)) } }

  /// Runs `body` as a pass of its own with `context` as the current one.
  static func attempt<R>(_ context: Context, _ body: () throws(TensorError) -> R) throws(TensorError) -> R {
    try Context.attempt(context) { () throws(TensorError) in
      try $current.withValue(BackwardPass()) { Result(catching: body) }.get()
    }
  }
}
