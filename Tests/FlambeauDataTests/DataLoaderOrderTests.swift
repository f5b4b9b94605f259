import Flambeau
import FlambeauData
import Testing

@Suite struct DataLoaderOrderTests {
  struct Case: Decodable, Sendable, CustomTestStringConvertible {
    let seed: UInt64
    let count, batchSize: Int
    let dropLast, shuffle, givenGenerator: Bool
    let epochs: [[[Int]]]
    let after: Int64
    var testDescription: String { "seed \(seed), \(count) by \(batchSize), shuffle \(shuffle), own \(givenGenerator)" }
  }

  @Test(arguments: try golden("loader.json", Case.self), [0, 3])
  func isTorchs(_ one: Case, workers: Int) {
    let generator = Generator(seed: one.seed)
    withGenerator(one.givenGenerator ? Generator(seed: 1) : generator) {
      let loader = DataLoader(
        Numbers(count: one.count), batchSize: one.batchSize, shuffle: one.shuffle, dropLast: one.dropLast,
        generator: one.givenGenerator ? generator : nil, workers: workers)
      #expect(loader.count == one.epochs[0].count)
      for epoch in one.epochs { #expect(loader.epoch() == epoch) }
      #expect(generator.nextInt64() == one.after)
    }
  }

  @Test func samplersCanBeGiven() {
    struct Backwards: Sampler {
      let count: Int
      func indices() -> [Int] { (0..<count).reversed() }
    }
    let loader = DataLoader(Numbers(count: 5), batchSize: 2, sampler: Backwards(count: 5))
    #expect(loader.epoch() == [[4, 3], [2, 1], [0]])
    #expect(BatchSampler(Backwards(count: 5), batchSize: 2, dropLast: true).batches() == [[4, 3], [2, 1]])
    #expect(SequentialSampler(count: 3).indices() == [0, 1, 2])
  }

  @Test func batchSizeIsOneByDefault() {
    #expect(DataLoader(Numbers(count: 3)).epoch() == [[0], [1], [2]])
  }

  @Test(arguments: [0, 2])
  func anEmptyDataSetHasNoBatches(workers: Int) {
    let loader = DataLoader(Numbers(count: 0), batchSize: 2, shuffle: true, workers: workers)
    #expect(loader.count == 0)
    #expect(loader.epoch() == [])
    #expect(DataLoader(Numbers(count: 3), batchSize: 4, dropLast: true, workers: workers).epoch() == [])
  }

  @Test func refusesArgumentsThatMakeNoSense() {
    func message(_ body: () -> Void) -> String {
      do {
        try withTensorErrors(body)
        return ""
      } catch {
        return "\(error)"
      }
    }
    let data = Numbers(count: 3)
    #expect(
      message { _ = DataLoader(data, batchSize: 0) }.contains(
        "batch_size should be a positive integer value, but got batch_size=0"))
    #expect(
      message { _ = DataLoader(data, workers: -1) }.contains("DataLoader: workers should be non-negative, but got workers=-1"))
    #expect(message { _ = DataLoader(data, prefetch: 0) }.contains("prefetch should be positive"))
    #expect(
      message { _ = DataLoader(data, shuffle: true, sampler: SequentialSampler(count: 3)) }
        .contains("sampler option is mutually exclusive with shuffle"))
    #expect(message { _ = DataLoader(data, batchSize: 0) }.contains("DataLoaderOrderTests.swift:"))
  }
}
