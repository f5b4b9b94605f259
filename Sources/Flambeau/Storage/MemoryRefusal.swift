import Synchronization

/// Refuses requests for memory as if there were none. Tests try each; in release builds it is nothing.
struct MemoryRefusal: ~Copyable, Sendable {
  #if DEBUG
    private let first = Atomic<Int>(0)
    private let end = Atomic<Int>(0)
    private let seen = Atomic<Int>(0)

    /// Which requests from now on are refused, counted from 1; nil: none.
    func refuse(_ requests: Range<Int>?) {
      seen.store(0, ordering: .relaxed)
      first.store(requests?.lowerBound ?? 0, ordering: .relaxed)
      end.store(requests?.upperBound ?? 0, ordering: .relaxed)
    }

    /// Whether one was.
    var isReached: Bool { seen.load(ordering: .relaxed) >= first.load(ordering: .relaxed) }

    /// To be asked once for each request.
    func isDue() -> Bool {
      let end = end.load(ordering: .relaxed)
      if end == 0 { return false }
      let number = seen.add(1, ordering: .relaxed).newValue
      return number >= first.load(ordering: .relaxed) && number < end
    }
  #else
    @inline(__always) func isDue() -> Bool { false }
  #endif
}
