import Testing

@testable import Flambeau

/// Mistakes that stand in a GPU's memory, on a GPU of their own: nothing waits to look for them, and the next call that waits throws.
@Suite(.serialized, .enabled(if: EmulatedDevice.isThere, "no clang++")) struct DeviceFaultTests {
  private static let device = Device.cuda(3)

  /// The kernel that looks at what was found.
  static var sources: [KernelSource] {
    let condition = Tensor(true)
    let task = RequirementTask(condition.body.elements, or: .requirement(.argument, "none"))
    let work = KernelCall.task(task).work(on: DeviceShape(multiprocessorCount: 132, sharedByteCount: 48 << 10))
    return withExtendedLifetime(condition) { work.launches.map(\.source) }
  }

  /// An operation and operands that it has no meaning for, and such that it has.
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let sentence: String
    var kind = TensorError.Kind.argument
    let wrong: [Tensor]
    let right: Tensor
    let call: @Sendable (Tensor) -> Tensor
  }

  static let cases = [
    Case(
      testDescription: "bernoulli_", sentence: "expected every probability to be in [0, 1]",
      wrong: [1.5, -0.25, .nan].map { Tensor([0, $0, 1]) }, right: Tensor([0, 0.0, 1])
    ) { $0.bernoulli() },
    Case(
      testDescription: "multinomial", sentence: "probability tensor contains either `inf`, `nan` or element < 0",
      wrong: [[1, -1, 2], [1, .infinity, 0], [.nan, 1, 1]].map { Tensor([0, 1, 0] + $0, shape: [2, 3]) },
      right: Tensor([[0.0, 1, 0], [0, 0, 2]])
    ) { $0.multinomial(1) },
    Case(
      testDescription: "multinomial", sentence: "invalid multinomial distribution (sum of probabilities <= 0)",
      wrong: [Tensor([[1.0, 1], [0, 0]])], right: Tensor([[1.0, 0], [0, 2]])
    ) { $0.multinomial(4, replacement: true) },
    Case(
      testDescription: "poisson", sentence: "invalid Poisson rate, expected rate to be non-negative",
      wrong: [Tensor([1.0, -1]), Tensor([.nan, 2])], right: Tensor([0.0, 0])
    ) { $0.poisson() },
    Case(
      testDescription: "normal", sentence: "normal expects all elements of std >= 0.0", wrong: [Tensor([1.0, -1])],
      right: Tensor([0.0, 0])
    ) { .normal(mean: $0, std: $0) },
    Case(
      testDescription: "gaussian_nll_loss", sentence: "var has negative entry/entries", wrong: [Tensor([1.0, -1])],
      right: Tensor([0.5, 2])
    ) { $0.gaussianNllLoss($0 + 1, variance: $0) },
    Case(
      testDescription: "quantile", sentence: "quantile() q values must be in the range [0, 1]", wrong: [Tensor([0.5, 1.5])],
      right: Tensor([0.25, 1])
    ) { ($0 * 3).quantile($0) },
    Case(
      testDescription: "cov", sentence: "cov(): aweights cannot be negative", wrong: [Tensor([1.0, -1, 3])],
      right: Tensor([1.0, 2, 3])
    ) { ($0 * $0).cov(weights: $0) },
    Case(
      testDescription: "cov", sentence: "cov(): weights sum to zero, can't be normalized", wrong: [Tensor([0.0, 0])],
      right: Tensor([1.0, 2])
    ) { $0.cov(weights: $0) },
    Case(
      testDescription: "multi_margin_loss", sentence: "target out of range", kind: .index,
      wrong: [Tensor([0, 4]), Tensor([-1, 0])], right: Tensor([3, 0])
    ) { Tensor.linspace(-1, 2, steps: 8, device: $0.device).reshape([2, 4]).multiMarginLoss($0) },
    Case(
      testDescription: "multilabel_margin_loss", sentence: "argument #2 'target' is out of range", kind: .index,
      wrong: [Tensor([[0, 3, -1]]), Tensor([[0, -2, 1]])], right: Tensor([[2, -1, -7]])
    ) { Tensor.linspace(-1, 2, steps: 3, device: $0.device).reshape([1, 3]).multilabelMarginLoss($0) },
    Case(
      testDescription: "max_unpool1d", sentence: "Found an invalid max index", kind: .index,
      wrong: [Tensor([[0, 4]]), Tensor([[-1, 2]])], right: Tensor([[1, 2]])
    ) { Tensor.ones([1, 2], device: $0.device).maxUnpool1d($0, 2) },
    Case(
      testDescription: "one_hot", sentence: "Class values must be", wrong: [Tensor([0, 3]), Tensor([-1, 2])],
      right: Tensor([2, 0])
    ) { $0.oneHot(3) },
  ]

  @Test(arguments: cases) func mistakesAreReportedByTheNextCallThatWaits(case: Case) {
    let stream = CUDA.Stream.current(Self.device)
    for wrong in `case`.wrong {
      let here = #expect(throws: TensorError.self) { try withTensorErrors { _ = `case`.call(wrong) } }
      #expect(here?.kind == `case`.kind && here?.message.hasPrefix(`case`.sentence) == true)

      let there = wrong.to(Self.device)
      CUDA.synchronize(Self.device)
      let result = `case`.call(there)
      #expect(!stream.isIdle && result.device == Self.device)
      let error = #expect(throws: TensorError.self) { try withTensorErrors { CUDA.synchronize(Self.device) } }
      #expect(error?.kind == `case`.kind && error?.operation == `case`.testDescription, "\(error.map { "\($0)" } ?? "none")")
      #expect(error?.message.hasPrefix(`case`.sentence) == true && error?.message.contains("on cuda:3") == true)
    }
    // It is said once, and the GPU goes on.
    #expect(`case`.call(`case`.right.to(Self.device)).cpu().allClose(`case`.call(`case`.right), equalNan: true))
  }

  @Test func positionsOutsideAreReportedWhenWaitedFor() {
    let x = Tensor.arange(6.0, device: Self.device)
    let error = #expect(throws: TensorError.self) {
      try withTensorErrors { _ = x.gather(dim: 0, index: Tensor([1, 9], device: Self.device)).array(of: Double.self) }
    }
    #expect(error?.kind == .index && error?.message.contains("gather") == true, "\(error.map { "\($0)" } ?? "")")
    // The GPU goes on.
    #expect(x.gather(dim: 0, index: Tensor([5, 0], device: Self.device)).array(of: Double.self) == [5, 0])
  }

  /// Neither do bags: where they begin is looked at on the GPU. Rows that are equal, empty bags, padding and places behind the last bag.
  @Test(arguments: [EmbeddingBagMode.sum, .mean, .max]) func bagsWaitForNothing(mode: EmbeddingBagMode) throws {
    let indices = Tensor([3, 1, 0, 4, 4, 1, 2, 0, 3]), offsets = Tensor([0, 2, 2, 5, 6, 7])
    let table = (Tensor.randn([5, 3], generator: Generator(seed: 1)) * 2).round()
    func outcome(_ device: Device, offsets: Tensor, last: Bool) -> [Tensor] {
      let weight = table.clone().to(device).requiresGrad_()
      let (indices, offsets) = (indices.to(device), offsets.to(device))
      func step() -> [Tensor] {
        weight.grad = nil
        let y = Tensor.embeddingBag(
          indices, weight: weight, offsets: offsets, mode: mode, includeLastOffset: last, paddingIdx: 1)
        (y * (Tensor.arange(Double(y.count), device: device).reshape(y.shape) + 1)).sum().backward()
        return [y.detach(), weight.grad!]
      }
      return device.isCPU ? step() : CUDA.graph(device, step).replay().map { $0.cpu() }
    }
    for last in [false, true] {
      let (here, there) = (outcome(.cpu, offsets: offsets, last: last), outcome(Self.device, offsets: offsets, last: last))
      for (a, b) in zip(here, there) { #expect(a.allClose(b), "\(a), \(b)") }
      #expect(here[0].shape == [last ? 5 : 6, 3] && here[0][1].isEqual(to: .zeros([3])) && here[1][1].isEqual(to: .zeros([3])))
    }
    for wrong in [[1, 2], [0, 3, 2], [0, 10]] {
      let error = #expect(throws: TensorError.self) {
        try withTensorErrors {
          _ = Tensor.embeddingBag(indices.to(Self.device), weight: table.to(Self.device), offsets: Tensor(wrong).to(Self.device))
            .cpu()
        }
      }
      #expect(error?.operation == "embedding_bag" && error?.message.hasPrefix("offsets have to begin with 0") == true)
    }
  }

  /// Draws from tensors of probabilities wait for nothing, so that graphs repeat them.
  @Test func graphsDrawByTensors() {
    let p = Tensor.full([300], 0.5, device: Self.device)
    let graph = withGenerator(Generator(seed: 1)) {
      CUDA.graph(Self.device) {
        [p.bernoulli(), (p * 8).poisson(), p.multinomial(20), .randperm(300, dtype: .float32, device: Self.device)]
      }
    }
    let all = (0..<2).map { _ in graph.replay().map { $0.cpu().to(.float64).array(of: Double.self) } }
    for draw in all {
      #expect(Set(draw[0]) == [0, 1] && abs(draw[1].reduce(0, +) / 300 - 4) < 1)
      #expect(Set(draw[2]).count == 20 && draw[3].sorted() == (0..<300).map(Double.init))
    }
    for i in 0..<4 { #expect(all[0][i] != all[1][i]) }
    // A replay says what is wrong by then.
    p.fill_(-0.5)
    let error = #expect(throws: TensorError.self) {
      try withTensorErrors {
        _ = graph.replay()
        CUDA.synchronize(Self.device)
      }
    }
    #expect(error?.kind == .argument, "\(error.map { "\($0)" } ?? "none")")
  }
}
