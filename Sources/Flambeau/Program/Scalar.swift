import CKernels

/// A number inside a program that is being written: an expression over the program's inputs.
struct Scalar: Sendable {
  /// Shared expressions are shared nodes, so a program is as long as its distinct steps.
  final class Node: Sendable {
    enum Kind: Sendable {
      case operand(Program.Operand)
      case apply(Primitive, Scalar, Scalar?, Scalar?)
      /// Row programs only: over the row.
      case fold(fb_reduction, Scalar)
      /// Row programs only: the element of an input at the position another input names.
      case pick(input: Int, index: Int)
    }
    let kind: Kind
    init(_ kind: Kind) { self.kind = kind }
  }

  let node: Node

  private init(_ kind: Node.Kind) { node = Node(kind) }

  init(_ number: Number) { self.init(.operand(.constant(number))) }
  init(_ value: Double) { self.init(Number(value)) }

  static func input(_ i: Int) -> Scalar { Scalar(.operand(.input(i))) }
  static func scalar(_ i: Int) -> Scalar { Scalar(.operand(.scalar(i))) }

  static func fold(_ reduction: fb_reduction, _ x: Scalar) -> Scalar { Scalar(.fold(reduction, x)) }
  static func pick(input: Int, index: Int) -> Scalar { Scalar(.pick(input: input, index: index)) }

  /// The value of a constant expression.
  var constant: Number? {
    if case .operand(.constant(let number)) = node.kind { return number }
    return nil
  }

  static func apply(_ primitive: Primitive, _ a: Scalar, _ b: Scalar? = nil, _ c: Scalar? = nil) -> Scalar {
    simplified(primitive, a, b, c) ?? Scalar(.apply(primitive, a, b, c))
  }
}

extension Scalar: ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
  init(floatLiteral value: Double) { self.init(Number(value)) }
  init(integerLiteral value: Int64) { self.init(Number(value)) }
}

extension Scalar {
  static var nan: Scalar { Scalar(Double.nan) }
  static var infinity: Scalar { Scalar(Double.infinity) }

  static func + (a: Scalar, b: Scalar) -> Scalar { .apply(fb_add, a, b) }
  static func - (a: Scalar, b: Scalar) -> Scalar { .apply(fb_sub, a, b) }
  static func * (a: Scalar, b: Scalar) -> Scalar { .apply(fb_mul, a, b) }
  static func / (a: Scalar, b: Scalar) -> Scalar { .apply(fb_div, a, b) }
  static prefix func - (a: Scalar) -> Scalar { .apply(fb_neg, a) }
}

// Functions of one number.
func copy(_ x: Scalar) -> Scalar { .apply(fb_copy, x) }
func abs(_ x: Scalar) -> Scalar { .apply(fb_abs, x) }
func sign(_ x: Scalar) -> Scalar { .apply(fb_sign, x) }
func floor(_ x: Scalar) -> Scalar { .apply(fb_floor, x) }
func ceil(_ x: Scalar) -> Scalar { .apply(fb_ceil, x) }
func round(_ x: Scalar) -> Scalar { .apply(fb_round, x) }
func trunc(_ x: Scalar) -> Scalar { .apply(fb_trunc, x) }
func sqrt(_ x: Scalar) -> Scalar { .apply(fb_sqrt, x) }
func rsqrt(_ x: Scalar) -> Scalar { .apply(fb_rsqrt, x) }
func reciprocal(_ x: Scalar) -> Scalar { .apply(fb_reciprocal, x) }
func square(_ x: Scalar) -> Scalar { .apply(fb_square, x) }
func exp(_ x: Scalar) -> Scalar { .apply(fb_exp, x) }
func expm1(_ x: Scalar) -> Scalar { .apply(fb_expm1, x) }
func exp2(_ x: Scalar) -> Scalar { .apply(fb_exp2, x) }
func log(_ x: Scalar) -> Scalar { .apply(fb_log, x) }
func log1p(_ x: Scalar) -> Scalar { .apply(fb_log1p, x) }
func log2(_ x: Scalar) -> Scalar { .apply(fb_log2, x) }
func log10(_ x: Scalar) -> Scalar { .apply(fb_log10, x) }
func sin(_ x: Scalar) -> Scalar { .apply(fb_sin, x) }
func cos(_ x: Scalar) -> Scalar { .apply(fb_cos, x) }
func tan(_ x: Scalar) -> Scalar { .apply(fb_tan, x) }
func asin(_ x: Scalar) -> Scalar { .apply(fb_asin, x) }
func acos(_ x: Scalar) -> Scalar { .apply(fb_acos, x) }
func atan(_ x: Scalar) -> Scalar { .apply(fb_atan, x) }
func sinh(_ x: Scalar) -> Scalar { .apply(fb_sinh, x) }
func cosh(_ x: Scalar) -> Scalar { .apply(fb_cosh, x) }
func tanh(_ x: Scalar) -> Scalar { .apply(fb_tanh, x) }
func asinh(_ x: Scalar) -> Scalar { .apply(fb_asinh, x) }
func acosh(_ x: Scalar) -> Scalar { .apply(fb_acosh, x) }
func atanh(_ x: Scalar) -> Scalar { .apply(fb_atanh, x) }
func erf(_ x: Scalar) -> Scalar { .apply(fb_erf, x) }
func erfc(_ x: Scalar) -> Scalar { .apply(fb_erfc, x) }
func lgamma(_ x: Scalar) -> Scalar { .apply(fb_lgamma, x) }
func digamma(_ x: Scalar) -> Scalar { .apply(fb_digamma, x) }
func erfinv(_ x: Scalar) -> Scalar { .apply(fb_erfinv, x) }
func i0(_ x: Scalar) -> Scalar { .apply(fb_i0, x) }
func i0e(_ x: Scalar) -> Scalar { .apply(fb_i0e, x) }
func i1(_ x: Scalar) -> Scalar { .apply(fb_i1, x) }
func i1e(_ x: Scalar) -> Scalar { .apply(fb_i1e, x) }
func erfcx(_ x: Scalar) -> Scalar { .apply(fb_erfcx, x) }
func ndtri(_ x: Scalar) -> Scalar { .apply(fb_ndtri, x) }
func sigmoid(_ x: Scalar) -> Scalar { .apply(fb_sigmoid, x) }
func softplus(_ x: Scalar) -> Scalar { .apply(fb_softplus, x) }
func relu(_ x: Scalar) -> Scalar { .apply(fb_relu, x) }
func silu(_ x: Scalar) -> Scalar { .apply(fb_silu, x) }
func gelu(_ x: Scalar) -> Scalar { .apply(fb_gelu, x) }
func geluTanh(_ x: Scalar) -> Scalar { .apply(fb_gelu_tanh, x) }
func isNaN(_ x: Scalar) -> Scalar { .apply(fb_is_nan, x) }
func isInf(_ x: Scalar) -> Scalar { .apply(fb_is_inf, x) }
func isFinite(_ x: Scalar) -> Scalar { .apply(fb_is_finite, x) }
func not(_ x: Scalar) -> Scalar { .apply(fb_logical_not, x) }
func bitNot(_ x: Scalar) -> Scalar { .apply(fb_bit_not, x) }

// Functions of two numbers. Comparisons and logic give 1 or 0.
func min(_ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_min, a, b) }
func max(_ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_max, a, b) }
func pow(_ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_pow, a, b) }
func atan2(_ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_atan2, a, b) }
func fmod(_ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_fmod, a, b) }
func remainder(_ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_remainder, a, b) }
func floorDiv(_ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_floor_div, a, b) }
func copysign(_ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_copysign, a, b) }
func hypot(_ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_hypot, a, b) }
/// Σ (q + k)⁻ˢ over k from 0 on.
func zeta(_ s: Scalar, _ q: Scalar) -> Scalar { .apply(fb_zeta, s, q) }
/// The shares of a gamma distribution of shape `a` below and above `x`.
func igamma(_ a: Scalar, _ x: Scalar) -> Scalar { .apply(fb_igamma, a, x) }
func igammac(_ a: Scalar, _ x: Scalar) -> Scalar { .apply(fb_igammac, a, x) }
func nextAfter(_ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_next_after, a, b) }
func gcd(_ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_gcd, a, b) }
func eq(_ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_eq, a, b) }
func ne(_ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_ne, a, b) }
func lt(_ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_lt, a, b) }
func le(_ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_le, a, b) }
func gt(_ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_gt, a, b) }
func ge(_ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_ge, a, b) }
func and(_ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_logical_and, a, b) }
func or(_ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_logical_or, a, b) }
func xor(_ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_logical_xor, a, b) }
func bitAnd(_ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_bit_and, a, b) }
func bitOr(_ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_bit_or, a, b) }
func bitXor(_ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_bit_xor, a, b) }
func shiftLeft(_ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_shift_left, a, b) }
func shiftRight(_ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_shift_right, a, b) }

/// a·b + c, rounded once.
func fma(_ a: Scalar, _ b: Scalar, _ c: Scalar) -> Scalar { .apply(fb_fma, a, b, c) }
/// `a` where `condition` is not 0, else `b`.
func select(_ condition: Scalar, _ a: Scalar, _ b: Scalar) -> Scalar { .apply(fb_select, condition, a, b) }

/// `x` held between the bounds; at a bound the gradient passes, and NaN stays.
func clamp(_ x: Scalar, _ low: Scalar, _ high: Scalar) -> Scalar {
  select(gt(x, high), high, select(lt(x, low), low, x))
}
