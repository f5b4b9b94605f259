import Synchronization

/// Lets a request for memory fail as if there were none. Tests let each fail in turn; in release builds it is nothing.
struct MemoryRefusal: ~Copyable, Sendable {
  #if DEBUG
    private let left = Atomic<Int>(0)

    /// The request that is refused, counted from 1, from now on; 0 for none.
    func refuse(request number: Int) { left.store(number, ordering: .relaxed) }

    /// To be asked once for each request.
    func isDue() -> Bool {
      if left.load(ordering: .relaxed) <= 0 { return false }
      return left.subtract(1, ordering: .relaxed).newValue == 0
    }
  #else
    @inline(__always) func isDue() -> Bool { false }
  #endif
}
