import Synchronization

/// Refuses requests for memory as if there were none. Tests begin with each in turn; in release builds it is nothing.
struct MemoryRefusal: ~Copyable, Sendable {
  #if DEBUG
    private static let never = Int.max
    private let left = Atomic<Int>(never)

    /// From now on the `number`th request, counted from 1, and all after it are refused; nil: none.
    func refuse(from number: Int?) { left.store(number ?? Self.never, ordering: .relaxed) }

    /// To be asked once for each request.
    func isDue() -> Bool {
      if left.load(ordering: .relaxed) == Self.never { return false }
      return left.subtract(1, ordering: .relaxed).newValue <= 0
    }
  #else
    @inline(__always) func isDue() -> Bool { false }
  #endif
}
