import CKernels

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension Program {
  /// The outputs for one element, in Double with the C library's functions: the reference kernels are tested against.
  func evaluate(_ inputs: [Double], scalars: [Double] = []) -> [Double] {
    var results: [Double] = []
    func value(_ operand: Operand) -> Double {
      switch operand {
      case .input(let i): inputs[i]
      case .scalar(let i): scalars[i]
      case .constant(let number): number.double
      case .result(let i): results[i]
      }
    }
    for step in instructions {
      let a = value(step.a)
      results.append(step.primitive.evaluate(a, step.b.map(value) ?? 0, step.c.map(value) ?? 0))
    }
    return outputs.map(value)
  }

  /// The outputs for one element in 64-bit integers, which wrap; nil if a primitive has no meaning there.
  func evaluate(_ inputs: [Int64], scalars: [Int64] = []) -> [Int64]? {
    var results: [Int64] = []
    func value(_ operand: Operand) -> Int64 {
      switch operand {
      case .input(let i): inputs[i]
      case .scalar(let i): scalars[i]
      case .constant(let number): number.integer
      case .result(let i): results[i]
      }
    }
    for step in instructions {
      guard let function = Primitive.integers[step.primitive] else { return nil }
      results.append(function(value(step.a), step.b.map(value) ?? 0, step.c.map(value) ?? 0))
    }
    return outputs.map(value)
  }
}

extension fb_primitive {
  func evaluate(_ a: Double, _ b: Double = 0, _ c: Double = 0) -> Double {
    fb_primitive.reals[self]?(a, b, c) ?? .nan
  }

  typealias Real = @Sendable (Double, Double, Double) -> Double
  typealias Integer = @Sendable (Int64, Int64, Int64) -> Int64

  static let reals: [fb_primitive: Real] = [
    fb_copy: { a, _, _ in a }, fb_neg: { a, _, _ in -a }, fb_abs: { a, _, _ in Swift.abs(a) },
    fb_sign: { a, _, _ in a > 0 ? 1 : a < 0 ? -1 : 0 }, fb_floor: { a, _, _ in a.rounded(.down) },
    fb_ceil: { a, _, _ in a.rounded(.up) }, fb_round: { a, _, _ in a.rounded(.toNearestOrEven) },
    fb_trunc: { a, _, _ in a.rounded(.towardZero) },
    fb_sqrt: { a, _, _ in a.squareRoot() }, fb_rsqrt: { a, _, _ in 1 / a.squareRoot() },
    fb_reciprocal: { a, _, _ in 1 / a }, fb_square: { a, _, _ in a * a },
    fb_exp: { a, _, _ in exp(a) }, fb_expm1: { a, _, _ in expm1(a) }, fb_exp2: { a, _, _ in exp2(a) },
    fb_log: { a, _, _ in log(a) }, fb_log1p: { a, _, _ in log1p(a) }, fb_log2: { a, _, _ in log2(a) },
    fb_log10: { a, _, _ in log10(a) },
    fb_sin: { a, _, _ in sin(a) }, fb_cos: { a, _, _ in cos(a) }, fb_tan: { a, _, _ in tan(a) },
    fb_asin: { a, _, _ in asin(a) }, fb_acos: { a, _, _ in acos(a) }, fb_atan: { a, _, _ in atan(a) },
    fb_sinh: { a, _, _ in sinh(a) }, fb_cosh: { a, _, _ in cosh(a) }, fb_tanh: { a, _, _ in tanh(a) },
    fb_asinh: { a, _, _ in asinh(a) }, fb_acosh: { a, _, _ in acosh(a) }, fb_atanh: { a, _, _ in atanh(a) },
    fb_lgamma: { a, _, _ in fb_log_gamma(a) }, fb_digamma: { a, _, _ in Special.digamma(a) },
    fb_erfinv: { a, _, _ in Special.erfinv(a) }, fb_i0: { a, _, _ in Special.bessel(0, a) },
    fb_i0e: { a, _, _ in Special.bessel(0, a) * exp(-Swift.abs(a)) }, fb_i1: { a, _, _ in Special.bessel(1, a) },
    fb_i1e: { a, _, _ in Special.bessel(1, a) * exp(-Swift.abs(a)) },
    fb_erfcx: { a, _, _ in Special.erfcx(a) }, fb_ndtri: { a, _, _ in Special.ndtri(a) },
    fb_igamma: { a, b, _ in Special.igamma(a, b) }, fb_igammac: { a, b, _ in 1 - Special.igamma(a, b) },
    fb_hypot: { a, b, _ in hypot(a, b) }, fb_zeta: { a, b, _ in fb_hurwitz_zeta(a, b) },
    fb_next_after: { a, b, _ in nextafter(a, b) },
    fb_erf: { a, _, _ in erf(a) }, fb_erfc: { a, _, _ in erfc(a) }, fb_sigmoid: { a, _, _ in logistic(a) },
    fb_softplus: { a, _, _ in a.isNaN ? a : Swift.max(a, 0) + log1p(exp(-Swift.abs(a))) },
    fb_relu: { a, _, _ in a < 0 ? 0 : a }, fb_silu: { a, _, _ in a / (1 + exp(-a)) },
    fb_gelu: { a, _, _ in a * normal(a) },
    fb_gelu_tanh: { a, _, _ in a * logistic(2 * tanhArgument(a)) },
    fb_gelu_slope: { a, _, _ in normal(a) + a * exp(-a * a / 2) * 0.3989422804014327 },
    fb_gelu_tanh_slope: { a, _, _ in
      let s = logistic(2 * tanhArgument(a))
      return s + a * 2 * s * logistic(-2 * tanhArgument(a)) * 0.7978845608028654 * (1 + 3 * 0.044715 * a * a)
    },
    fb_silu_slope: { a, _, _ in logistic(a) * (1 + a * logistic(-a)) },
    fb_is_nan: { a, _, _ in a.isNaN ? 1 : 0 }, fb_is_inf: { a, _, _ in a.isInfinite ? 1 : 0 },
    fb_is_finite: { a, _, _ in a.isFinite ? 1 : 0 }, fb_logical_not: { a, _, _ in a == 0 ? 1 : 0 },
    fb_add: { a, b, _ in a + b }, fb_sub: { a, b, _ in a - b }, fb_mul: { a, b, _ in a * b },
    fb_div: { a, b, _ in a / b },
    fb_min: { a, b, _ in a.isNaN || b.isNaN ? .nan : Swift.min(a, b) },
    fb_max: { a, b, _ in a.isNaN || b.isNaN ? .nan : Swift.max(a, b) },
    fb_pow: { a, b, _ in pow(a, b) }, fb_atan2: { a, b, _ in atan2(a, b) }, fb_fmod: { a, b, _ in fmod(a, b) },
    fb_remainder: { a, b, _ in
      let r = fmod(a, b)
      return r != 0 && (r < 0) != (b < 0) ? r + b : r
    },
    fb_floor_div: { a, b, _ in
      // Python's: the quotient that belongs to the remainder.
      if b == 0 { return a / b }
      let r = fmod(a, b)
      let quotient = (a - r) / b - (r != 0 && (r < 0) != (b < 0) ? 1 : 0)
      if quotient == 0 { return copysign(0, a / b) }
      let whole = quotient.rounded(.down)
      return quotient - whole > 0.5 ? whole + 1 : whole
    },
    fb_copysign: { a, b, _ in copysign(a, b) },
    fb_eq: { a, b, _ in a == b ? 1 : 0 }, fb_ne: { a, b, _ in a != b ? 1 : 0 }, fb_lt: { a, b, _ in a < b ? 1 : 0 },
    fb_le: { a, b, _ in a <= b ? 1 : 0 }, fb_gt: { a, b, _ in a > b ? 1 : 0 }, fb_ge: { a, b, _ in a >= b ? 1 : 0 },
    fb_logical_and: { a, b, _ in a != 0 && b != 0 ? 1 : 0 }, fb_logical_or: { a, b, _ in a != 0 || b != 0 ? 1 : 0 },
    fb_logical_xor: { a, b, _ in (a != 0) != (b != 0) ? 1 : 0 },
    fb_fma: { a, b, c in fma(a, b, c) }, fb_select: { a, b, c in a != 0 ? b : c },
  ]

  static let integers: [fb_primitive: Integer] = [
    fb_copy: { a, _, _ in a }, fb_neg: { a, _, _ in 0 &- a }, fb_abs: { a, _, _ in a < 0 ? 0 &- a : a },
    fb_sign: { a, _, _ in a.signum() }, fb_square: { a, _, _ in a &* a },
    fb_floor: { a, _, _ in a }, fb_ceil: { a, _, _ in a }, fb_round: { a, _, _ in a }, fb_trunc: { a, _, _ in a },
    fb_relu: { a, _, _ in Swift.max(a, 0) },
    fb_is_nan: { _, _, _ in 0 }, fb_is_inf: { _, _, _ in 0 }, fb_is_finite: { _, _, _ in 1 },
    fb_logical_not: { a, _, _ in a == 0 ? 1 : 0 }, fb_bit_not: { a, _, _ in ~a },
    fb_add: { a, b, _ in a &+ b }, fb_sub: { a, b, _ in a &- b }, fb_mul: { a, b, _ in a &* b },
    fb_min: { a, b, _ in Swift.min(a, b) }, fb_max: { a, b, _ in Swift.max(a, b) },
    fb_div: { a, b, _ in b == 0 ? 0 : b == -1 ? 0 &- a : a / b },
    fb_fmod: { a, b, _ in b == 0 || b == -1 ? 0 : a % b },
    fb_remainder: { a, b, _ in
      if b == 0 || b == -1 { return 0 }
      let r = a % b
      return r != 0 && (r < 0) != (b < 0) ? r + b : r
    },
    fb_floor_div: { a, b, _ in
      if b == 0 { return 0 }
      if b == -1 { return 0 &- a }
      return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0)
    },
    fb_pow: { a, b, _ in
      // A negative power of a whole number is whole only for 1 and -1.
      if b < 0 { return a == 1 ? 1 : a == -1 ? (b & 1 == 0 ? 1 : -1) : 0 }
      var (result, square, rest) = (Int64(1), a, b)
      while rest > 0 {
        if rest & 1 == 1 { result &*= square }
        square &*= square
        rest >>= 1
      }
      return result
    },
    fb_gcd: { a, b, _ in
      var (x, y) = (a.magnitude, b.magnitude)
      while y != 0 { (x, y) = (y, x % y) }
      return Int64(truncatingIfNeeded: x)
    },
    fb_shift_left: { a, b, _ in b < 0 || b > 63 ? 0 : a << b },
    fb_shift_right: { a, b, _ in b < 0 || b > 63 ? a >> 63 : a >> b },
    fb_eq: { a, b, _ in a == b ? 1 : 0 }, fb_ne: { a, b, _ in a != b ? 1 : 0 }, fb_lt: { a, b, _ in a < b ? 1 : 0 },
    fb_le: { a, b, _ in a <= b ? 1 : 0 }, fb_gt: { a, b, _ in a > b ? 1 : 0 }, fb_ge: { a, b, _ in a >= b ? 1 : 0 },
    fb_logical_and: { a, b, _ in a != 0 && b != 0 ? 1 : 0 }, fb_logical_or: { a, b, _ in a != 0 || b != 0 ? 1 : 0 },
    fb_logical_xor: { a, b, _ in (a != 0) != (b != 0) ? 1 : 0 },
    fb_bit_and: { a, b, _ in a & b }, fb_bit_or: { a, b, _ in a | b }, fb_bit_xor: { a, b, _ in a ^ b },
    fb_fma: { a, b, c in a &* b &+ c }, fb_select: { a, b, c in a != 0 ? b : c },
  ]
}

private func logistic(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
private func normal(_ x: Double) -> Double { 0.5 * erfc(-x * 0.7071067811865476) }
private func tanhArgument(_ x: Double) -> Double { 0.7978845608028654 * (x + 0.044715 * x * x * x) }
