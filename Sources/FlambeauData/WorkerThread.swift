#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A thread of its own, not one of the few that Swift's tasks share: it may block.
struct WorkerThread {
  private let handle: pthread_t

  /// nil if the system refuses one.
  init?(_ body: @escaping @Sendable () -> Void) {
    #if canImport(Glibc)
      var handle = pthread_t()
    #else
      var handle: pthread_t?
    #endif
    let work = Unmanaged.passRetained(Work(body))
    let refused = pthread_create(
      &handle, nil,
      { work in
        #if canImport(Glibc)
          let work = work!
        #endif
        // Signals are the program's business: they go to its own threads.
        var signals = sigset_t()
        sigfillset(&signals)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        Unmanaged<Work>.fromOpaque(work).takeRetainedValue().body()
        return nil
      }, work.toOpaque())
    guard refused == 0 else {
      work.release()
      return nil
    }
    #if canImport(Glibc)
      self.handle = handle
    #else
      self.handle = handle!
    #endif
  }

  func join() { pthread_join(handle, nil) }

  private final class Work: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
}
