import Flambeau
import FlambeauData
import Foundation
import Synchronization
import Testing

@Suite struct DataLoaderWorkerTests {
  /// Epochs of randomly cropped and mirrored digits, the time of a sample uneven.
  static func augmented(workers: Int, batchSize: Int = 32) -> [[[UInt8]]] {
    let data = Digits.train.subset(0..<300).map { (example: Example) in
      dawdle(Int(example.target.item()))
      return Example(
        Images.randomHorizontalFlip(Images.randomCrop(example.input, height: 8, width: 8, padding: 2)), example.target)
    }
    let loader = DataLoader(
      data, batchSize: batchSize, shuffle: true, generator: Generator(seed: 5), workers: workers, prefetch: 3)
    return (0..<2).map { _ in
      loader.map { $0.input.array(of: UInt8.self) + $0.target.array(of: UInt8.self) }
    }
  }

  @Test func anyNumberOfWorkersGivesEqualBatches() {
    let alone = Self.augmented(workers: 0)
    #expect(alone[0].count == 10 && alone[0] != alone[1])
    for workers in [1, 4, 17] { #expect(Self.augmented(workers: workers) == alone) }
  }

  @Test func aSamplesDrawsDependOnItsIndexAlone() {
    let data = Made(count: 12) { _ in Int(Flambeau.Generator.current.nextInt64()) }
    func values(batchSize: Int) -> [Int] {
      DataLoader(data, batchSize: batchSize, generator: Generator(seed: 5)).epoch().flatMap { $0 }
    }
    #expect(values(batchSize: 1) == values(batchSize: 5))
    #expect(Set(values(batchSize: 1)).count == 12)
  }

  @Test func eachEpochIsAnotherAndFollowsTheSeed() {
    func epochs() -> [[[Int]]] {
      let data = Made(count: 6) { _ in Int(Flambeau.Generator.current.nextInt64()) }
      let loader = DataLoader(data, batchSize: 6, generator: Generator(seed: 9), workers: 2)
      return (0..<3).map { _ in loader.epoch() }
    }
    let first = epochs()
    #expect(first == epochs())
    #expect(Set(first.flatMap { $0[0] }).count == 18)
  }

  @Test func samplesLeaveTheCallersGeneratorAlone() {
    let mine = Generator(seed: 3)
    withGenerator(mine) {
      let loader = DataLoader(Made(count: 4) { _ in Int(Flambeau.Generator.current.nextInt64()) })
      var iterator = loader.makeIterator()
      let state = mine.state
      while iterator.next() != nil {}
      #expect(mine.state == state)
    }
  }

  @Test(arguments: [0, 2])
  func workersInstallTheCallersContext(workers: Int) {
    let weight = Tensor.ones([1]).requiresGrad_()
    let data = Made(count: 6) { _ in (weight * 2.0).requiresGrad ? 1 : 0 }
    #expect(DataLoader(data, batchSize: 3, workers: workers).epoch() == [[1, 1, 1], [1, 1, 1]])
    let quiet = noGrad { DataLoader(data, batchSize: 3, workers: workers).epoch() }
    #expect(quiet == [[0, 0, 0], [0, 0, 0]])
  }

  @Test func slowSamplesKeepTheirOrder() {
    let data = Made(count: 60) { index in
      dawdle(index)
      return index
    }
    let expected = stride(from: 0, to: 60, by: 4).map { Array($0..<$0 + 4) }
    #expect(DataLoader(data, batchSize: 4, workers: 5, prefetch: 1).epoch() == expected)
  }

  @Test func workersMakeNoMoreThanTheyMayAhead() {
    final class Count: Sendable { let value = Atomic<Int>(0) }
    let made = Count()
    let data = Made(count: 1000) { index in
      made.value.wrappingAdd(1, ordering: .relaxed)
      return index
    }
    var iterator = DataLoader(data, batchSize: 2, workers: 3, prefetch: 2).makeIterator()
    for taken in 1...20 {
      _ = iterator.next()
      usleep(200)
      #expect(made.value.load(ordering: .relaxed) <= (taken + 6) * 2)
    }
  }

  @Test func epochsCanBeNestedAndShared() async {
    let loader = DataLoader(Numbers(count: 40), batchSize: 3, workers: 2)
    let expected = DataLoader(Numbers(count: 40), batchSize: 3).epoch()
    for (i, _) in loader.enumerated() where i < 3 { #expect(loader.epoch() == expected) }
    await withTaskGroup(of: [[Int]].self) { group in
      for _ in 0..<16 { group.addTask { loader.epoch() } }
      for await epoch in group { #expect(epoch == expected) }
    }
  }

  @Test(.timeLimit(.minutes(1)))
  func aLoopCanBeLeftAtAnyTime() {
    let data = Made(count: 200) { (index: Int) -> Tensor in
      if index % 3 == 0 { dawdle(index) }
      return Tensor.ones([index % 2 * 50 + 100])
    }.map { $0.sum().reshape([1]) }
    for round in 0..<60 {
      var left = round % 13
      for _ in DataLoader(data, batchSize: 2, workers: round % 5, prefetch: 1 + round % 3) {
        if left == 0 { break }
        left -= 1
      }
    }
  }

  #if os(Linux)
    /// In a process of its own, where nobody else starts threads or allocates.
    @Test func leavingALoopEndsItsThreadsAndFreesItsMemory() async {
      await #expect(processExitsWith: .success) {
        func threads() -> Int { (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count) ?? 0 }
        let data = Made(count: 300) { index in Tensor([Int64](repeating: Int64(index), count: 2000)) }
        func leaveEarly(after batches: Int) -> Int {
          var left = batches
          var most = 0
          for _ in DataLoader(data, batchSize: 4, workers: 4) {
            most = Swift.max(most, threads())
            if left == 0 { break }
            left -= 1
          }
          return most
        }
        _ = leaveEarly(after: 3)
        let (before, bytes) = (threads(), Memory.allocated)
        for round in 0..<50 {
          guard leaveEarly(after: round) > before else { exit(1) }
          // A joined thread may be listed a moment longer.
          for _ in 0..<1000 where threads() != before { usleep(1000) }
          guard threads() == before else { exit(2) }
          guard Memory.allocated == bytes else { exit(3) }
        }
        exit(0)
      }
    }
  #endif
}
