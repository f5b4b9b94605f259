import Flambeau
import FlambeauData
import Testing

/// Numbers are those that torch 2.13 gives for the same seeds.
@Suite struct RandomSamplerTests {
  /// What `list(RandomSampler(range(1000), replacement=True, num_samples=40, generator=g))` gives with seed 5, and without a generator
  /// after `torch.manual_seed(5)`.
  @Test func drawsWithReplacementAreTorchs() {
    func sampler(_ generator: Generator?) -> RandomSampler {
      RandomSampler(count: 1000, replacement: true, numSamples: 40, generator: generator)
    }
    #expect(sampler(Generator(seed: 5)).indices() == Self.given)
    #expect(withGenerator(Generator(seed: 5)) { sampler(nil).indices() } == Self.seeded)
    #expect(RandomSampler(count: 0, replacement: true, numSamples: 3).indices().isEmpty)
  }

  private static let given = [
    411, 814, 767, 885, 6, 70, 792, 233, 88, 404, 879, 750, 211, 312, 318, 288, 423, 500, 527, 409, 109, 647,
    912, 859, 684, 117, 691, 329, 783, 166, 404, 974, 885, 674, 630, 985, 497, 234, 425, 9,
  ]
  private static let seeded = [
    557, 364, 179, 234, 276, 798, 22, 532, 321, 618, 812, 315, 343, 823, 672, 398, 661, 338, 821, 671, 588,
    306, 453, 976, 243, 584, 751, 829, 295, 0, 666, 339, 444, 505, 164, 55, 516, 109, 17, 500,
  ]

  /// `RandomSampler(range(5), num_samples=13, generator=g)` with seed 3, and with 10 samples after `torch.manual_seed(3)`.
  @Test func anEpochOfAnotherLengthIsTorchs() {
    let generator = Generator(seed: 3)
    let sampler = RandomSampler(count: 5, numSamples: 13, generator: generator)
    #expect(sampler.count == 13 && sampler.indices() == [1, 0, 3, 4, 2, 0, 1, 2, 4, 3, 1, 4, 3])
    #expect(generator.nextInt64() == 2_316_640_183_508_190_889)
    let current = Generator(seed: 3)
    let order = withGenerator(current) { RandomSampler(count: 5, numSamples: 10).indices() }
    #expect(order == [2, 1, 0, 4, 3, 3, 0, 1, 2, 4] && current.nextInt64() == 3_839_649_608_876_091_011)
  }

  /// `SubsetRandomSampler([3, 9, 4, 7, 1, 12])` with seed 4: its own generator or the current one.
  @Test func ordersOfSubsetsAreTorchs() {
    let generator = Generator(seed: 4)
    let sampler = SubsetRandomSampler([3, 9, 4, 7, 1, 12], generator: generator)
    #expect(sampler.count == 6 && sampler.indices() == [1, 12, 9, 4, 7, 3])
    #expect(generator.nextInt64() == 6_560_048_560_383_864_407)
    let current = withGenerator(Generator(seed: 4)) { SubsetRandomSampler([3, 9, 4, 7, 1, 12]).indices() }
    #expect(current == [1, 12, 9, 4, 7, 3])
    let loader = DataLoader(Numbers(count: 13), batchSize: 4, sampler: sampler)
    #expect(loader.count == 2 && loader.epoch().flatMap { $0 }.sorted() == [1, 3, 4, 7, 9, 12])
  }

  /// `WeightedRandomSampler([0.1, 0.9, 0.4, 0, 3], 12)`, and 4 without replacement, with seed 5.
  @Test func drawsByWeightAreTorchs() {
    let weights = [0.1, 0.9, 0.4, 0, 3]
    let sampler = WeightedRandomSampler(weights, numSamples: 12, generator: Generator(seed: 5))
    #expect(sampler.count == 12 && sampler.indices() == [4, 2, 4, 2, 2, 4, 4, 4, 4, 4, 4, 4])
    let current = withGenerator(Generator(seed: 5)) { WeightedRandomSampler(weights, numSamples: 12).indices() }
    #expect(current == [4, 2, 4, 2, 2, 4, 4, 4, 4, 4, 4, 4])
    let once = WeightedRandomSampler(weights, numSamples: 4, replacement: false, generator: Generator(seed: 5))
    #expect(once.indices() == [4, 1, 2, 0])
  }

  @Test func misuseIsRefused() {
    func problem(_ body: () -> Void) -> String? {
      let error = #expect(throws: TensorError.self) { try withTensorErrors(body) }
      return error?.message
    }
    let none = "num_samples should be a positive integer value, but got num_samples=0"
    #expect(problem { _ = RandomSampler(count: 3, numSamples: 0) } == none)
    #expect(problem { _ = WeightedRandomSampler([1], numSamples: 0) } == none)
    #expect(
      problem { _ = WeightedRandomSampler([1, 1], numSamples: 3, replacement: false).indices() }
        == "cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    #expect(problem { _ = WeightedRandomSampler([-1, 1], numSamples: 1).indices() } != nil)
  }
}
