#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Mutual exclusion that ThreadSanitizer understands, which it does not do for `Synchronization.Mutex`.
///
/// Nothing that runs user code, an operator or a deinit happens while it is held, but for the sums of `GradientAccumulator`.
package final class Lock: Sendable {
  // Unsafe by type only: the pointer never changes, and what it points at is made for many threads.
  nonisolated(unsafe) private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

  package init() {
    mutex.initialize(to: pthread_mutex_t())
    pthread_mutex_init(mutex, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  @inline(__always)
  package func lock() { pthread_mutex_lock(mutex) }

  @inline(__always)
  package func unlock() { pthread_mutex_unlock(mutex) }

  @inline(__always)
  package func withLock<R>(_ body: () throws -> R) rethrows -> R {
    lock()
    defer { unlock() }
    return try body()
  }
}
