/// Activations made of other rows; two of them draw from the current generator.
struct RandomActivations: Sendable {
  let composites: [Sample] = [
    .unary("F.rrelu(a)") { $0.rrelu() }, .unary("F.rrelu(a, 0.2, 0.6)") { $0.rrelu(lower: 0.2, upper: 0.6) },
    seeded("F.rrelu(a.contiguous(), 0.1, 0.4, training=True)") { $0.rrelu(lower: 0.1, upper: 0.4, training: true) },
    seeded("F.rrelu_(a.clone().contiguous(), 0.1, 0.4, training=True)") {
      $0.clone().contiguous().rrelu_(lower: 0.1, upper: 0.4, training: true)
    },
    Sample("F.softmin(a, 1)", [.real([3, 4])]) { $0[0].softmin(dim: 1) },
    seeded("F.gumbel_softmax(a, 0.7)") { $0.gumbelSoftmax(tau: 0.7) },
    // As a value alone: its gradient is that of the soft choice.
    seeded("F.gumbel_softmax(a.detach(), hard=True, dim=0)") { $0.detach().gumbelSoftmax(hard: true, dim: 0) },
    .unary("F.silu(a.clone(), inplace=True)") { $0.clone().silu_() },
    .unary("F.mish(a.clone(), inplace=True)") { $0.clone().mish_() },
    .unary("F.hardsigmoid(a.clone(), inplace=True)", -5...5) { $0.clone().hardsigmoid_() }.within(relative: 1e-7),
    .unary("F.hardswish(a.clone(), inplace=True)", -5...5) { $0.clone().hardswish_() },
    .unary("F.selu_(a.clone())") { $0.clone().selu_() }, .unary("F.celu_(a.clone(), 0.5)") { $0.clone().celu_(alpha: 0.5) },
    .unary("F.elu_(a.clone(), 0.7)") { $0.clone().elu_(alpha: 0.7) },
    .unary("F.leaky_relu_(a.clone(), 0.3)") { $0.clone().leakyReLU_(negativeSlope: 0.3) },
    .unary("F.relu6(a * 4, inplace=True)") { ($0 * 4).relu6_() },
    .unary("F.hardtanh_(a.clone(), 0, 1)") { $0.clone().hardtanh_(min: 0, max: 1) },
    .unary("F.threshold_(a.clone(), 0.1, 20)") { $0.clone().threshold_(0.1, value: 20) },
  ]

  private static func seeded(_ torch: String, _ call: @escaping @Sendable (Tensor) -> Tensor) -> Sample {
    Sample("(torch.manual_seed(7), \(torch))[1]", [.real([3, 7])]) { operands in
      withGenerator(Generator(seed: 7)) { call(operands[0]) }
    }
  }
}

extension Tensor {
  /// The first half of dimension `dim` times the sigmoid of the second (Dauphin et al., 2017). Torch's `glu`.
  public func glu(dim: Int = -1, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checked("glu", at: site) { layout throws(TensorError) in
      guard layout.rank > 0 else { throw .shape("glu does not support scalars because halving size must be even") }
      let dim = try layout.dimension(dim)
      let size = layout.shape.at(dim)
      guard size % 2 == 0 else {
        throw .shape("Halving dimension must be even, but dimension \(dim) is size \(size)")
      }
      let (first, second) = (narrow(dim, start: 0, length: size / 2), narrow(dim, start: size / 2, length: size / 2))
      return ops.activations.glu(first, second, PointwiseArguments(), at: site)
    }
  }

  /// x above 0; below, x times a slope that `training` draws from [lower, upper) for each element, and otherwise is their
  /// mean (Xu et al., 2015). Torch's `rrelu`.
  public func rrelu(
    lower: Double = 1 / 8, upper: Double = 1 / 3, training: Bool = false, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    if lower > upper {
      return Door.refuse(
        .argument("Lower bound should be less than or equal to the upper bound"), "rrelu", Few(self), at: CallSite(file, line))
    }
    if !training { return leakyReLU(negativeSlope: (lower + upper) / 2) }
    return ops.arithmetic.mul(self, leakage(lower, upper), at: CallSite(file, line))
  }

  /// 1 where this is above 0, else a number drawn from [lower, upper): as torch, one after the other on the processor, and one for each
  /// element on a GPU.
  func leakage(_ lower: Double, _ upper: Double) -> Tensor {
    noGrad {
      let leaks = detach().contiguous() .<= 0
      if !device.isCPU {
        let slopes = Tensor.empty(shape, dtype: .float64, device: device).uniform_(from: lower, to: upper)
        return Tensor.where(leaks, slopes.to(dtype), Tensor.ones([], dtype: dtype, device: device))
      }
      let count = leaks.countNonzero().item(as: Int.self)
      let slopes = Tensor.empty([count], dtype: .float64, device: device).uniform_(from: lower, to: upper)
      return Tensor.ones(shape, dtype: dtype, device: device).maskedScatter_(leaks, slopes.to(dtype))
    }
  }

  /// ``softmax(dim:dtype:file:line:)`` of −x. Torch's `softmin`.
  public func softmin(dim: Int, dtype: DType? = nil, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    (-self).softmax(dim: dim, dtype: dtype, file: file, line: line)
  }

  /// A category drawn by its unnormalised log-probability, as probabilities softened by the temperature `tau`, or with `hard`
  /// as one 1 among 0s that has their gradient (Jang et al., 2017). Torch's `gumbel_softmax`.
  public func gumbelSoftmax(
    tau: Double = 1, hard: Bool = false, dim: Int = -1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("gumbel_softmax", at: CallSite(file, line)) { layout throws(TensorError) in
      let dim = try layout.dimension(dim)
      let noise = -Tensor.empty(layout.shape, dtype: dtype, device: device).exponential_(file: file, line: line).log()
      let soft = ((self + noise) / tau).softmax(dim: dim, file: file, line: line)
      if !hard { return soft }
      let place = soft.detach().max(dim: dim, keepDim: true).indices
      let choice = soft.zerosLike().scatter(dim: dim, index: place, 1)
      return choice - soft.detach() + soft
    }
  }
}
