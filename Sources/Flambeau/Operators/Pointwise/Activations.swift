import CKernels

/// Which formula ``Tensor/gelu(approximate:)`` uses.
public enum GELUApproximation: Sendable {
  /// x · Φ(x).
  case none
  /// 0.5 · x · (1 + tanh(√(2/π) · (x + 0.044715 · x³))).
  case tanh
}

private let seluScale: Scalar = 1.0507009873554804934193349852946
private let seluSlope: Scalar = 1.6732632423543772848170429916717

// What neural networks put between their layers. Those with parameters take them as scalars.
struct Activations: Sendable {
  let relu: Operator<PointwiseArguments> = .map(
    "relu", .promoted, Program(fb_relu),
    refusal: { $0 == .bool ? "Boolean inputs not supported for relu" : nil },
    samples: [.unary("torch.relu(a)") { $0.relu() }, .unary("a.clone().relu_()") { $0.clone().relu_() }])
  /// A sum and its rectifier in one pass: the end of residual blocks.
  let addRelu: Operator<PointwiseArguments> = .map(
    "add_relu", .promoted, Program { a, b in Flambeau.relu(a + b) },
    refusal: { $0 == .bool ? "Boolean inputs not supported for relu" : nil },
    samples: [
      Sample("torch.relu(a + b)", [.real([2, 3, 4]), .real([2, 3, 4])]) { $0[0].addRelu($0[1]) },
      Sample("torch.relu(a + b)", [.real([2, 1, 4]), .real([3, 1])]) { $0[0].addRelu($0[1]) },
    ])
  let silu: Operator<PointwiseArguments> = real(
    "silu", Program(fb_silu), [.unary("F.silu(a)") { $0.silu() }]
  ).cheap()
  let gelu: Operator<PointwiseArguments> = real(
    "gelu", Program(fb_gelu), [.unary("F.gelu(a)") { $0.gelu() }]
  ).cheap()
  let geluTanh: Operator<PointwiseArguments> = real(
    "gelu", Program(fb_gelu_tanh), [.unary("F.gelu(a, approximate='tanh')") { $0.gelu(approximate: .tanh) }]
  ).cheap()
  let mish: Operator<PointwiseArguments> = real(
    "mish", Program { x in x * tanh(Flambeau.softplus(x)) }, [.unary("F.mish(a)") { $0.mish() }])
  let softplus: Operator<PointwiseArguments> = real(
    "softplus",
    Program(inputs: 1, scalars: 2) { x, s in
      select(gt(x[0] * s[0], s[1]), x[0], Flambeau.softplus(x[0] * s[0]) / s[0])
    },
    [
      .unary("F.softplus(a)") { $0.softplus() },
      .unary("F.softplus(a, beta=1.5, threshold=2)") { $0.softplus(beta: 1.5, threshold: 2) },
    ])
  let hardtanh: Operator<PointwiseArguments> = .map(
    "hardtanh", .promoted,
    Program(inputs: 1, scalars: 2) { x, s in
      clamp(x[0], s[0], s[1])
    } derivatives: { x, s, _, g in
      [select(and(gt(x[0], s[0]), lt(x[0], s[1])), g, 0)]
    }, numbers: .checked,
    refusal: { $0 == .bool ? "Bool inputs not supported for hardtanh" : nil },
    samples: [
      .unary("F.hardtanh(a)") { $0.hardtanh() }, .unary("F.hardtanh(a, 0, 1)") { $0.hardtanh(min: 0, max: 1) },
      .unary("F.relu6(a * 4)") { ($0 * 4).relu6() },
    ])
  let hardsigmoid: Operator<PointwiseArguments> = real(
    "hardsigmoid",
    Program(inputs: 1) { x, _ in
      clamp(x[0] / 6 + 0.5, 0, 1)
    } derivatives: { x, _, _, g in
      [select(and(gt(x[0], -3), lt(x[0], 3)), g / 6, 0)]
    }, [.unary("F.hardsigmoid(a)", -5...5) { $0.hardsigmoid() }.within(relative: 1e-7)])
  let hardswish: Operator<PointwiseArguments> = real(
    "hardswish",
    Program(inputs: 1) { x, _ in
      x[0] * clamp(x[0] + 3, 0, 6) / 6
    } derivatives: { x, _, _, g in
      [select(le(x[0], -3), 0, select(ge(x[0], 3), g, g * (x[0] / 3 + 0.5)))]
    }, [.unary("F.hardswish(a)", -5...5) { $0.hardswish() }])
  let leakyReLU: Operator<PointwiseArguments> = real(
    "leaky_relu", Program(inputs: 1, scalars: 1) { x, s in select(gt(x[0], 0), x[0], x[0] * s[0]) },
    [
      .unary("F.leaky_relu(a)") { $0.leakyReLU() }, .unary("F.leaky_relu(a, 0.3)") { $0.leakyReLU(negativeSlope: 0.3) },
    ])
  // elu's slope is e^x itself: the value plus α, which expm1's rule gives, loses it where it is small.
  let elu: Operator<PointwiseArguments> = real(
    "elu",
    Program(inputs: 1, scalars: 1) { x, s in
      select(gt(x[0], 0), x[0], s[0] * expm1(min(0, x[0])))
    } derivatives: { x, s, _, g in
      [select(gt(x[0], 0), g, g * s[0] * exp(min(0, x[0])))]
    },
    [.unary("F.elu(a)") { $0.elu() }, .unary("F.elu(a, 0.7)") { $0.elu(alpha: 0.7) }])
  let selu: Operator<PointwiseArguments> = real(
    "selu",
    Program(inputs: 1) { x, _ in
      seluScale * select(gt(x[0], 0), x[0], seluSlope * expm1(min(0, x[0])))
    } derivatives: { x, _, _, g in
      [seluScale * select(gt(x[0], 0), g, g * seluSlope * exp(min(0, x[0])))]
    }, [.unary("F.selu(a)") { $0.selu() }])
  let celu: Operator<PointwiseArguments> = real(
    "celu",
    Program(inputs: 1, scalars: 1) { x, s in
      select(gt(x[0], 0), x[0], s[0] * expm1(min(0, x[0]) / s[0]))
    } derivatives: { x, s, _, g in
      [select(gt(x[0], 0), g, g * exp(min(0, x[0]) / s[0]))]
    },
    [.unary("F.celu(a)") { $0.celu() }, .unary("F.celu(a, 0.5)") { $0.celu(alpha: 0.5) }])
  let logSigmoid: Operator<PointwiseArguments> = real(
    "log_sigmoid", Program { x in -Flambeau.softplus(-x) }, [.unary("F.logsigmoid(a)") { $0.logSigmoid() }])
  let softsign: Operator<PointwiseArguments> = .map(
    "softsign", .floating, Program { x in x / (1 + abs(x)) }, samples: [.unary("F.softsign(a)") { $0.softsign() }])
  let tanhshrink: Operator<PointwiseArguments> = .map(
    "tanhshrink", .floating, Program { x in x - tanh(x) }, refusal: Refusal.subtraction,
    samples: [.unary("F.tanhshrink(a)") { $0.tanhshrink() }])
  let hardshrink: Operator<PointwiseArguments> = real(
    "hardshrink",
    Program(inputs: 1, scalars: 1) { x, s in
      select(le(abs(x[0]), s[0]), 0, x[0])
    } derivatives: { x, s, _, g in
      [select(gt(abs(x[0]), s[0]), g, 0)]
    }, numbers: .checked,
    [.unary("F.hardshrink(a)") { $0.hardshrink() }, .unary("F.hardshrink(a, 0.8)") { $0.hardshrink(lambda: 0.8) }])
  let softshrink: Operator<PointwiseArguments> = real(
    "softshrink",
    Program(inputs: 1, scalars: 1) { x, s in
      select(gt(x[0], s[0]), x[0] - s[0], select(lt(x[0], -s[0]), x[0] + s[0], x[0] * 0))
    },
    [.unary("F.softshrink(a)") { $0.softshrink() }, .unary("F.softshrink(a, 0.8)") { $0.softshrink(lambda: 0.8) }])
  let threshold: Operator<PointwiseArguments> = .map(
    "threshold", .promoted, Program(inputs: 1, scalars: 2) { x, s in select(le(x[0], s[0]), s[1], x[0]) },
    numbers: .checkedInteger,
    samples: [.unary("F.threshold(a, 0.1, 20)") { $0.threshold(0.1, value: 20) }])
  let prelu: Operator<PointwiseArguments> = real(
    "prelu", Program { x, w in select(gt(x, 0), x, w * x) },
    [
      Sample("F.prelu(a, b)", [.real([2, 3, 4]), .real([3], 0.1...0.5)]) { $0[0].prelu($0[1]) },
      Sample("F.prelu(a, b)", [.real([2, 3]), .real([1], 0.1...0.5)]) { $0[0].prelu($0[1]) },
    ])

  let glu: Operator<PointwiseArguments> = real(
    "glu", Program { a, b in a * sigmoid(b) },
    [
      Sample("F.glu(a)", [.real([3, 4])]) { $0[0].glu() }, Sample("F.glu(a, 1)", [.real([3, 4, 2])]) { $0[0].glu(dim: 1) },
    ])

  /// A row that takes floating-point operands only.
  private static func real(
    _ name: String, _ program: Program, numbers: NumberRule = .exact, _ samples: [Sample]
  ) -> Operator<PointwiseArguments> {
    .map(
      name, .promoted, program, numbers: numbers,
      refusal: { $0.isFloatingPoint ? nil : "\"\(name)\" not implemented for '\($0.torchScalarName)'" }, samples: samples)
  }
}

extension Tensor {
  /// max(x + other, 0), rounded once: (x + other).relu().
  package consuming func addRelu(_ other: Tensor) -> Tensor {
    ops.activations.addRelu.call(Few(consume self, other), PointwiseArguments())
  }

  /// max(x, 0). Torch's `relu`.
  public consuming func relu() -> Tensor { ops.activations.relu(consume self) }
  /// x · sigmoid(x). Torch's `silu`.
  public consuming func silu() -> Tensor { ops.activations.silu(consume self) }
  /// x weighted with the normal distribution's share below it (Hendrycks and Gimpel, 2016). Torch's `gelu`.
  public consuming func gelu(approximate: GELUApproximation = .none) -> Tensor {
    approximate == .none ? ops.activations.gelu(consume self) : ops.activations.geluTanh(consume self)
  }
  /// x · tanh(softplus(x)) (Misra, 2019). Torch's `mish`.
  public consuming func mish() -> Tensor { ops.activations.mish(consume self) }
  /// log(1 + e^βx) / β, and x itself where βx is above `threshold`. Torch's `softplus`.
  public consuming func softplus(beta: Double = 1, threshold: Double = 20) -> Tensor {
    ops.activations.softplus(consume self, .with(beta, threshold))
  }
  /// x held between `min` and `max`. Torch's `hardtanh`.
  public consuming func hardtanh(
    min: Double = -1, max: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    if dtype == .uint8 && (min < 0 || max < 0) {
      return Door.refuse(
        .argument("cannot do hardtanh on an unsigned type with negative limits"), "hardtanh", Few(consume self),
        at: CallSite(file, line))
    }
    if min > max {
      return Door.refuse(
        .argument("min_val cannot be greater than max_val"), "hardtanh", Few(consume self), at: CallSite(file, line))
    }
    return ops.activations.hardtanh(consume self, .with(min, max))
  }
  /// x held between 0 and 6. Torch's `relu6`.
  public consuming func relu6() -> Tensor { ops.activations.hardtanh(consume self, .with(0, 6)) }
  /// x / 6 + ½ held between 0 and 1. Torch's `hardsigmoid`.
  public consuming func hardsigmoid() -> Tensor { ops.activations.hardsigmoid(consume self) }
  /// x · hardsigmoid(x) (Howard et al., 2019). Torch's `hardswish`.
  public consuming func hardswish() -> Tensor { ops.activations.hardswish(consume self) }
  /// x above 0, `negativeSlope` · x below. Torch's `leaky_relu`.
  public consuming func leakyReLU(negativeSlope: Double = 0.01) -> Tensor {
    ops.activations.leakyReLU(consume self, .with(negativeSlope))
  }
  /// x above 0, α(eˣ − 1) below (Clevert et al., 2015). Torch's `elu`.
  public consuming func elu(alpha: Double = 1) -> Tensor { ops.activations.elu(consume self, .with(alpha)) }
  /// The self-normalising ``elu(alpha:)`` (Klambauer et al., 2017). Torch's `selu`.
  public consuming func selu() -> Tensor { ops.activations.selu(consume self) }
  /// x above 0, α(e^(x/α) − 1) below (Barron, 2017). Torch's `celu`.
  public consuming func celu(alpha: Double = 1) -> Tensor { ops.activations.celu(consume self, .with(alpha)) }
  /// log(sigmoid(x)), without overflow. Torch's `logsigmoid`.
  public consuming func logSigmoid() -> Tensor { ops.activations.logSigmoid(consume self) }
  /// x / (1 + |x|). Torch's `softsign`.
  public consuming func softsign() -> Tensor { ops.activations.softsign(consume self) }
  /// x − tanh(x). Torch's `tanhshrink`.
  public consuming func tanhshrink() -> Tensor { ops.activations.tanhshrink(consume self) }
  /// x where |x| is above `lambda`, else 0. Torch's `hardshrink`.
  public consuming func hardshrink(lambda: Double = 0.5) -> Tensor { ops.activations.hardshrink(consume self, .with(lambda)) }
  /// x moved towards 0 by `lambda`. Torch's `softshrink`.
  public consuming func softshrink(
    lambda: Double = 0.5, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    if !(lambda >= 0) {
      return Door.refuse(
        .argument("lambda must be greater or equal to 0, but found to be \(lambda)"), "softshrink", Few(consume self),
        at: CallSite(file, line))
    }
    return ops.activations.softshrink(consume self, .with(lambda))
  }
  /// x above `threshold`, else `value`. Torch's `threshold`.
  public consuming func threshold(_ threshold: Double, value: Double) -> Tensor {
    ops.activations.threshold(consume self, .with(threshold, value))
  }

  /// x above 0, `weight` · x below; the weight has one element, or one for each position of dimension 1. Torch's `prelu`.
  public func prelu(_ weight: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checked("prelu", at: site) { layout throws(TensorError) in
      if let autocast = AutocastMethod("prelu", on: self) {
        return try autocast(self, weight) { $0[0]!.prelu($0[1]!, file: file, line: line) }
      }
      guard weight.ndim <= 1 else {
        throw .shape("Expected `weight` to be a scalar or 1D tensor, but got: ndim = \(weight.ndim)")
      }
      let channels = layout.rank >= 2 ? layout.shape.at(1) : 1
      guard weight.count == 1 || weight.count == channels else {
        throw .shape(
          "Mismatch of parameter numbers and input channel size. Found parameter numbers = \(weight.count) and channel size = "
            + "\(channels).")
      }
      var shape = Shape(repeating: 1, count: layout.rank)
      if weight.count > 1 { shape.at(1, put: channels) }
      return ops.activations.prelu(
        self, weight.count == 1 && layout.rank == 0 ? weight.reshape([]) : weight.reshape(shape), PointwiseArguments(), at: site)
    }
  }
}

extension PointwiseArguments {
  /// The scalars of an activation.
  static func with(_ number: Double) -> PointwiseArguments {
    PointwiseArguments(scalars: Scalars(Number(number)))
  }

  static func with(_ first: Double, _ second: Double) -> PointwiseArguments {
    PointwiseArguments(scalars: Scalars(Number(first), Number(second)))
  }
}
