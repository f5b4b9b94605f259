import CKernels

@testable import Flambeau

/// Programs nobody would write.
enum RandomProgram {
  /// Primitives that are tame on any real number: errors stay small, so results can be compared.
  static let tame: [Primitive] = [
    fb_neg, fb_abs, fb_sigmoid, fb_tanh, fb_erf, fb_relu, fb_sin, fb_cos, fb_atan, fb_add, fb_sub, fb_mul, fb_min, fb_max,
    fb_fma, fb_select, fb_square, fb_silu, fb_gelu, fb_softplus,
  ]
  static let integers: [Primitive] = [
    fb_neg, fb_abs, fb_sign, fb_add, fb_sub, fb_mul, fb_min, fb_max, fb_eq, fb_lt, fb_ge, fb_select, fb_logical_not,
    fb_bit_and, fb_bit_or, fb_bit_xor, fb_bit_not, fb_square,
  ]

  static func make(
    steps: Int, inputs: Int, scalars: Int, outputs: Int, from primitives: [Primitive] = tame,
    using random: inout some RandomNumberGenerator
  ) -> Program {
    var values: [Scalar] = (0..<inputs).map { .input($0) } + (0..<scalars).map { .scalar($0) } + [0.5, 2, Scalar(-1.25)]
    func pick() -> Scalar {
      // Recent results more often, so that programs are deep.
      let recent = Bool.random(using: &random) ? Swift.min(values.count, 4) : values.count
      return values[values.count - 1 - Int.random(in: 0..<recent, using: &random)]
    }
    for _ in 0..<steps {
      let primitive = primitives.randomElement(using: &random)!
      values.append(
        .apply(primitive, pick(), primitive.arity > 1 ? pick() : nil, primitive.arity > 2 ? pick() : nil))
    }
    return Program(inputs: inputs, scalars: scalars, outputs: Array(values.suffix(outputs)))
  }
}
