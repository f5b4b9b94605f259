/// The threads that share one kernel's work.
///
/// Callers cut work by shape, never by thread count, so results do not depend on the number of threads.
enum ThreadPool {
  /// Runs `body(0)`, …, `body(count - 1)`, each once, in any order, on the pool's threads and the caller's;
  /// returns when all are done. A nested call, or one that finds the pool busy, runs inline.
  static func run(_ count: Int, _ body: (Int) -> Void) {
    for i in 0..<count { body(i) }
  }
}
