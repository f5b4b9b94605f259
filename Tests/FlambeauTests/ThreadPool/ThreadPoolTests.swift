import Synchronization
import Testing

@testable import Flambeau

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// How often each task of a run was done.
private final class Tally: @unchecked Sendable {
  private let lock = Lock()
  private var counts: [Int]
  init(_ tasks: Int) { counts = Array(repeating: 0, count: tasks) }
  func mark(_ task: Int) { lock.withLock { counts[task] += 1 } }
  var everyTaskOnce: Bool { lock.withLock { counts.allSatisfy { $0 == 1 } } }
}

private func currentThread() -> UInt {
  #if canImport(Glibc)
    pthread_self()
  #else
    UInt(bitPattern: pthread_self())
  #endif
}

@Suite(.serialized) struct ThreadPoolTests {
  private func withThreads<R>(_ count: Int, _ body: () throws -> R) rethrows -> R {
    let before = Flambeau.threadCount
    Flambeau.threadCount = count
    defer { Flambeau.threadCount = before }
    return try body()
  }

  @Test(arguments: [1, 2, 3, 8, 64]) func everyTaskRunsOnce(threads: Int) {
    withThreads(threads) {
      for tasks in [0, 1, 2, 3, 7, 64, 1000] {
        let tally = Tally(tasks)
        ThreadPool.run(tasks) { tally.mark($0) }
        #expect(tally.everyTaskOnce, "\(tasks) tasks on \(threads) threads")
      }
    }
  }

  @Test func negativeCountsRunNothing() {
    ThreadPool.run(-1) { _ in Issue.record("a task ran") }
  }

  @Test func resultsAreVisibleToTheCaller() {
    withThreads(4) {
      var values = Array(repeating: 0, count: 10_000)
      for round in 1...50 {
        values.withUnsafeMutableBufferPointer { values in
          nonisolated(unsafe) let values = values
          ThreadPool.run(100) { chunk in
            for i in chunk * 100..<(chunk + 1) * 100 { values[i] += i * round }
          }
        }
      }
      #expect(values.indices.allSatisfy { values[$0] == $0 * 1275 })
    }
  }

  /// A crew nobody else keeps busy, so that its helpers do come.
  private static let crew = Crew()

  /// Tasks that wait for each other finish only if as many threads work on the run.
  private func meet(_ threads: Int) {
    let arrived = Atomic<Int>(0)
    let ran = Self.crew.run(threads, helpers: threads - 1) { _ in
      arrived.wrappingAdd(1, ordering: .acquiringAndReleasing)
      while arrived.load(ordering: .acquiring) < threads { sched_yield() }
    }
    #expect(ran)
  }

  @Test(arguments: [2, 3, 9]) func helpersCome(threads: Int) {
    for _ in 0..<20 { meet(threads) }
  }

  @Test func sleepingHelpersAreWoken() {
    for _ in 0..<20 {
      usleep(500)  // longer than workers spin
      meet(6)
    }
  }

  @Test func callerSleepsThroughALongLastTask() {
    let caller = currentThread()
    let longDone = Atomic<Bool>(false)
    let started = Atomic<Int>(0)
    let ran = Self.crew.run(2, helpers: 1) { _ in
      started.wrappingAdd(1, ordering: .acquiringAndReleasing)
      while started.load(ordering: .acquiring) < 2 { sched_yield() }
      if currentThread() != caller {
        usleep(20_000)
        longDone.store(true, ordering: .releasing)
      }
    }
    let seen = longDone.load(ordering: .acquiring)
    #expect(ran && seen)
  }

  @Test func aBusyCrewRefuses() {
    let refusals = Atomic<Int>(0)
    _ = Self.crew.run(4, helpers: 1) { _ in
      if !Self.crew.run(4, helpers: 1, { _ in }) { refusals.wrappingAdd(1, ordering: .relaxed) }
    }
    let count = refusals.load(ordering: .relaxed)
    #expect(count == 4)
  }

  @Test func fewTasksUseFewThreads() {
    meet(9)
    for _ in 0..<100 {
      let lock = Lock()
      nonisolated(unsafe) var threads: Set<UInt> = []
      _ = Self.crew.run(20, helpers: 1) { _ in lock.withLock { _ = threads.insert(currentThread()) } }
      #expect(threads.count <= 2)
    }
  }

  // Where they run depends on who else holds the pool meanwhile.
  @Test func nestedRunsDoEveryTaskOnce() {
    withThreads(4) {
      let tally = Tally(8 * 16)
      ThreadPool.run(8) { outer in
        ThreadPool.run(16) { inner in tally.mark(outer * 16 + inner) }
      }
      #expect(tally.everyTaskOnce)
    }
  }

  @Test func manySwiftTasksAtOnce() async {
    let before = Flambeau.threadCount
    Flambeau.threadCount = 4
    defer { Flambeau.threadCount = before }
    await withTaskGroup(of: Bool.self) { group in
      for tasks in 1...64 {
        group.addTask {
          for _ in 0..<50 {
            let tally = Tally(tasks)
            ThreadPool.run(tasks) { tally.mark($0) }
            if !tally.everyTaskOnce { return false }
          }
          return true
        }
      }
      for await fine in group { #expect(fine) }
    }
  }

  @Test func threadCountChangesBetweenAndDuringRuns() async {
    let before = Flambeau.threadCount
    defer { Flambeau.threadCount = before }
    await withTaskGroup(of: Bool.self) { group in
      group.addTask {
        for i in 0..<2000 { Flambeau.threadCount = 1 + i % 8 }
        return true
      }
      for _ in 0..<3 {
        group.addTask {
          for _ in 0..<500 {
            let tally = Tally(16)
            ThreadPool.run(16) { tally.mark($0) }
            if !tally.everyTaskOnce { return false }
          }
          return true
        }
      }
      for await fine in group { #expect(fine) }
    }
  }

  @Test(arguments: [0, -1, 257]) func refusesThreadCounts(_ count: Int) {
    let before = Flambeau.threadCount
    #expect(throws: TensorError.self) { try withTensorErrors { Flambeau.threadCount = count } }
    #expect(Flambeau.threadCount == before)
  }
}
