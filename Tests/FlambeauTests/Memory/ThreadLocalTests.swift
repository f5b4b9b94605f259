import Synchronization
import Testing

@testable import Flambeau

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

@Suite struct ThreadLocalTests {
  private final class Tally: Sendable {
    let made = Atomic<Int>(0)
    let gone = Atomic<Int>(0)
  }

  private struct Value: ~Copyable {
    private let tally: Tally
    var number = 0

    init(_ tally: Tally) {
      self.tally = tally
      tally.made.wrappingAdd(1, ordering: .relaxed)
    }

    deinit { tally.gone.wrappingAdd(1, ordering: .relaxed) }
  }

  @Test func eachThreadHasItsOwnUntilItEnds() {
    let tally = Tally()
    let values = ThreadLocal { Value(tally) }
    values.current.pointee.number = 1
    for _ in 0..<3 {
      onThread {
        let before = values.current.pointee.number
        values.current.pointee.number = 2
        let after = values.current.pointee.number
        #expect(before == 0 && after == 2)
      }
    }
    let mine = values.current.pointee.number
    #expect(mine == 1)
    #expect(tally.made.load(ordering: .relaxed) == 4 && tally.gone.load(ordering: .relaxed) == 3)
  }
}

/// Runs `body` on a thread of its own, which has ended afterwards.
func onThread(_ body: @escaping @Sendable () -> Void) {
  final class Work {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
  #if canImport(Glibc)
    var thread = pthread_t()
  #else
    var thread: pthread_t?
  #endif
  pthread_create(
    &thread, nil,
    { work in
      #if canImport(Glibc)
        let work = work!
      #endif
      Unmanaged<Work>.fromOpaque(work).takeRetainedValue().body()
      return nil
    }, Unmanaged.passRetained(Work(body)).toOpaque())
  #if canImport(Glibc)
    pthread_join(thread, nil)
  #else
    pthread_join(thread!, nil)
  #endif
}
