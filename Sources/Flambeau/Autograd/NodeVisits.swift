import CKernels
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension Node {
  /// Runs `body`, which reads or gives up what the node saved, while no other thread does: passes on several threads may share a graph,
  /// as torch's may. A visit may lead to another by the same thread.
  @inline(__always)
  final func whileVisited<R>(_ body: () throws(TensorError) -> R) throws(TensorError) -> R {
    let thread = UInt(bitPattern: fb_thread_identity())
    let (isOurs, other) = visitor.compareExchange(expected: 0, desired: thread, ordering: .acquiringAndReleasing)
    if other == thread { return try body() }
    if !isOurs { waitToVisit(thread) }
    defer { visitor.store(0, ordering: .releasing) }
    return try body()
  }

  @inline(never)
  private func waitToVisit(_ thread: UInt) {
    var looks = 0
    while !visitor.compareExchange(expected: 0, desired: thread, ordering: .acquiringAndReleasing).exchanged {
      looks += 1
      // A visit may take as long as a large product.
      if looks < 100 { fb_spin_hint() } else { usleep(20) }
    }
  }
}
