import Flambeau
import Foundation

/// Runs `body` on so many threads at once and waits for them. `concurrentPerform` takes one where the others are busy, as they are while
/// tests run.
package func onThreads(_ count: Int, _ body: @escaping @Sendable (_ thread: Int) -> Void) {
  let lock = Lock()
  nonisolated(unsafe) var left = count
  for thread in 0..<count {
    Thread.detachNewThread {
      body(thread)
      lock.withLock { left -= 1 }
    }
  }
  while lock.withLock({ left > 0 }) { usleep(200) }
}
