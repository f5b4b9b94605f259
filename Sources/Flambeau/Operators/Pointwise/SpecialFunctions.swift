import CKernels

// Functions of one number that mathematics has names for.
struct SpecialFunctions: Sendable {
  let lgamma: Operator<PointwiseArguments> = .map(
    "lgamma", .floating, Program(fb_lgamma),
    samples: [
      .unary("torch.lgamma(a)", 0.3...4) { $0.lgamma() }.within(relative: 1e-8),
      .unary("torch.lgamma(a)", -0.9 ... -0.6) { $0.lgamma() }.within(relative: 1e-8),
      .unary("a.clone().lgamma_()", 0.3...4) { $0.clone().lgamma_() }.within(relative: 1e-8),
    ])
  let digamma: Operator<PointwiseArguments> = .map(
    "digamma", .floating, Program(fb_digamma),
    samples: [
      .unary("torch.digamma(a)", 0.3...4) { $0.digamma() }.within(relative: 1e-8),
      .unary("torch.digamma(a)", -0.9 ... -0.6) { $0.digamma() }.within(relative: 1e-8),
      .unary("a.clone().digamma_()", 3...30) { $0.clone().digamma_() }.within(relative: 1e-8),
    ])
  /// The scalars are the order and one more than the derivative's, (−1)ⁿ⁺¹ n!.
  let polygamma: Operator<PointwiseArguments> = .map(
    "polygamma", .floating, Program(inputs: 1, scalars: 2) { x, s in s[1] * Flambeau.zeta(s[0], x[0]) },
    samples: [
      .unary("torch.polygamma(0, a)", 0.5...4) { $0.polygamma(0) }.within(relative: 1e-8),
      .unary("torch.polygamma(1, a)", 0.5...4) { $0.polygamma(1) }.within(relative: 1e-8),
      .unary("torch.polygamma(3, a)", 0.5...12) { $0.polygamma(3) }.within(relative: 1e-8),
      .unary("a.clone().polygamma_(2)", 0.5...4) { $0.clone().polygamma_(2) }.within(relative: 1e-8),
    ])
  let zeta: BinaryRow = BinaryRow(
    "special_zeta", .floating,
    samples: [
      Sample("torch.special.zeta(a, b)", [.real([3, 4], 1.5...4).withoutGradient, .real([3, 4], 0.5...4)]) {
        $0[0].zeta($0[1])
      }
    ]
  ) { Flambeau.zeta($0, $1) }
  let erfinv: Operator<PointwiseArguments> = .map(
    "erfinv", .floating, Program(fb_erfinv),
    samples: [
      .unary("torch.erfinv(a)", -0.9...0.9) { $0.erfinv() },
      .unary("a.clone().erfinv_()", 0.5...0.9) { $0.clone().erfinv_() },
    ])
  let i0: Operator<PointwiseArguments> = .map(
    "i0", .floating, Program(fb_i0),
    samples: [
      .unary("torch.i0(a)", 0.3...12) { $0.i0() }, .unary("a.clone().i0_()", -2 ... -0.3) { $0.clone().i0_() },
    ])
  let i0e: Operator<PointwiseArguments> = .map(
    "special_i0e", .floating, Program(fb_i0e), samples: [.unary("torch.special.i0e(a)", 0.3...12) { $0.i0e() }])
  let i1: Operator<PointwiseArguments> = .map(
    "special_i1", .floating, Program(fb_i1), samples: [.unary("torch.special.i1(a)", 0.3...12) { $0.i1() }])
  let i1e: Operator<PointwiseArguments> = .map(
    "special_i1e", .floating, Program(fb_i1e), samples: [.unary("torch.special.i1e(a)", 0.3...12) { $0.i1e() }])

  let sinc: Operator<PointwiseArguments> = .map(
    "sinc", .floating,
    Program(inputs: 1) { x, _ in
      select(eq(x[0], 0), 1, sin(pi * x[0]) / (pi * x[0]))
    } derivatives: { x, _, _, g in
      let (angle, square) = (pi * x[0], pi * x[0] * x[0])
      return [select(eq(square, 0), 0, g * ((angle * cos(angle) - sin(angle)) / square))]
    },
    samples: [
      .unary("torch.sinc(a)", 0.2...0.8) { $0.sinc() }, .unary("a.clone().sinc_()", 0.2...0.8) { $0.clone().sinc_() },
    ])
  let entr: Operator<PointwiseArguments> = .map(
    "special_entr", .floating,
    Program(inputs: 1) { x, _ in
      select(gt(x[0], 0), -x[0] * log(x[0]), select(eq(x[0], 0), 0, select(isNaN(x[0]), x[0], Scalar(-.infinity))))
    } derivatives: { x, _, _, g in
      [g * -(1 + log(x[0]))]
    },
    samples: [.unary("torch.special.entr(a)", 0.1...2) { $0.entr() }])
  let ndtr: Operator<PointwiseArguments> = .map(
    "special_ndtr", .floating, Program { x in 0.5 * erfc(Scalar(-0.5.squareRoot()) * x) },
    samples: [.unary("torch.special.ndtr(a)") { $0.ndtr() }])
  let xlog1py: BinaryRow = BinaryRow(
    "special_xlog1py", .floating,
    samples: [
      .binary("torch.special.xlog1py(a, b)", -2...2, 0.3...2) { $0.xlog1py($1) },
      .unary("torch.special.xlog1py(a, 1.5)", -2...2) { $0.xlog1py(1.5) },
    ],
    Program(inputs: 2) { x, _ in
      SpecialFunctions.timesLog1p(x[0], x[1])
    } derivatives: { x, _, _, g in
      [SpecialFunctions.log1pSlope(x[0], x[1], g), g * x[0] / (x[1] + 1)]
    },
    numberRight: Program(inputs: 1, scalars: 1) { x, s in
      SpecialFunctions.timesLog1p(x[0], s[0])
    } derivatives: { x, s, _, g in
      [SpecialFunctions.log1pSlope(x[0], s[0], g)]
    },
    numberLeft: Program(inputs: 1, scalars: 1) { x, s in
      SpecialFunctions.timesLog1p(s[0], x[0])
    } derivatives: { x, s, _, g in
      [g * s[0] / (x[0] + 1)]
    })

  /// Made of other rows.
  let composites: [Sample] = [
    .unary("torch.mvlgamma(a, 3)", 1.5...4) { $0.mvlgamma(3) }.within(relative: 1e-8),
    .unary("a.clone().mvlgamma_(2)", 1.5...4) { $0.clone().mvlgamma_(2) }.within(relative: 1e-8),
  ]
}

private let pi = Scalar(Double.pi)

extension SpecialFunctions {
  /// x log (1 + y), 0 where x is 0 and y a number.
  private static func timesLog1p(_ x: Scalar, _ y: Scalar) -> Scalar {
    select(isNaN(y), y, select(eq(x, 0), 0, x * log1p(y)))
  }

  /// Its gradient for x.
  private static func log1pSlope(_ x: Scalar, _ y: Scalar, _ g: Scalar) -> Scalar {
    let slope = log1p(y)
    let isNothing = or(and(eq(x, 0), le(y, -1)), and(eq(g, 0), or(isInf(slope), lt(y, -1))))
    return select(isNothing, 0, g * slope)
  }
}

extension Tensor {
  /// log |Γ(x)|. Torch's `lgamma`.
  public consuming func lgamma() -> Tensor { ops.specialFunctions.lgamma(consume self) }
  /// The derivative of log Γ; −∞ at 0, NaN at negative whole numbers. Torch's `digamma`.
  public consuming func digamma() -> Tensor { ops.specialFunctions.digamma(consume self) }
  /// The `n`-th derivative of ``digamma()``. Torch's `polygamma`.
  public func polygamma(_ n: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checked("polygamma", at: site) { _ throws(TensorError) in
      if n == 0 { return ops.specialFunctions.digamma(self, at: site) }
      return ops.specialFunctions.polygamma(self, try .polygamma(n), at: site)
    }
  }
  /// Hurwitz's Σ (q + k)^−self over k from 0 on, for self > 1; differentiable in q alone. Torch's `special.zeta`.
  public func zeta(_ q: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checked("special_zeta", at: site) { _ throws(TensorError) in
      guard !requiresGrad || !Context.current.records else {
        throw .autograd("the derivative for 'self' of 'special_zeta' is not known. Detach it to take it as a constant.")
      }
      return ops.specialFunctions.zeta(self, q, at: site)
    }
  }
  /// The inverse of ``erf()``; ±∞ at ±1. Torch's `erfinv`.
  public consuming func erfinv() -> Tensor { ops.specialFunctions.erfinv(consume self) }
  /// The modified Bessel function of the first kind, order 0. Torch's `i0`.
  public consuming func i0() -> Tensor { ops.specialFunctions.i0(consume self) }
  /// ``i0()`` · e^−|x|. Torch's `special.i0e`.
  public consuming func i0e() -> Tensor { ops.specialFunctions.i0e(consume self) }
  /// The modified Bessel function of the first kind, order 1. Torch's `special.i1`.
  public consuming func i1() -> Tensor { ops.specialFunctions.i1(consume self) }
  /// ``i1()`` · e^−|x|. Torch's `special.i1e`.
  public consuming func i1e() -> Tensor { ops.specialFunctions.i1e(consume self) }
  /// sin(πx) / (πx), 1 at 0. Torch's `sinc`.
  public consuming func sinc() -> Tensor { ops.specialFunctions.sinc(consume self) }
  /// −x · log(x), 0 at 0 and −∞ below. Torch's `special.entr`.
  public consuming func entr() -> Tensor { ops.specialFunctions.entr(consume self) }
  /// The normal distribution's share below x. Torch's `special.ndtr`.
  public consuming func ndtr() -> Tensor { ops.specialFunctions.ndtr(consume self) }

  /// self · log(1 + other), 0 where this is 0. Torch's `special.xlog1py`.
  public func xlog1py(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.specialFunctions.xlog1py(self, other, at: CallSite(file, line))
  }
  /// The same with a number.
  public func xlog1py(_ other: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.specialFunctions.xlog1py(self, Number(other), .floatingPoint, at: CallSite(file, line))
  }

  /// log Γ of `p` variables: Σ ``lgamma()`` of x − i/2 for i < p, and p(p − 1)/4 · log π. Torch's `mvlgamma`.
  public func mvlgamma(_ p: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    checked("mvlgamma", at: CallSite(file, line)) { layout throws(TensorError) in
      if let autocast = AutocastMethod("mvlgamma", on: self) {
        return try autocast(self) { $0[0]!.mvlgamma(p, file: file, line: line) }
      }
      guard dtype != .bool else { throw .dtype("The input tensor may not be a boolean tensor.") }
      guard p >= 1 else { throw .argument("p has to be greater than or equal to 1") }
      let steps = Tensor.arange(Double(1 - p) / 2, 0.25, step: 0.5, dtype: dtype.floating, device: device)
      let logPi = 1.1447298858494002
      return (unsqueeze(-1) + steps).lgamma().sum(dim: -1) + Double(p * (p - 1)) / 4 * logPi
    }
  }

  /// Torch's `lgamma_`.
  @discardableResult
  public func lgamma_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.specialFunctions.lgamma.write(self, at: CallSite(file, line))
  }
  /// Torch's `digamma_`.
  @discardableResult
  public func digamma_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.specialFunctions.digamma.write(self, at: CallSite(file, line))
  }
  /// Torch's `polygamma_`.
  @discardableResult
  public func polygamma_(_ n: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checked("polygamma_", at: site) { _ throws(TensorError) in
      if n == 0 { return digamma_(file: file, line: line) }
      return ops.specialFunctions.polygamma.write(Few(self), try .polygamma(n), at: site)
    }
  }
  /// Torch's `erfinv_`.
  @discardableResult
  public func erfinv_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.specialFunctions.erfinv.write(self, at: CallSite(file, line))
  }
  /// Torch's `i0_`.
  @discardableResult
  public func i0_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.specialFunctions.i0.write(self, at: CallSite(file, line))
  }
  /// Torch's `sinc_`.
  @discardableResult
  public func sinc_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.specialFunctions.sinc.write(self, at: CallSite(file, line))
  }
  /// Torch's `mvlgamma_`.
  @discardableResult
  public func mvlgamma_(_ p: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    checked("mvlgamma_", at: CallSite(file, line)) { _ throws(TensorError) in
      guard dtype.isFloatingPoint else {
        throw .dtype("result type Float can't be cast to the desired output type \(dtype.torchScalarName)")
      }
      return copy_(mvlgamma(p, file: file, line: line), file: file, line: line)
    }
  }
}

extension PointwiseArguments {
  /// The order of the zeta function, and its factor (−1)ⁿ⁺¹ n!.
  fileprivate static func polygamma(_ n: Int) throws(TensorError) -> PointwiseArguments {
    guard n >= 0 else { throw .argument("polygamma(n, x) does not support negative n.") }
    // Beyond 170! there is only infinity.
    let factorial = (1...Swift.min(Swift.max(n, 1), 171)).reduce(1.0) { $0 * Double($1) }
    return PointwiseArguments(scalars: Scalars(Number(n + 1), Number(n % 2 == 0 ? -factorial : factorial)))
  }
}
