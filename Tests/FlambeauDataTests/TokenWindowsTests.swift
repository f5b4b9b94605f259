import Flambeau
import FlambeauData
import Testing

@Suite struct TokenWindowsTests {
  @Test func targetsAreTheTokensThatFollow() throws {
    let windows = TokenWindows(.arange(11), length: 3, stride: 3)
    #expect(windows.count == 3)
    for i in 0..<3 {
      let sample = try windows.sample(at: i)
      #expect(sample.input.array(of: Int.self) == [3 * i, 3 * i + 1, 3 * i + 2])
      #expect(sample.target.array(of: Int.self) == [3 * i + 1, 3 * i + 2, 3 * i + 3])
    }
    let batch = try #require(try windows.batch(at: [2, 0]))
    #expect(batch.input.shape == [2, 3] && batch.input.array(of: Int.self) == [6, 7, 8, 0, 1, 2])
    #expect(batch.target.array(of: Int.self) == [7, 8, 9, 1, 2, 3])
    // The last window ends with the last token.
    #expect(
      TokenWindows(.arange(10), length: 3, stride: 3).count == 3 && TokenWindows(.arange(9), length: 3, stride: 3).count == 2)
    #expect(TokenWindows(.arange(11), length: 10).count == 1)
    #expect(throws: TensorError.self) { try windows.batch(at: [3]) }
  }

  @Test func textsThatAreTooShortAreRefused() {
    #expect(throws: TensorError.self) { try withTensorErrors { _ = TokenWindows(.arange(3), length: 3) } }
    #expect(throws: TensorError.self) { try withTensorErrors { _ = TokenWindows(.zeros([9]), length: 3) } }
  }

  /// What `list(RandomSampler(range(1000), replacement=True, num_samples=40, generator=g))` gives in torch 2.13 with seed 5, and
  /// without a generator after `torch.manual_seed(5)`.
  @Test func drawsWithReplacementAreTorchs() {
    let given = ReplacementSampler(population: 1000, count: 40, generator: Generator(seed: 5)).indices()
    #expect(given == Self.withGenerator)
    let seeded = Flambeau.withGenerator(Generator(seed: 5)) { ReplacementSampler(population: 1000, count: 40).indices() }
    #expect(seeded == Self.withoutGenerator)
    #expect(ReplacementSampler(population: 0, count: 3).indices().isEmpty)
  }

  private static let withGenerator = [
    411, 814, 767, 885, 6, 70, 792, 233, 88, 404, 879, 750, 211, 312, 318, 288, 423, 500, 527, 409, 109, 647,
    912, 859, 684, 117, 691, 329, 783, 166, 404, 974, 885, 674, 630, 985, 497, 234, 425, 9,
  ]
  private static let withoutGenerator = [
    557, 364, 179, 234, 276, 798, 22, 532, 321, 618, 812, 315, 343, 823, 672, 398, 661, 338, 821, 671, 588,
    306, 453, 976, 243, 584, 751, 829, 295, 0, 666, 339, 444, 505, 164, 55, 516, 109, 17, 500,
  ]
}
