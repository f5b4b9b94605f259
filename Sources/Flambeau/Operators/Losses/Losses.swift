/// Losses element by element, with their sum or mean in one read.
struct Losses: Sendable {
  let mse: PointwiseTotal = PointwiseTotal(
    "mse_loss", Program { x, y in square(x - y) }, refusal: Losses.integers("mse_cpu"),
    each: .binary("F.mse_loss(a, b, reduction='none')") { $0.mseLoss($1, reduction: .none) },
    samples: [
      .binary("F.mse_loss(a, b)") { $0.mseLoss($1) },
      .binary("F.mse_loss(a, b, reduction='sum')") { $0.mseLoss($1, reduction: .sum) },
    ])

  let l1: PointwiseTotal = PointwiseTotal(
    "l1_loss", Program { x, y in abs(x - y) }, refusal: Losses.integers("l1_loss"),
    each: .binary("F.l1_loss(a, b, reduction='none')", 0...1, 1.5...2) { $0.l1Loss($1, reduction: .none) },
    samples: [
      .binary("F.l1_loss(a, b)", 0...1, -2 ... -0.5) { $0.l1Loss($1) },
      .binary("F.l1_loss(a, b, reduction='sum')", 0...1, 1.5...2) { $0.l1Loss($1, reduction: .sum) },
    ])

  let smoothL1: PointwiseTotal = PointwiseTotal(
    "smooth_l1_loss",
    Program(inputs: 2, scalars: 1) { x, s in
      let distance = abs(x[0] - x[1])
      return select(lt(distance, s[0]), 0.5 * square(distance) / s[0], distance - 0.5 * s[0])
    } derivatives: { x, s, _, g in
      let distance = x[0] - x[1]
      let slope = select(le(distance, -s[0]), -g, select(ge(distance, s[0]), g, g * distance / s[0]))
      return [slope, -slope]
    }, refusal: Losses.integers("smooth_l1_cpu"),
    each: .binary("F.smooth_l1_loss(a, b, reduction='none', beta=0.7)") {
      $0.smoothL1Loss($1, reduction: .none, beta: 0.7)
    },
    samples: [
      .binary("F.smooth_l1_loss(a, b)") { $0.smoothL1Loss($1) },
      .binary("F.smooth_l1_loss(a, b, reduction='sum', beta=0)", 0...1, 1.5...2) {
        $0.smoothL1Loss($1, reduction: .sum, beta: 0)
      },
    ])

  let huber: PointwiseTotal = PointwiseTotal(
    "huber_loss",
    Program(inputs: 2, scalars: 1) { x, s in
      let distance = abs(x[0] - x[1])
      return select(le(distance, s[0]), 0.5 * square(distance), s[0] * (distance - 0.5 * s[0]))
    } derivatives: { x, s, _, g in
      let distance = x[0] - x[1]
      let slope = select(le(distance, -s[0]), -g * s[0], select(gt(distance, s[0]), g * s[0], g * distance))
      return [slope, -slope]
    }, refusal: Losses.integers("huber_cpu"),
    each: Losses.pair("F.huber_loss(a, b, reduction='none', delta=0.7)", -2...2, -2...2) {
      $0.huberLoss($1, reduction: .none, delta: 0.7)
    },
    samples: [
      Losses.pair("F.huber_loss(a, b)", -2...2, -2...2) { $0.huberLoss($1) },
      Losses.pair("F.huber_loss(a, b, reduction='sum', delta=1.5)", -2...2, -2...2) {
        $0.huberLoss($1, reduction: .sum, delta: 1.5)
      },
    ])

  /// Logits and targets, then a weight, a weight of positives, or both.
  let bceWithLogits: [PointwiseTotal] = [
    Losses.bceWithLogits(
      weight: false, positive: false,
      each: Losses.pair("F.binary_cross_entropy_with_logits(a, b, reduction='none')", -2...2, 0...1) {
        $0.binaryCrossEntropyWithLogits($1, reduction: .none)
      },
      [
        Losses.pair("F.binary_cross_entropy_with_logits(a, b)", -2...2, 0...1) { $0.binaryCrossEntropyWithLogits($1) },
        Losses.pair("F.binary_cross_entropy_with_logits(a * 30, b, reduction='sum')", -2...2, 0...1) {
          ($0 * 30).binaryCrossEntropyWithLogits($1, reduction: .sum)
        },
      ]),
    Losses.bceWithLogits(
      weight: true, positive: false,
      each: Sample("F.binary_cross_entropy_with_logits(a, b, c, reduction='none')", Losses.rows([4])) {
        $0[0].binaryCrossEntropyWithLogits($0[1], weight: $0[2], reduction: .none)
      },
      [
        Sample("F.binary_cross_entropy_with_logits(a, b, c)", Losses.rows([3, 1])) {
          $0[0].binaryCrossEntropyWithLogits($0[1], weight: $0[2])
        }
      ]),
    Losses.bceWithLogits(
      weight: false, positive: true,
      each: Sample("F.binary_cross_entropy_with_logits(a, b, pos_weight=c, reduction='none')", Losses.rows([4])) {
        $0[0].binaryCrossEntropyWithLogits($0[1], reduction: .none, posWeight: $0[2])
      },
      [
        Sample("F.binary_cross_entropy_with_logits(a, b, pos_weight=c, reduction='sum')", Losses.rows([4])) {
          $0[0].binaryCrossEntropyWithLogits($0[1], reduction: .sum, posWeight: $0[2])
        }
      ]),
    Losses.bceWithLogits(
      weight: true, positive: true,
      each: Sample("F.binary_cross_entropy_with_logits(a, b, c, None, None, 'none', d)", Losses.rows([3, 4]) + Losses.last) {
        $0[0].binaryCrossEntropyWithLogits($0[1], weight: $0[2], reduction: .none, posWeight: $0[3])
      },
      [
        Sample("F.binary_cross_entropy_with_logits(a, b, c, pos_weight=d)", Losses.rows([3, 4]) + Losses.last) {
          $0[0].binaryCrossEntropyWithLogits($0[1], weight: $0[2], posWeight: $0[3])
        }
      ]),
  ]

  /// Probabilities and targets, then a weight.
  let bce: [PointwiseTotal] = [
    Losses.bce(
      weight: false,
      each: Losses.pair("F.binary_cross_entropy(a, b, reduction='none')", 0.1...0.9, 0...1) {
        $0.binaryCrossEntropy($1, reduction: .none)
      },
      [
        Losses.pair("F.binary_cross_entropy(a, b)", 0.1...0.9, 0...1) { $0.binaryCrossEntropy($1) },
        Losses.pair("F.binary_cross_entropy(a, b, reduction='sum')", 0.1...0.9, 0...1) {
          $0.binaryCrossEntropy($1, reduction: .sum)
        },
      ]
    ),
    Losses.bce(
      weight: true,
      each: Sample("F.binary_cross_entropy(a, b, c, reduction='none')", Losses.probabilities) {
        $0[0].binaryCrossEntropy($0[1], weight: $0[2], reduction: .none)
        // Torch adds 1e-12 to a denominator of the second derivative.
      }.within(relative: 1e-8),
      [
        Sample("F.binary_cross_entropy(a, b, c)", Losses.probabilities) {
          $0[0].binaryCrossEntropy($0[1], weight: $0[2])
        }
      ]),
  ]

  let klDiv: PointwiseTotal = PointwiseTotal(
    "kl_div", Program { x, t in select(eq(t, 0), 0, t * log(t)) - t * x }, refusal: Losses.klRefusal,
    each: .binary("F.kl_div(a, b, reduction='none')", -2...0, 0.2...1) { $0.klDiv($1, reduction: .none) },
    samples: [
      .binary("F.kl_div(a, b)", -2...0, 0.2...1) { $0.klDiv($1) },
      .binary("F.kl_div(a, b, reduction='sum')", -2...0, 0.2...1) { $0.klDiv($1, reduction: .sum) },
      .binary("F.kl_div(a, b, reduction='batchmean')", -2...0, 0.2...1) { $0.klDiv($1, reduction: .batchMean) },
    ])
  let klDivLog: PointwiseTotal = PointwiseTotal(
    "kl_div", Program { x, t in exp(t) * (t - x) }, refusal: Losses.klRefusal,
    each: .binary("F.kl_div(a, b, reduction='none', log_target=True)", -2...0, -2...0) {
      $0.klDiv($1, reduction: .none, logTarget: true)
    }, samples: [.binary("F.kl_div(a, b, log_target=True)", -2...0, -2...0) { $0.klDiv($1, logTarget: true) }])
}

extension Losses {
  private static func integers(_ kernel: String) -> @Sendable (DType) -> String? {
    { $0.isFloatingPoint ? nil : "\"\(kernel)\" not implemented for '\($0.torchScalarName)'" }
  }

  private static func klRefusal(_ dtype: DType) -> String? {
    dtype.isFloatingPoint ? nil : "kl_div: Integral inputs not supported."
  }

  private static func bceWithLogits(
    weight: Bool, positive: Bool, each: Sample, _ samples: [Sample]
  ) -> PointwiseTotal {
    let program = Program(inputs: 2 + (weight ? 1 : 0) + (positive ? 1 : 0)) { x, _ in
      let miss = positive ? ((x[x.count - 1] - 1) * x[1] + 1) * softplus(-x[0]) : softplus(-x[0])
      let loss = (1 - x[1]) * x[0] + miss
      return weight ? loss * x[2] : loss
    }
    return PointwiseTotal(
      "binary_cross_entropy_with_logits", program, refusal: integers("log_sigmoid_cpu"), each: each, samples: samples)
  }

  /// Logarithms are held above −100, and the gradient's denominator above 1e-12, as torch does.
  private static func bce(weight: Bool, each: Sample, _ samples: [Sample]) -> PointwiseTotal {
    let program = Program(inputs: weight ? 3 : 2) { x, _ in
      let loss = (x[1] - 1) * max(log1p(-x[0]), -100) - x[1] * max(log(x[0]), -100)
      return weight ? loss * x[2] : loss
    } derivatives: { x, _, _, g in
      let share = weight ? g * x[2] : g
      let slope = share * (x[0] - x[1]) / max((1 - x[0]) * x[0], 1e-12)
      return [slope, share * (log1p(-x[0]) - log(x[0]))] + (weight ? [0] : [])
    }
    return PointwiseTotal(
      "binary_cross_entropy", program, refusal: integers("binary_cross_entropy"), each: each, samples: samples)
  }

  private static func pair(
    _ torch: String, _ a: ClosedRange<Double>, _ b: ClosedRange<Double>,
    call: @escaping @Sendable (Tensor, Tensor) -> Tensor
  ) -> Sample { Sample(torch, [.real([3, 4], a), .real([3, 4], b)]) { call($0[0], $0[1]) } }

  private static func rows(_ weight: Shape) -> [SampleOperand] {
    [.real([3, 4]), .real([3, 4], 0...1), .real(weight, 0.5...2).withoutGradient]
  }
  private static let last: [SampleOperand] = [.real([4], 0.5...2).withoutGradient]
  private static let probabilities: [SampleOperand] = [
    .real([3, 4], 0.1...0.9), .real([3, 4], 0...1), .real([4], 0.5...2).withoutGradient,
  ]

  /// Throws unless all elements are between 0 and 1.
  fileprivate static func checkProbabilities(_ x: Tensor, _ what: String) throws(TensorError) {
    let x = x.body
    if x.layout.elementCount == 0 { return }
    let found = try ReductionArguments(dims: Array(0..<x.layout.rank), keepDim: false).reduce(
      .all, in: x.dtype.computeClass, [x.elements], map: isProbability, as: .bool)
    guard try found.elements.only() as Bool else {
      throw .argument("all elements of \(what) should be between 0 and 1")
    }
  }

  private static let isProbability = Program { x in and(ge(x, 0), le(x, 1)) }
}

extension Tensor {
  /// The squared differences from `target`. Torch's `mse_loss`.
  public func mseLoss(
    _ target: Tensor, reduction: LossReduction = .mean, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { ops.losses.mse(promoted(with: target), reduction, at: CallSite(file, line)) }

  /// The absolute differences from `target`. Torch's `l1_loss`.
  public func l1Loss(
    _ target: Tensor, reduction: LossReduction = .mean, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    if dtype.promoted(with: target.dtype).isFloatingPoint && dtype != .bool && target.dtype != .bool {
      return ops.losses.l1(promoted(with: target), reduction, at: CallSite(file, line))
    }
    // Integers wrap before their absolute value is taken.
    return reduction((self - target).abs(), file: file, line: line)
  }

  /// d²/2β of differences d below `beta`, d − β/2 above. Torch's `smooth_l1_loss`.
  public func smoothL1Loss(
    _ target: Tensor, reduction: LossReduction = .mean, beta: Double = 1, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    return checked("smooth_l1_loss", at: site) { _ throws(TensorError) in
      guard beta >= 0 else { throw .argument("smooth_l1_loss does not support negative values for beta.") }
      if beta == 0 { return l1Loss(target, reduction: reduction, file: file, line: line) }
      return ops.losses.smoothL1(promoted(with: target), reduction, Scalars(Number(beta)), at: site)
    }
  }

  /// d²/2 of differences d up to `delta`, δ(d − δ/2) above. Torch's `huber_loss`.
  public func huberLoss(
    _ target: Tensor, reduction: LossReduction = .mean, delta: Double = 1, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    return checked("huber_loss", at: site) { _ throws(TensorError) in
      guard delta > 0 else { throw .argument("huber_loss does not support non-positive values for delta.") }
      return ops.losses.huber(promoted(with: target), reduction, Scalars(Number(delta)), at: site)
    }
  }

  /// The cross entropy of the probability of `target` that sigmoids of this tensor give. Torch's
  /// `binary_cross_entropy_with_logits`.
  ///
  /// - Parameters:
  ///   - target: Numbers from 0 to 1, of this shape.
  ///   - weight: What each loss is multiplied by; broadcast.
  ///   - posWeight: What counts the loss of positive targets more; broadcast.
  public func binaryCrossEntropyWithLogits(
    _ target: Tensor, weight: Tensor? = nil, reduction: LossReduction = .mean, posWeight: Tensor? = nil,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    return checked("binary_cross_entropy_with_logits", at: site) { layout throws(TensorError) in
      guard target.body.poison != nil || target.shape == layout.shape else {
        throw .shape("Target size (\(target.shape)) must be the same as input size (\(layout.shape))")
      }
      var operands = Few(self, target)
      if let weight { operands.append(weight) }
      if let posWeight { operands.append(posWeight) }
      let row = (weight == nil ? 0 : 1) + (posWeight == nil ? 0 : 2)
      return ops.losses.bceWithLogits[row](operands, reduction, at: site)
    }
  }

  /// The cross entropy of `target` under these probabilities. Torch's `binary_cross_entropy`.
  ///
  /// - Parameters:
  ///   - target: Numbers from 0 to 1, of this shape and dtype.
  ///   - weight: What each loss is multiplied by; broadcast to this shape.
  public func binaryCrossEntropy(
    _ target: Tensor, weight: Tensor? = nil, reduction: LossReduction = .mean, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    return checked("binary_cross_entropy", at: site) { layout throws(TensorError) in
      if let autocast = AutocastMethod("binary_cross_entropy", on: self) {
        return try autocast(self, target, weight) {
          $0[0]!.binaryCrossEntropy($0[1]!, weight: $0[2], reduction: reduction, file: file, line: line)
        }
      }
      for case let operand? in [target, weight] {
        if let poison = operand.body.poison { return Door.poisoned(by: poison, .current) }
      }
      guard target.shape == layout.shape else {
        throw .shape(
          "Using a target size (\(target.shape)) that is different to the input size (\(layout.shape)) is deprecated. "
            + "Please ensure they have the same size.")
      }
      for operand in [target, weight ?? target] where operand.dtype != dtype {
        throw .dtype("Found dtype \(operand.dtype.torchScalarName) but expected \(dtype.torchScalarName)")
      }
      if let weight {
        let shape = try Shape.broadcast(layout.shape, weight.shape)
        guard shape == layout.shape else {
          throw .shape("output with shape \(layout.shape) doesn't match the broadcast shape \(shape)")
        }
        try Losses.checkNoGradient(weight, "binary_cross_entropy")
      }
      if dtype.isFloatingPoint {
        try Losses.checkProbabilities(self, "input")
        try Losses.checkProbabilities(target, "target")
      }
      let row = ops.losses.bce[weight == nil ? 0 : 1]
      return row(weight.map { Few(self, target, $0) } ?? Few(self, target), reduction, at: site)
    }
  }

  /// How far logarithms of probabilities are from the distribution `target`: target (log target − self). Torch's `kl_div`.
  ///
  /// - Parameters:
  ///   - reduction: The Kullback–Leibler divergence is ``DivergenceReduction/batchMean``.
  ///   - logTarget: The target is given by its logarithm, too.
  public func klDiv(
    _ target: Tensor, reduction: DivergenceReduction = .mean, logTarget: Bool = false, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    let row = logTarget ? ops.losses.klDivLog : ops.losses.klDiv
    let site = CallSite(file, line)
    switch reduction {
    case .none: return row(Few(self, target), .none, at: site)
    case .mean: return row(Few(self, target), .mean, at: site)
    case .sum: return row(Few(self, target), .sum, at: site)
    case .batchMean:
      let sum = row(Few(self, target), .sum, at: site)
      return ndim == 0 ? sum : sum / Double(shape[0])
    }
  }
}

extension Tensor {
  /// Both in the dtype that holds both; scalars count as much as others.
  fileprivate func promoted(with other: Tensor) -> Few<Tensor> {
    let common = dtype.promoted(with: other.dtype)
    return Few(to(common), other.to(common))
  }
}

extension Losses {
  /// Torch has no gradient of a weight; one that asks for it would wait in vain.
  static func checkNoGradient(_ weight: Tensor?, _ name: String) throws(TensorError) {
    guard let weight, weight.requiresGrad, Context.current.records else { return }
    throw .autograd(
      "The function '\(name)' is not differentiable with respect to argument 'weight'. This input cannot have "
        + "requires_grad True.")
  }
}
