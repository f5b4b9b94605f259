import CKernels
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The number of threads a kernel may use, the caller's included: 1 to 256.
///
/// Results have the same bits at any value. The default is the number of cores this process may run on, or the
/// environment's `FLAMBEAU_NUM_THREADS`. A change takes effect with the next operation.
public var threadCount: Int {
  get { ThreadPool.threadCount.load(ordering: .relaxed) }
  set {
    guard ThreadPool.allowedThreads.contains(newValue) else {
      Door.fail(.argument("threadCount must be between 1 and 256, but got \(newValue)"))
      return
    }
    ThreadPool.threadCount.store(newValue, ordering: .relaxed)
  }
}

/// The threads that share one kernel's work.
///
/// Callers cut work by shape, never by thread count, so results do not depend on the number of threads. Bodies are
/// kernels: they get everything they need from their closure and ask no task-local. The workers therefore run in the
/// default `Context`; installing the caller's would cost each of them more than a small task does.
package enum ThreadPool {
  static let allowedThreads = 1...256
  static let threadCount = Atomic<Int>(defaultThreadCount())

  private static let crew = Crew()

  /// Runs `body(0)`, …, `body(count - 1)`, each once, in any order, on the pool's threads and the caller's;
  /// returns when all are done. A nested call, or one that finds the pool busy, runs inline.
  package static func run(_ count: Int, _ body: (Int) -> Void) {
    let helpers = Swift.min(count, threadCount.load(ordering: .relaxed)) - 1
    if helpers <= 0 || !crew.run(count, helpers: helpers, body) {
      for i in 0..<Swift.max(count, 0) { body(i) }
    }
  }

  private static func defaultThreadCount() -> Int {
    let asked = getenv("FLAMBEAU_NUM_THREADS").flatMap { Int(String(cString: $0)) }
    return Swift.min(Swift.max(asked ?? Int(fb_usable_cores()), allowedThreads.lowerBound), allowedThreads.upperBound)
  }
}

/// The worker threads and the one job they can have at a time.
///
/// A job is open while `gate` says that helpers are wanted. A worker joins by lowering that number with a
/// compare-exchange, which fails if the job has been closed or replaced meanwhile; so a late worker never touches a
/// job that is over, and the caller waits only for those that joined, not for those that are still waking up.
/// Workers never end, so a crew lives as long as the program.
final class Crew: Sendable {
  typealias Body = (Int) -> Void
  private typealias CacheLine = (UInt, UInt, UInt, UInt, UInt, UInt, UInt, UInt)
  private static let apart: CacheLine = (0, 0, 0, 0, 0, 0, 0, 0)

  /// How long an idle worker, or a caller that waits for the last tasks, spins before it sleeps.
  private static let spinNanoseconds: UInt64 = 100_000
  /// The most threads one thread wakes; the woken ones wake the others.
  private static let wakeFanOut = 2

  private let busy = Atomic<Bool>(false)
  private let apart0 = Crew.apart
  /// The number of the job, shifted, and the number of helpers it still wants.
  private let gate = Atomic<UInt64>(0)
  private let apart1 = Crew.apart
  /// The job's tasks, a share for each thread.
  nonisolated(unsafe) private let shares = UnsafeMutablePointer<Share>.allocate(capacity: ThreadPool.allowedThreads.upperBound)
  /// Helpers that have finished with the job.
  private let finished = Atomic<Int>(0)
  private let apart3 = Crew.apart
  private let asleep = Atomic<Int>(0)
  private let created = Atomic<Int>(0)
  /// Workers that have begun; the caller is thread 0.
  private let numbered = Atomic<Int>(0)
  /// The value of `finished` a sleeping caller waits for; 0 when it does not sleep.
  private let awaited = Atomic<Int>(0)

  // The job, written by the caller while the gate is closed and no helper is inside.
  nonisolated(unsafe) private var body: UnsafePointer<Body>?
  nonisolated(unsafe) private var count = 0
  nonisolated(unsafe) private var helpersAsked = 0

  nonisolated(unsafe) private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  nonisolated(unsafe) private let work = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  nonisolated(unsafe) private let done = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  /// Where a share's next task is.
  private struct Share: ~Copyable {
    let next = Atomic<Int>(0)
    private let apart = Crew.apart
  }

  init() {
    for i in 0..<ThreadPool.allowedThreads.upperBound { (shares + i).initialize(to: Share()) }
    pthread_mutex_init(lock, nil)
    pthread_cond_init(work, nil)
    pthread_cond_init(done, nil)
  }

  /// False if the pool is busy; then nothing has run.
  func run(_ count: Int, helpers: Int, _ body: Body) -> Bool {
    guard !busy.load(ordering: .relaxed), !busy.exchange(true, ordering: .acquiring) else { return false }
    hire(helpers)
    withoutActuallyEscaping(body) { body in
      withUnsafePointer(to: body) { body in
        self.body = body
        self.count = count
        helpersAsked = helpers
        for i in 0...helpers { shares[i].next.store(firstTask(ofShare: i), ordering: .relaxed) }
        finished.store(0, ordering: .relaxed)
        let open = ((gate.load(ordering: .relaxed) >> Gate.wantedBits) &+ 1) << Gate.wantedBits | UInt64(helpers)
        gate.store(open, ordering: .sequentiallyConsistent)
        wake(wanted: helpers)
        takeTasks(0)
        let closed = gate.exchange(open & ~Gate.wantedMask, ordering: .acquiringAndReleasing)
        wait(forHelpers: helpers - Int(closed & Gate.wantedMask))
        self.body = nil
      }
    }
    busy.store(false, ordering: .releasing)
    return true
  }

  private enum Gate {
    static let wantedBits: UInt64 = 16
    static let wantedMask: UInt64 = (1 << wantedBits) - 1
  }

  private func firstTask(ofShare i: Int) -> Int { count * i / (helpersAsked + 1) }

  /// Runs the tasks of a thread's own share, then what is left of the others'. Neighbouring tasks mostly touch neighbouring
  /// memory, and in the next job the same share mostly meets the same thread, whose caches still hold some of it.
  private func takeTasks(_ thread: Int) {
    let (body, shareCount) = (body!, helpersAsked + 1)
    for i in thread..<thread + shareCount {
      let share = i % shareCount
      let end = firstTask(ofShare: share + 1)
      while true {
        let task = shares[share].next.wrappingAdd(1, ordering: .relaxed).oldValue
        if task >= end { break }
        body.pointee(task)
      }
    }
  }

  private func wait(forHelpers joined: Int) {
    if spin(until: { finished.load(ordering: .acquiring) == joined }) { return }
    pthread_mutex_lock(lock)
    awaited.store(joined, ordering: .sequentiallyConsistent)
    while finished.load(ordering: .sequentiallyConsistent) != joined { pthread_cond_wait(done, lock) }
    awaited.store(0, ordering: .sequentiallyConsistent)
    pthread_mutex_unlock(lock)
  }

  /// Wakes sleeping workers as far as those awake are too few for `wanted`.
  private func wake(wanted: Int) {
    let sleeping = asleep.load(ordering: .sequentiallyConsistent)
    if sleeping == 0 || wanted == 0 { return }
    let alreadyJoined = helpersAsked - wanted
    let idleAwake = created.load(ordering: .relaxed) - sleeping - alreadyJoined
    let missing = Swift.min(wanted - Swift.max(idleAwake, 0), Crew.wakeFanOut)
    if missing <= 0 { return }
    pthread_mutex_lock(lock)
    for _ in 0..<missing { pthread_cond_signal(work) }
    pthread_mutex_unlock(lock)
  }

  // MARK: Workers

  /// Brings the number of workers up to `wanted`. Where the system refuses a thread there are fewer.
  private func hire(_ wanted: Int) {
    while created.load(ordering: .relaxed) < wanted {
      #if canImport(Glibc)
        var thread = pthread_t()
      #else
        var thread: pthread_t?
      #endif
      let refused = pthread_create(
        &thread, nil,
        { crew in
          #if canImport(Glibc)
            let crew = crew!
          #endif
          Unmanaged<Crew>.fromOpaque(crew).takeUnretainedValue().serve()
        }, Unmanaged.passUnretained(self).toOpaque())
      if refused != 0 { return }
      #if canImport(Glibc)
        pthread_detach(thread)
      #else
        pthread_detach(thread!)
      #endif
      created.wrappingAdd(1, ordering: .relaxed)
    }
  }

  private func serve() -> Never {
    let thread = numbered.wrappingAdd(1, ordering: .relaxed).newValue
    // Signals are the program's business: they go to its own threads.
    var signals = sigset_t()
    sigfillset(&signals)
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    var last: UInt64 = 0
    while true {
      last = join(after: last)
      // Only the workers a wake-up brought find sleepers to wake in turn.
      wake(wanted: Int(gate.load(ordering: .relaxed) & Gate.wantedMask))
      takeTasks(thread)
      let place = finished.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue
      if place == awaited.load(ordering: .sequentiallyConsistent) {
        pthread_mutex_lock(lock)
        pthread_cond_signal(done)
        pthread_mutex_unlock(lock)
      }
    }
  }

  /// Waits for a job other than number `last` and joins it; returns its number.
  private func join(after last: UInt64) -> UInt64 {
    while true {
      var seen: UInt64 = 0
      let wants = {
        seen = self.gate.load(ordering: .sequentiallyConsistent)
        return seen & Gate.wantedMask != 0 && seen >> Gate.wantedBits != last
      }
      if !spin(until: wants) {
        pthread_mutex_lock(lock)
        asleep.wrappingAdd(1, ordering: .sequentiallyConsistent)
        if !wants() { pthread_cond_wait(work, lock) }
        asleep.wrappingSubtract(1, ordering: .sequentiallyConsistent)
        pthread_mutex_unlock(lock)
        continue  // spins again: the next job often follows the one that came too early
      }
      if gate.compareExchange(expected: seen, desired: seen - 1, ordering: .acquiringAndReleasing).exchanged {
        return seen >> Gate.wantedBits
      }
    }
  }

  /// False if `condition` did not come true within the time a thread spins.
  @inline(__always)
  private func spin(until condition: () -> Bool) -> Bool {
    var deadline: UInt64?
    while true {
      for _ in 0..<64 {
        if condition() { return true }
        fb_spin_hint()
      }
      let now = nanoseconds()
      if let deadline { if now > deadline { return false } } else { deadline = now &+ Crew.spinNanoseconds }
    }
  }

  private func nanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }
}
