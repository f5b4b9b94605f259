import Testing

@testable import Flambeau

/// Random tensors and ranges beside torch, for the same seed the same bits.
@Suite struct RandomTensorTests {
  private static let calls: [(String, @Sendable (Tensor) -> Tensor)] = [
    ("torch.rand(3, 7)", { _ in .rand([3, 7]) }),
    ("torch.randn(3, 7)", { _ in .randn([3, 7]) }),
    ("torch.randn(5)", { _ in .randn([5]) }),
    ("torch.randn(4, 9, dtype=torch.float64)", { _ in .randn([4, 9], dtype: .float64) }),
    ("torch.randint(-3, 12, (20,))", { _ in .randint(-3, 12, [20]) }),
    ("torch.randint(12, (20,))", { _ in .randint(12, [20]) }),
    ("torch.randint_like(a, 12)", { $0.randintLike(12) }),
    ("torch.randperm(31)", { _ in .randperm(31) }),
    ("torch.bernoulli(a)", { $0.bernoulli() }),
    ("torch.multinomial(a, 3)", { $0.multinomial(3) }),
    ("torch.multinomial(a, 9, replacement=True)", { $0.multinomial(9, replacement: true) }),
    ("torch.empty(20).exponential_(2.0)", { _ in Tensor.zeros([20]).exponential_(2) }),
    ("torch.empty(20).uniform_(-1, 3)", { _ in Tensor.zeros([20]).uniform_(from: -1, to: 3) }),
    ("torch.empty(20).normal_(1, 3)", { _ in Tensor.zeros([20]).normal_(mean: 1, std: 3) }),
    ("torch.empty(20).geometric_(1e-20)", { _ in Tensor.zeros([20]).geometric_(1e-20) }),
    ("torch.empty(20, dtype=torch.int64).geometric_(1e-20)", { _ in Tensor.zeros([20], dtype: .int64).geometric_(1e-20) }),
    ("torch.empty(20, dtype=torch.int32).geometric_(5e-10)", { _ in Tensor.zeros([20], dtype: .int32).geometric_(5e-10) }),
    ("torch.empty(20, dtype=torch.int16).geometric_(1e-20)", { _ in Tensor.zeros([20], dtype: .int16).geometric_(1e-20) }),
    ("torch.poisson(torch.tensor([1e30, torch.inf]))", { _ in Tensor([1e30, .infinity] as [Float]).poisson() }),
    ("torch.arange(2, 17, 3)", { _ in .arange(2, 17, step: 3) }),
    ("torch.arange(0.5, 3.0, 0.25)", { _ in .arange(0.5, 3.0, step: 0.25) }),
    ("torch.linspace(-1, 3, 17)", { _ in .linspace(-1, 3, steps: 17) }),
    ("torch.eye(3, 4)", { _ in .eye(3, 4) }),
  ]

  @Test(.enabled(if: Torch.isThere, "no Python with torch"))
  func bitsAreTorchs() throws {
    let shares = Tensor([0.1, 0.5, 0.9, 0.25, 0.7, 0.05] as [Float], shape: [2, 3])
    let questions = Self.calls.map {
      Torch.Question(expression: $0.0, operands: [shares], requiresGrad: [false], second: false, seed: 7)
    }
    let answers = try Torch.ask(questions)
    for ((expression, call), answer) in zip(Self.calls, answers.answers) {
      let ours = withGenerator(Generator(seed: 7)) { call(shares) }
      let theirs = answers.tensor(try #require(answer.outputs?.first, "\(expression): \(answer.error?.message ?? "")"))
      #expect(ours.dtype == theirs.dtype && ours.shape == theirs.shape, "\(expression)")
      #expect(ours.array(of: Double.self) == theirs.array(of: Double.self), "\(expression)")
    }
  }

  @Test func aFailedScopeDrawsNothing() {
    let generator = Generator(seed: 1)
    let before = generator.state
    #expect(throws: TensorError.self) {
      try withTensorErrors {
        withGenerator(generator) {
          _ = Tensor.ones([2, 3]).mm(.ones([2, 3]))
          _ = Tensor.rand([4])
        }
      }
    }
    #expect(generator.state == before)
  }
}
