import Flambeau
import FlambeauData
import Testing

@Suite struct BatchOrderTests {
  struct Case: Decodable, Sendable {
    let count, replicas, rank: Int
    let shuffle, dropLast: Bool
    let seed: UInt64
    let epochs: [[Int]]
  }

  @Test(arguments: try golden("distributed.json", Case.self))
  func sharesAreTorchs(_ one: Case) {
    let sampler = DistributedSampler(
      count: one.count, replicas: one.replicas, rank: one.rank, shuffle: one.shuffle, seed: one.seed, dropLast: one.dropLast)
    for (epoch, indices) in one.epochs.enumerated() {
      sampler.setEpoch(epoch)
      #expect(sampler.indices() == indices && sampler.count == indices.count)
    }
  }

  @Test func aRankIsOneOfThem() {
    let error = #expect(throws: TensorError.self) {
      try withTensorErrors { _ = DistributedSampler(count: 4, replicas: 2, rank: 2) }
    }
    #expect(error?.message == "Invalid rank 2, rank should be in the interval [0, 1]")
  }

  static let lengths = (0..<103).map { $0 * 37 % 61 }

  @Test func batchesOfOneLengthHaveLittlePadding() {
    func padding(_ batches: [[Int]]) -> Int {
      batches.reduce(0) { sum, batch in
        let longest = batch.map { Self.lengths[$0] }.max()!
        return sum + batch.reduce(0) { $0 + longest - Self.lengths[$1] }
      }
    }
    withGenerator(Generator(seed: 4)) {
      let sampler = LengthBatchSampler(lengths: Self.lengths, batchSize: 8, pool: 4)
      let (first, second) = (sampler.batches(), sampler.batches())
      #expect(first != second && first.count == sampler.count)
      for batches in [first, second] {
        #expect(batches.flatMap { $0 }.sorted() == Array(0..<103))
        let plain = BatchSampler(RandomSampler(count: 103), batchSize: 8).batches()
        #expect(padding(batches) * 3 < padding(plain))
      }
      let dropping = LengthBatchSampler(lengths: Self.lengths, batchSize: 8, pool: 4, dropLast: true)
      #expect(dropping.batches().count == dropping.count && dropping.batches().allSatisfy { $0.count == 8 })
    }
  }

  @Test func withoutShufflingTheLongestComeFirst() {
    let sampler = LengthBatchSampler(lengths: [3, 9, 9, 1, 4], batchSize: 2, shuffle: false)
    #expect(sampler.batches() == [[1, 2], [4, 0], [3]])
    #expect(LengthBatchSampler(lengths: [], batchSize: 2).batches() == [])
  }

  @Test(arguments: [0, 2])
  func ownCollationOfDifferentLengths(workers: Int) {
    let data = Made(count: 7) { index in Tensor((0...index).map { Int64($0) }) }
    let longest = data.collated { samples in
      (lengths: samples.map { $0.count }, all: Tensor.cat(samples))
    }
    let loader = DataLoader(
      longest, batches: LengthBatchSampler(lengths: Array(1...7), batchSize: 3, shuffle: false), workers: workers)
    let batches = Array(loader)
    #expect(batches.map(\.lengths) == [[7, 6, 5], [4, 3, 2], [1]])
    #expect(batches[1].all.array(of: Int.self) == [0, 1, 2, 3, 0, 1, 2, 0, 1])
    let subset = longest.subset([6, 0])
    #expect(DataLoader(subset, batchSize: 2).map { $0.lengths } == [[7, 1]])
  }
}
