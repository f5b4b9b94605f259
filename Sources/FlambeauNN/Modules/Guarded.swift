import Flambeau

/// A value that any task may read and replace.
final class Guarded<Value: Sendable>: Sendable {
  private let lock = Lock()
  /// Guarded by the lock.
  nonisolated(unsafe) private var stored: Value

  init(_ value: Value) { stored = value }

  var value: Value {
    get { lock.withLock { stored } }
    set {
      // What was there is released when the lock is free again.
      let old = lock.withLock {
        let old = stored
        stored = newValue
        return old
      }
      withExtendedLifetime(old) {}
    }
  }

  /// Replaces the value by what `body` makes of it, in one step.
  func change(_ body: (inout Value) -> Void) {
    let old = lock.withLock {
      let old = stored
      body(&stored)
      return old
    }
    withExtendedLifetime(old) {}
  }
}
