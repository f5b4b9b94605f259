import CKernels

/// A gradient's term for one operand, written when it is needed; nil where the derivative is 0 everywhere.
typealias Term = (() -> Scalar)?

/// From the operands, the result and the gradient arriving at it to the gradients of the operands.
typealias DerivativeRule = @Sendable (_ x: [Scalar], _ y: Scalar, _ g: Scalar) -> [Term]

extension fb_primitive {
  /// The gradients of the operands. Torch's subgradients: 0 at the kink of abs and relu, one half each at a tie.
  func derivative(_ x: [Scalar], _ y: Scalar, _ g: Scalar) -> [Term] {
    fb_primitive.rules[self]?(x, y, g) ?? Array(repeating: nil, count: arity)
  }

  /// The primitives without a row are steps or tests: their derivative is 0 wherever it exists.
  static let rules: [fb_primitive: DerivativeRule] = [
    fb_copy: unary { _, _, g in g },
    fb_neg: unary { _, _, g in -g },
    fb_abs: unary { x, _, g in g * sign(x) },
    fb_sqrt: unary { _, y, g in g / (2 * y) },
    fb_rsqrt: unary { _, y, g in -0.5 * g * (y * y * y) },
    fb_reciprocal: unary { _, y, g in -g * (y * y) },
    fb_square: unary { x, _, g in g * (2 * x) },

    fb_exp: unary { _, y, g in g * y },
    fb_expm1: unary { _, y, g in g * (y + 1) },
    fb_exp2: unary { _, y, g in g * y * Scalar(ln2) },
    fb_log: unary { x, _, g in g / x },
    fb_log1p: unary { x, _, g in g / (x + 1) },
    fb_log2: unary { x, _, g in g / (x * Scalar(ln2)) },
    fb_log10: unary { x, _, g in g / (x * Scalar(ln10)) },

    fb_sin: unary { x, _, g in g * cos(x) },
    fb_cos: unary { x, _, g in -g * sin(x) },
    fb_tan: unary { _, y, g in g * (1 + y * y) },
    fb_asin: unary { x, _, g in g * rsqrt(1 - x * x) },
    fb_acos: unary { x, _, g in -g * rsqrt(1 - x * x) },
    fb_atan: unary { x, _, g in g / (x * x + 1) },
    fb_sinh: unary { x, _, g in g * cosh(x) },
    fb_cosh: unary { x, _, g in g * sinh(x) },
    fb_tanh: unary { _, y, g in g * (1 - y * y) },
    fb_asinh: unary { x, _, g in g * rsqrt(x * x + 1) },
    fb_acosh: unary { x, _, g in g * rsqrt(x * x - 1) },
    fb_atanh: unary { x, _, g in g / (1 - x * x) },

    fb_erf: unary { x, _, g in g * (Scalar(twoOverRootPi) * exp(-square(x))) },
    fb_erfc: unary { x, _, g in g * (Scalar(-twoOverRootPi) * exp(-square(x))) },
    fb_lgamma: unary { x, _, g in g * digamma(x) },
    fb_digamma: unary { x, _, g in g * zeta(2, x) },
    fb_erfinv: unary { _, y, g in g * (Scalar(halfRootPi) * exp(square(y))) },
    fb_i0: unary { x, _, g in g * i1(x) },
    fb_i0e: unary { x, y, g in g * (i1e(x) - sign(x) * y) },
    fb_i1: unary { x, y, g in g * besselSlope(x) { i0(x) - y / $0 } },
    fb_i1e: unary { x, y, g in g * besselSlope(x) { i0e(x) - y * (sign(x) + reciprocal($0)) } },
    fb_erfcx: unary { x, y, g in g * (2 * x * y - Scalar(twoOverRootPi)) },
    fb_ndtri: unary { _, y, g in g * (Scalar(rootTwoPi) * exp(square(y) / 2)) },
    fb_sigmoid: unary { _, y, g in g * ((1 - y) * y) },
    fb_softplus: unary { x, _, g in g * sigmoid(x) },
    fb_relu: unary { _, y, g in select(le(y, 0), 0, g) },
    fb_silu: unary { x, _, g in g * .apply(fb_silu_slope, x) },
    fb_gelu: unary { x, _, g in g * .apply(fb_gelu_slope, x) },
    fb_gelu_tanh: unary { x, _, g in g * .apply(fb_gelu_tanh_slope, x) },
    fb_silu_slope: unary { x, _, g in g * siluCurvature(x) },
    fb_gelu_slope: unary { x, _, g in g * geluCurvature(x) },
    fb_gelu_tanh_slope: unary { x, _, g in g * geluTanhCurvature(x) },

    fb_add: { _, _, g in [{ g }, { g }] },
    fb_sub: { _, _, g in [{ g }, { -g }] },
    fb_mul: { x, _, g in [{ g * x[1] }, { g * x[0] }] },
    fb_div: { x, y, g in [{ g / x[1] }, { -g * (y / x[1]) }] },
    fb_min: { x, _, g in [{ winner(gt(x[0], x[1]), x, g) }, { winner(lt(x[0], x[1]), x, g) }] },
    fb_max: { x, _, g in [{ winner(lt(x[0], x[1]), x, g) }, { winner(gt(x[0], x[1]), x, g) }] },
    fb_pow: { x, y, g in [{ powBase(x[0], x[1], g) }, { powExponent(x[0], x[1], y, g) }] },
    fb_atan2: { x, _, g in
      let squares = square(x[0]) + square(x[1])
      let inverse = select(eq(squares, 0), 0, reciprocal(squares))
      return [{ g * (x[1] * inverse) }, { -g * (x[0] * inverse) }]
    },
    fb_fmod: { x, _, g in [{ g }, { -g * trunc(x[0] / x[1]) }] },
    fb_remainder: { x, _, g in [{ g }, { -g * floorDiv(x[0], x[1]) }] },
    fb_copysign: { x, y, g in [{ g * select(eq(x[0], 0), 0, y / x[0]) }, nil] },
    fb_hypot: { x, y, g in [{ g * (x[0] / y) }, { g * (x[1] / y) }] },
    fb_zeta: { x, _, g in [nil, { -g * (x[0] * zeta(x[0] + 1, x[1])) }] },
    fb_igamma: { x, _, g in [nil, { g * gammaDensity(x[0], x[1]) }] },
    fb_igammac: { x, _, g in [nil, { -g * gammaDensity(x[0], x[1]) }] },
    fb_fma: { x, _, g in [{ g * x[1] }, { g * x[0] }, { g }] },
    fb_select: { x, _, g in [nil, { select(x[0], g, 0) }, { select(x[0], 0, g) }] },
  ]

  private static func unary(_ rule: @escaping @Sendable (Scalar, Scalar, Scalar) -> Scalar) -> DerivativeRule {
    { x, y, g in [{ rule(x[0], y, g) }] }
  }
}

private let ln2 = 0.6931471805599453
private let ln10 = 2.302585092994046
private let twoOverRootPi = 1.1283791670955126
private let halfRootPi = 0.886226925452758
private let rootTwoPi = 2.5066282746310002
private let oneOverRootTwoPi = 0.3989422804014327

/// The slope of a Bessel function of order 1: ½ at 0, where its form divides by x.
private func besselSlope(_ x: Scalar, _ form: (_ x: Scalar) -> Scalar) -> Scalar {
  select(eq(x, 0), 0.5, form(select(eq(x, 0), 1, x)))
}

/// The gamma distribution of shape `a` at `x`.
private func gammaDensity(_ a: Scalar, _ x: Scalar) -> Scalar { exp((a - 1) * log(x) - x - lgamma(a)) }

/// The gradient of an operand of min or max: none where it lost, half at a tie.
private func winner(_ lost: Scalar, _ x: [Scalar], _ g: Scalar) -> Scalar {
  select(lost, 0, select(eq(x[0], x[1]), 0.5 * g, g))
}

/// x⁰ is 1 also at 0, so its slope is 0 there and not 0 · ∞.
private func powBase(_ x: Scalar, _ exponent: Scalar, _ g: Scalar) -> Scalar {
  let slope = g * (exponent * pow(x, exponent - 1))
  guard let constant = exponent.constant else { return select(eq(exponent, 0), 0, slope) }
  return constant.double == 0 ? 0 : slope
}

/// 0ʸ is 0 for every y > 0, so its slope is 0 there and not 0 · log 0.
private func powExponent(_ x: Scalar, _ exponent: Scalar, _ y: Scalar, _ g: Scalar) -> Scalar {
  let slope = g * (y * log(x))
  if let base = x.constant, base.double > 0 { return slope }
  return select(and(eq(x, 0), ge(exponent, 0)), 0, slope)
}

// Second derivatives of the activations. Arguments are held where the curve has long been flat, so that no power
// of a large number meets a 0.

private func siluCurvature(_ x: Scalar) -> Scalar {
  let x = clamp(x, -750, 750)
  let s = sigmoid(x)
  return s * sigmoid(-x) * (2 + x * (1 - 2 * s))
}

private func geluCurvature(_ x: Scalar) -> Scalar {
  let x = clamp(x, -40, 40)
  return Scalar(oneOverRootTwoPi) * exp(-0.5 * square(x)) * (2 - square(x))
}

private func geluTanhCurvature(_ x: Scalar) -> Scalar {
  let x = clamp(x, -40, 40)
  let scale = 0.7978845608028654
  let cubic = 0.044715
  let t = tanh(Scalar(scale) * x * (1 + Scalar(cubic) * square(x)))
  let slope = Scalar(scale) * (1 + Scalar(3 * cubic) * square(x))
  let curvature = Scalar(6 * scale * cubic) * x
  return (1 - t * t) * (slope + 0.5 * x * (curvature - 2 * t * square(slope)))
}
