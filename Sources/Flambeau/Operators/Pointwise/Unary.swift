import CKernels

// Functions of one number.
struct Unary: Sendable {
  let abs: Operator<PointwiseArguments> = .map(
    "abs", .promoted, Program(fb_abs),
    samples: [
      .unary("torch.abs(a)", 0.3...2) { $0.abs() },
      .unary("a.clone().abs_()", 0.3...2) { $0.clone().abs_() },
    ])
  let sign: Operator<PointwiseArguments> = .map(
    "sign", .promoted, Program(fb_sign),
    samples: [
      .unary("torch.sign(a)") { $0.sign() },
      .unary("a.clone().sign_()") { $0.clone().sign_() },
    ])
  let floor: Operator<PointwiseArguments> = .map(
    "floor", .promoted, Program(fb_floor),
    samples: [
      .unary("torch.floor(a)") { $0.floor() },
      .unary("a.clone().floor_()") { $0.clone().floor_() },
    ])
  let ceil: Operator<PointwiseArguments> = .map(
    "ceil", .promoted, Program(fb_ceil),
    samples: [
      .unary("torch.ceil(a)") { $0.ceil() },
      .unary("a.clone().ceil_()") { $0.clone().ceil_() },
    ])
  let round: Operator<PointwiseArguments> = .map(
    "round", .promoted, Program(fb_round),
    samples: [
      .unary("torch.round(a)") { $0.round() },
      .unary("a.clone().round_()") { $0.clone().round_() },
    ])
  let trunc: Operator<PointwiseArguments> = .map(
    "trunc", .promoted, Program(fb_trunc),
    samples: [
      .unary("torch.trunc(a)") { $0.trunc() },
      .unary("a.clone().trunc_()") { $0.clone().trunc_() },
    ])
  let frac: Operator<PointwiseArguments> = .map(
    "frac", .promoted, Program { x in x - Flambeau.trunc(x) },
    samples: [
      .unary("torch.frac(a)", 0.2...0.8) { $0.frac() },
      .unary("a.clone().frac_()", 0.2...0.8) { $0.clone().frac_() },
    ])
  let sqrt: Operator<PointwiseArguments> = .map(
    "sqrt", .floating, Program(fb_sqrt),
    samples: [
      .unary("torch.sqrt(a)", 0.3...3) { $0.sqrt() },
      .unary("a.clone().sqrt_()", 0.3...3) { $0.clone().sqrt_() },
    ])
  let rsqrt: Operator<PointwiseArguments> = .map(
    "rsqrt", .floating, Program(fb_rsqrt),
    samples: [
      .unary("torch.rsqrt(a)", 0.3...3) { $0.rsqrt() },
      .unary("a.clone().rsqrt_()", 0.3...3) { $0.clone().rsqrt_() },
    ])
  let reciprocal: Operator<PointwiseArguments> = .map(
    "reciprocal", .floating, Program(fb_reciprocal),
    samples: [
      .unary("torch.reciprocal(a)", 0.3...3) { $0.reciprocal() },
      .unary("a.clone().reciprocal_()", 0.3...3) { $0.clone().reciprocal_() },
    ])
  let exp: Operator<PointwiseArguments> = .map(
    "exp", .floating, Program(fb_exp),
    samples: [
      .unary("torch.exp(a)") { $0.exp() },
      .unary("a.clone().exp_()") { $0.clone().exp_() },
    ])
  let exp2: Operator<PointwiseArguments> = .map(
    "exp2", .floating, Program(fb_exp2),
    samples: [
      .unary("torch.exp2(a)") { $0.exp2() },
      .unary("a.clone().exp2_()") { $0.clone().exp2_() },
    ])
  let expm1: Operator<PointwiseArguments> = .map(
    "expm1", .floating, Program(fb_expm1),
    samples: [
      .unary("torch.expm1(a)") { $0.expm1() },
      .unary("a.clone().expm1_()") { $0.clone().expm1_() },
    ])
  let log: Operator<PointwiseArguments> = .map(
    "log", .floating, Program(fb_log),
    samples: [
      .unary("torch.log(a)", 0.3...3) { $0.log() },
      .unary("a.clone().log_()", 0.3...3) { $0.clone().log_() },
    ])
  let log2: Operator<PointwiseArguments> = .map(
    "log2", .floating, Program(fb_log2),
    samples: [
      .unary("torch.log2(a)", 0.3...3) { $0.log2() },
      .unary("a.clone().log2_()", 0.3...3) { $0.clone().log2_() },
    ])
  let log10: Operator<PointwiseArguments> = .map(
    "log10", .floating, Program(fb_log10),
    samples: [
      .unary("torch.log10(a)", 0.3...3) { $0.log10() },
      .unary("a.clone().log10_()", 0.3...3) { $0.clone().log10_() },
    ])
  let log1p: Operator<PointwiseArguments> = .map(
    "log1p", .floating, Program(fb_log1p),
    samples: [
      .unary("torch.log1p(a)", -0.5...2) { $0.log1p() },
      .unary("a.clone().log1p_()", -0.5...2) { $0.clone().log1p_() },
    ])
  let sin: Operator<PointwiseArguments> = .map(
    "sin", .floating, Program(fb_sin),
    samples: [
      .unary("torch.sin(a)") { $0.sin() },
      .unary("a.clone().sin_()") { $0.clone().sin_() },
    ])
  let cos: Operator<PointwiseArguments> = .map(
    "cos", .floating, Program(fb_cos),
    samples: [
      .unary("torch.cos(a)") { $0.cos() },
      .unary("a.clone().cos_()") { $0.clone().cos_() },
    ])
  let tan: Operator<PointwiseArguments> = .map(
    "tan", .floating, Program(fb_tan),
    samples: [
      .unary("torch.tan(a)", -1.2...1.2) { $0.tan() },
      .unary("a.clone().tan_()", -1.2...1.2) { $0.clone().tan_() },
    ])
  let asin: Operator<PointwiseArguments> = .map(
    "asin", .floating, Program(fb_asin),
    samples: [
      .unary("torch.asin(a)", -0.9...0.9) { $0.asin() },
      .unary("a.clone().asin_()", -0.9...0.9) { $0.clone().asin_() },
    ])
  let acos: Operator<PointwiseArguments> = .map(
    "acos", .floating, Program(fb_acos),
    samples: [
      .unary("torch.acos(a)", -0.9...0.9) { $0.acos() },
      .unary("a.clone().acos_()", -0.9...0.9) { $0.clone().acos_() },
    ])
  let atan: Operator<PointwiseArguments> = .map(
    "atan", .floating, Program(fb_atan),
    samples: [
      .unary("torch.atan(a)") { $0.atan() },
      .unary("a.clone().atan_()") { $0.clone().atan_() },
    ])
  let sinh: Operator<PointwiseArguments> = .map(
    "sinh", .floating, Program(fb_sinh),
    samples: [
      .unary("torch.sinh(a)") { $0.sinh() },
      .unary("a.clone().sinh_()") { $0.clone().sinh_() },
    ])
  let cosh: Operator<PointwiseArguments> = .map(
    "cosh", .floating, Program(fb_cosh),
    samples: [
      .unary("torch.cosh(a)") { $0.cosh() },
      .unary("a.clone().cosh_()") { $0.clone().cosh_() },
    ])
  let tanh: Operator<PointwiseArguments> = .map(
    "tanh", .floating, Program(fb_tanh),
    samples: [
      .unary("torch.tanh(a)") { $0.tanh() },
      .unary("a.clone().tanh_()") { $0.clone().tanh_() },
    ])
  let asinh: Operator<PointwiseArguments> = .map(
    "asinh", .floating, Program(fb_asinh),
    samples: [
      .unary("torch.asinh(a)") { $0.asinh() },
      .unary("a.clone().asinh_()") { $0.clone().asinh_() },
    ])
  let acosh: Operator<PointwiseArguments> = .map(
    "acosh", .floating, Program(fb_acosh),
    samples: [
      .unary("torch.acosh(a)", 1.2...3) { $0.acosh() },
      .unary("a.clone().acosh_()", 1.2...3) { $0.clone().acosh_() },
    ])
  let atanh: Operator<PointwiseArguments> = .map(
    "atanh", .floating, Program(fb_atanh),
    samples: [
      .unary("torch.atanh(a)", -0.9...0.9) { $0.atanh() },
      .unary("a.clone().atanh_()", -0.9...0.9) { $0.clone().atanh_() },
    ])
  let erf: Operator<PointwiseArguments> = .map(
    "erf", .floating, Program(fb_erf),
    samples: [
      .unary("torch.erf(a)") { $0.erf() },
      .unary("a.clone().erf_()") { $0.clone().erf_() },
    ])
  let erfc: Operator<PointwiseArguments> = .map(
    "erfc", .floating, Program(fb_erfc),
    samples: [
      .unary("torch.erfc(a)") { $0.erfc() },
      .unary("a.clone().erfc_()") { $0.clone().erfc_() },
    ])
  let sigmoid: Operator<PointwiseArguments> = .map(
    "sigmoid", .floating, Program(fb_sigmoid),
    samples: [
      .unary("torch.sigmoid(a)") { $0.sigmoid() },
      .unary("a.clone().sigmoid_()") { $0.clone().sigmoid_() },
    ])
  let isNaN: Operator<PointwiseArguments> = .map(
    "isnan", .boolean, Program(fb_is_nan),
    samples: [
      .unary("torch.isnan(a)") { $0.isNaN() }
    ])
  let isInf: Operator<PointwiseArguments> = .map(
    "isinf", .boolean, Program(fb_is_inf),
    samples: [
      .unary("torch.isinf(a)") { $0.isInf() }
    ])
  let isFinite: Operator<PointwiseArguments> = .map(
    "isfinite", .boolean, Program(fb_is_finite),
    samples: [
      .unary("torch.isfinite(a)") { $0.isFinite() }
    ])
  let logicalNot: Operator<PointwiseArguments> = .map(
    "logical_not", .boolean, Program(fb_logical_not),
    samples: [
      .unary("torch.logical_not(a)") { $0.logicalNot() },
      Sample("a.clone().logical_not_()", [.mask([3, 4])]) { $0[0].clone().logicalNot_() },
    ])

  let square: Operator<PointwiseArguments> = .map(
    "square", .promoted, Program(fb_square),
    samples: [
      .unary("torch.square(a)", 0.3...2) { $0.square() }, .unary("a.clone().square_()", 0.3...2) { $0.clone().square_() },
    ])
  let bitwiseNot: Operator<PointwiseArguments> = .map(
    "bitwise_not", .promoted, Program(fb_bit_not),
    samples: [.unary("~a") { ~$0 }, .unary("a.clone().bitwise_not_()") { $0.clone().bitwiseNot_() }])
  let logit: Operator<PointwiseArguments> = .map(
    "logit", .floating,
    Program(inputs: 1) { x, _ in
      Flambeau.log(x[0] / (1 - x[0]))
    } derivatives: { x, _, _, g in
      [select(or(lt(x[0], 0), gt(x[0], 1)), .nan, g / (x[0] * (1 - x[0])))]
    },
    samples: [
      .unary("torch.logit(a)", 0.1...0.9) { $0.logit() }, .unary("torch.logit(a, 0.3)", 0.1...0.9) { $0.logit(eps: 0.3) },
      .unary("a.clone().logit_()", 0.1...0.9) { $0.clone().logit_() },
    ])
  let logitClamped: Operator<PointwiseArguments> = .map(
    "logit", .floating,
    Program(inputs: 1, scalars: 2) { x, s in
      let held = min(max(x[0], s[0]), s[1])
      return Flambeau.log(held / (1 - held))
    } derivatives: { x, s, _, g in
      [select(and(ge(x[0], s[0]), le(x[0], s[1])), g / (x[0] * (1 - x[0])), 0)]
    },
    samples: [
      .unary("torch.logit(a, 0.2)", 0.1...0.9) { $0.logit(eps: 0.2) },
      .unary("a.clone().logit_(0.2)", 0.1...0.9) { $0.clone().logit_(eps: 0.2) },
    ])
}

extension Tensor {
  /// |x|. Torch's `abs`.
  public consuming func abs() -> Tensor { ops.unary.abs(consume self) }
  /// -1, 0 or 1; NaN gives 0. Torch's `sign`.
  public consuming func sign() -> Tensor { ops.unary.sign(consume self) }
  /// The largest whole number not above x. Torch's `floor`.
  public consuming func floor() -> Tensor { ops.unary.floor(consume self) }
  /// The smallest whole number not below x. Torch's `ceil`.
  public consuming func ceil() -> Tensor { ops.unary.ceil(consume self) }
  /// The nearest whole number, halves to even. Torch's `round`.
  public consuming func round() -> Tensor { ops.unary.round(consume self) }
  /// The whole part, towards 0. Torch's `trunc`.
  public consuming func trunc() -> Tensor { ops.unary.trunc(consume self) }
  /// What ``trunc()`` leaves. Torch's `frac`.
  public consuming func frac() -> Tensor { ops.unary.frac(consume self) }
  /// The square root. Torch's `sqrt`.
  public consuming func sqrt() -> Tensor { ops.unary.sqrt(consume self) }
  /// 1 / √x. Torch's `rsqrt`.
  public consuming func rsqrt() -> Tensor { ops.unary.rsqrt(consume self) }
  /// 1 / x. Torch's `reciprocal`.
  public consuming func reciprocal() -> Tensor { ops.unary.reciprocal(consume self) }
  /// eˣ. Torch's `exp`.
  public consuming func exp() -> Tensor { ops.unary.exp(consume self) }
  /// 2ˣ. Torch's `exp2`.
  public consuming func exp2() -> Tensor { ops.unary.exp2(consume self) }
  /// eˣ − 1, exact near 0. Torch's `expm1`.
  public consuming func expm1() -> Tensor { ops.unary.expm1(consume self) }
  /// The natural logarithm. Torch's `log`.
  public consuming func log() -> Tensor { ops.unary.log(consume self) }
  /// The logarithm to base 2. Torch's `log2`.
  public consuming func log2() -> Tensor { ops.unary.log2(consume self) }
  /// The logarithm to base 10. Torch's `log10`.
  public consuming func log10() -> Tensor { ops.unary.log10(consume self) }
  /// log(1 + x), exact near 0. Torch's `log1p`.
  public consuming func log1p() -> Tensor { ops.unary.log1p(consume self) }
  /// The sine. Torch's `sin`.
  public consuming func sin() -> Tensor { ops.unary.sin(consume self) }
  /// The cosine. Torch's `cos`.
  public consuming func cos() -> Tensor { ops.unary.cos(consume self) }
  /// The tangent. Torch's `tan`.
  public consuming func tan() -> Tensor { ops.unary.tan(consume self) }
  /// The angle whose sine is x. Torch's `asin`.
  public consuming func asin() -> Tensor { ops.unary.asin(consume self) }
  /// The angle whose cosine is x. Torch's `acos`.
  public consuming func acos() -> Tensor { ops.unary.acos(consume self) }
  /// The angle whose tangent is x. Torch's `atan`.
  public consuming func atan() -> Tensor { ops.unary.atan(consume self) }
  /// The hyperbolic sine. Torch's `sinh`.
  public consuming func sinh() -> Tensor { ops.unary.sinh(consume self) }
  /// The hyperbolic cosine. Torch's `cosh`.
  public consuming func cosh() -> Tensor { ops.unary.cosh(consume self) }
  /// The hyperbolic tangent. Torch's `tanh`.
  public consuming func tanh() -> Tensor { ops.unary.tanh(consume self) }
  /// The inverse of ``sinh()``. Torch's `asinh`.
  public consuming func asinh() -> Tensor { ops.unary.asinh(consume self) }
  /// The inverse of ``cosh()``. Torch's `acosh`.
  public consuming func acosh() -> Tensor { ops.unary.acosh(consume self) }
  /// The inverse of ``tanh()``. Torch's `atanh`.
  public consuming func atanh() -> Tensor { ops.unary.atanh(consume self) }
  /// The error function. Torch's `erf`.
  public consuming func erf() -> Tensor { ops.unary.erf(consume self) }
  /// 1 − erf(x), exact for large x. Torch's `erfc`.
  public consuming func erfc() -> Tensor { ops.unary.erfc(consume self) }
  /// 1 / (1 + e⁻ˣ). Torch's `sigmoid`.
  public consuming func sigmoid() -> Tensor { ops.unary.sigmoid(consume self) }
  /// Where x is not a number. Torch's `isnan`.
  public consuming func isNaN() -> Tensor { ops.unary.isNaN(consume self) }
  /// Where x is infinite. Torch's `isinf`.
  public consuming func isInf() -> Tensor { ops.unary.isInf(consume self) }
  /// Where x is neither infinite nor NaN. Torch's `isfinite`.
  public consuming func isFinite() -> Tensor { ops.unary.isFinite(consume self) }
  /// Where x is 0. Torch's `logical_not`.
  public consuming func logicalNot() -> Tensor { ops.unary.logicalNot(consume self) }

  /// x². Torch's `square`.
  public consuming func square() -> Tensor { ops.unary.square(consume self, .squared) }
  /// Every bit of an integer, or a boolean, turned round. Torch's `bitwise_not`.
  public consuming func bitwiseNot() -> Tensor { Tensor.bitwiseNot(dtype)(consume self) }
  /// The bits inverted; the negation of booleans. Torch's `bitwise_not`.
  public static prefix func ~ (x: consuming Tensor) -> Tensor { x.bitwiseNot() }

  /// The bits of a boolean are one.
  fileprivate static func bitwiseNot(_ dtype: DType) -> Operator<PointwiseArguments> {
    dtype == .bool ? ops.unary.logicalNot : ops.unary.bitwiseNot
  }

  /// log(x / (1 − x)), with x held between `eps` and 1 − `eps` if it is given. Torch's `logit`.
  public consuming func logit(eps: Double? = nil) -> Tensor {
    guard let eps else { return ops.unary.logit(consume self) }
    return ops.unary.logitClamped(consume self, PointwiseArguments(scalars: Scalars(Number(eps), Number(1 - eps))))
  }
}

extension PointwiseArguments {
  /// A power by a whole number, which makes numbers of booleans.
  fileprivate static let squared = PointwiseArguments(number: .integer)
}
