import CKernels
import Testing

private let inf = Double.infinity, nan = Double.nan

/// Operands and the value torch gives, in both float classes. −0 and 0 differ.
struct SpecialValue: CustomTestStringConvertible, Sendable {
  let primitive: fb_primitive
  /// The operands, then the result.
  let cases: [[Double]]

  var testDescription: String { primitive.name }

  static let table = [
    SpecialValue(primitive: fb_neg, cases: [[0, -0.0], [inf, -inf], [nan, nan]]),
    SpecialValue(primitive: fb_abs, cases: [[-0.0, 0], [-inf, inf], [nan, nan]]),
    SpecialValue(primitive: fb_sign, cases: [[-0.0, 0], [-inf, -1], [3, 1], [nan, 0]]),
    SpecialValue(primitive: fb_floor, cases: [[-0.0, -0.0], [-0.5, -1], [1.5, 1], [inf, inf], [nan, nan], [1e30, 1e30]]),
    SpecialValue(primitive: fb_ceil, cases: [[-0.5, -0.0], [0.5, 1], [-1.5, -1], [-inf, -inf], [nan, nan], [-0.0, -0.0]]),
    SpecialValue(
      primitive: fb_round, cases: [[0.5, 0], [1.5, 2], [2.5, 2], [-0.5, -0.0], [-1.5, -2], [nan, nan], [inf, inf]]),
    SpecialValue(primitive: fb_trunc, cases: [[-1.7, -1], [1.7, 1], [-0.3, -0.0], [inf, inf], [nan, nan]]),
    SpecialValue(primitive: fb_sqrt, cases: [[-0.0, -0.0], [-1, nan], [inf, inf], [nan, nan]]),
    SpecialValue(primitive: fb_rsqrt, cases: [[0, inf], [-0.0, -inf], [inf, 0], [-1, nan]]),
    SpecialValue(primitive: fb_reciprocal, cases: [[0, inf], [-0.0, -inf], [-inf, -0.0], [nan, nan]]),
    SpecialValue(
      primitive: fb_exp, cases: [[0, 1], [-0.0, 1], [inf, inf], [-inf, 0], [nan, nan], [1000, inf], [-1000, 0]]),
    SpecialValue(primitive: fb_expm1, cases: [[-0.0, -0.0], [0, 0], [inf, inf], [-inf, -1], [nan, nan], [1000, inf]]),
    SpecialValue(primitive: fb_exp2, cases: [[3, 8], [-inf, 0], [inf, inf], [nan, nan], [-4, 0.0625], [2000, inf]]),
    SpecialValue(
      primitive: fb_log, cases: [[0, -inf], [-0.0, -inf], [1, 0], [-1, nan], [inf, inf], [nan, nan], [-inf, nan]]),
    SpecialValue(primitive: fb_log1p, cases: [[-1, -inf], [-0.0, -0.0], [0, 0], [-2, nan], [inf, inf], [nan, nan]]),
    SpecialValue(primitive: fb_log2, cases: [[0, -inf], [8, 3], [0.25, -2], [-1, nan], [inf, inf], [nan, nan]]),
    SpecialValue(primitive: fb_log10, cases: [[0, -inf], [1, 0], [-1, nan], [inf, inf], [nan, nan]]),
    SpecialValue(primitive: fb_sin, cases: [[0, 0], [-0.0, -0.0], [inf, nan], [nan, nan]]),
    SpecialValue(primitive: fb_cos, cases: [[0, 1], [-0.0, 1], [-inf, nan], [nan, nan]]),
    SpecialValue(primitive: fb_tan, cases: [[0, 0], [-0.0, -0.0], [inf, nan], [nan, nan]]),
    SpecialValue(primitive: fb_asin, cases: [[-0.0, -0.0], [1.1, nan], [nan, nan], [-2, nan]]),
    SpecialValue(primitive: fb_acos, cases: [[1, 0], [-1.1, nan], [nan, nan], [inf, nan]]),
    SpecialValue(primitive: fb_atan, cases: [[-0.0, -0.0], [nan, nan]]),
    SpecialValue(primitive: fb_sinh, cases: [[-0.0, -0.0], [inf, inf], [-inf, -inf], [nan, nan], [-1000, -inf]]),
    SpecialValue(primitive: fb_cosh, cases: [[0, 1], [-inf, inf], [inf, inf], [nan, nan], [1000, inf]]),
    SpecialValue(primitive: fb_tanh, cases: [[-0.0, -0.0], [0, 0], [inf, 1], [-inf, -1], [nan, nan], [50, 1]]),
    SpecialValue(primitive: fb_asinh, cases: [[-0.0, -0.0], [inf, inf], [-inf, -inf], [nan, nan]]),
    SpecialValue(primitive: fb_acosh, cases: [[1, 0], [0.5, nan], [inf, inf], [nan, nan], [-5, nan], [-inf, nan]]),
    SpecialValue(primitive: fb_atanh, cases: [[-0.0, -0.0], [1, inf], [-1, -inf], [1.5, nan], [nan, nan]]),
    SpecialValue(primitive: fb_erf, cases: [[-0.0, -0.0], [inf, 1], [-inf, -1], [nan, nan]]),
    SpecialValue(primitive: fb_erfc, cases: [[0, 1], [inf, 0], [-inf, 2], [nan, nan], [40, 0]]),
    SpecialValue(primitive: fb_sigmoid, cases: [[0, 0.5], [inf, 1], [-inf, 0], [nan, nan]]),
    SpecialValue(primitive: fb_softplus, cases: [[inf, inf], [-inf, 0], [nan, nan], [1000, 1000]]),
    SpecialValue(primitive: fb_relu, cases: [[-1, 0], [-0.0, -0.0], [inf, inf], [-inf, 0], [nan, nan]]),
    SpecialValue(primitive: fb_silu, cases: [[inf, inf], [-inf, nan], [nan, nan], [-0.0, -0.0], [-1000, -0.0]]),
    SpecialValue(primitive: fb_gelu, cases: [[inf, inf], [-inf, nan], [nan, nan], [-0.0, -0.0], [-50, -0.0]]),
    SpecialValue(primitive: fb_gelu_tanh, cases: [[inf, inf], [-inf, nan], [nan, nan], [-0.0, -0.0], [-50, -0.0]]),
    SpecialValue(primitive: fb_gelu_slope, cases: [[0, 0.5], [-0.0, 0.5], [inf, 1], [nan, nan]]),
    SpecialValue(primitive: fb_gelu_tanh_slope, cases: [[0, 0.5], [-0.0, 0.5], [inf, 1], [nan, nan]]),
    SpecialValue(primitive: fb_silu_slope, cases: [[0, 0.5], [inf, 1], [nan, nan]]),
    SpecialValue(primitive: fb_is_nan, cases: [[nan, 1], [inf, 0], [0, 0]]),
    SpecialValue(primitive: fb_is_inf, cases: [[nan, 0], [-inf, 1], [inf, 1], [1e30, 0]]),
    SpecialValue(primitive: fb_is_finite, cases: [[nan, 0], [-inf, 0], [-3, 1]]),
    SpecialValue(primitive: fb_logical_not, cases: [[nan, 0], [-0.0, 1], [0.5, 0]]),
    SpecialValue(primitive: fb_min, cases: [[nan, 1, nan], [1, nan, nan], [-inf, 1, -inf], [2, 1, 1]]),
    SpecialValue(primitive: fb_max, cases: [[nan, 1, nan], [1, nan, nan], [-inf, 1, 1], [2, 1, 2]]),
    SpecialValue(
      primitive: fb_pow,
      cases: [
        [-2, 3, -8], [-2, 2, 4], [-2, 0.5, nan], [0, -1, inf], [-0.0, -1, -inf], [-0.0, -2, inf], [-0.0, 3, -0.0],
        [-inf, 3, -inf], [-inf, 0.5, inf], [-inf, -3, -0.0], [1, nan, 1], [nan, 0, 1], [nan, 1, nan], [2, nan, nan],
        [-1, inf, 1], [-1, -inf, 1], [0.5, inf, 0], [2, inf, inf], [2, -inf, 0], [1, inf, 1], [-1, nan, nan], [9, 0.5, 3],
        [inf, 0, 1], [0, 0, 1], [-8, 1.0 / 3, nan],
      ]),
    SpecialValue(
      primitive: fb_atan2,
      cases: [
        [0, 1, 0], [-0.0, 1, -0.0], [0, 0, 0], [-0.0, 0, -0.0], [1, inf, 0], [-1, inf, -0.0], [nan, 1, nan], [1, nan, nan],
      ]),
    SpecialValue(
      primitive: fb_fmod,
      cases: [
        [7, 3, 1], [-7, 3, -1], [7, -3, 1], [-7, -3, -1], [-6, 3, -0.0], [0, 3, 0], [-0.0, 3, -0.0], [1, 0, nan], [inf, 2, nan],
        [2, inf, 2], [-2, inf, -2], [nan, 1, nan], [1, nan, nan], [5.5, 0, nan],
      ]),
    SpecialValue(
      primitive: fb_remainder,
      cases: [
        [7, 3, 1], [-7, 3, 2], [7, -3, -2], [-7, -3, -1], [-6, 3, -0.0], [1, 0, nan], [inf, 2, nan], [2, inf, 2], [-2, inf, inf],
        [2, -inf, -inf], [-2, -inf, -2], [nan, 1, nan],
      ]),
    SpecialValue(
      primitive: fb_floor_div,
      cases: [
        [7, 3, 2], [-7, 3, -3], [7, -3, -3], [-7, -3, 2], [0, 3, 0], [-0.0, 3, -0.0], [0, -3, -0.0], [1, 0, inf], [-1, 0, -inf],
        [0, 0, nan], [inf, 2, nan], [2, inf, 0], [-2, inf, -1], [2, -inf, -1], [-2, -inf, 0], [inf, inf, nan], [1, -0.0, -inf],
      ]),
    SpecialValue(primitive: fb_copysign, cases: [[1, -0.0, -1], [-2, 3, 2], [inf, -1, -inf]]),
    SpecialValue(primitive: fb_eq, cases: [[nan, nan, 0], [0, -0.0, 1], [1, 2, 0]]),
    SpecialValue(primitive: fb_ne, cases: [[nan, nan, 1], [0, -0.0, 0], [1, 2, 1]]),
    SpecialValue(primitive: fb_lt, cases: [[nan, 1, 0], [1, 2, 1], [2, 2, 0], [1, nan, 0]]),
    SpecialValue(primitive: fb_le, cases: [[nan, 1, 0], [2, 2, 1], [3, 2, 0]]),
    SpecialValue(primitive: fb_gt, cases: [[nan, 1, 0], [2, 1, 1], [2, 2, 0]]),
    SpecialValue(primitive: fb_ge, cases: [[nan, 1, 0], [2, 2, 1], [1, 2, 0]]),
    SpecialValue(primitive: fb_logical_and, cases: [[nan, 1, 1], [0, 1, 0], [-0.0, 1, 0], [2, 3, 1]]),
    SpecialValue(primitive: fb_logical_or, cases: [[0, -0.0, 0], [nan, 0, 1], [0, 2, 1]]),
    SpecialValue(primitive: fb_logical_xor, cases: [[0, 2, 1], [nan, 1, 0], [0, 0, 0]]),
    SpecialValue(primitive: fb_select, cases: [[nan, 1, 2, 1], [0, 1, 2, 2], [-0.0, nan, 2, 2], [3, -0.0, 2, -0.0]]),
    SpecialValue(primitive: fb_fma, cases: [[2, 3, 4, 10], [inf, 0, 1, nan], [1, nan, 1, nan]]),
  ]
}

@Suite struct MapSpecialValueTests {
  @Test(arguments: InstructionSet.available, SpecialValue.table)
  func asTorch(_ set: InstructionSet, _ value: SpecialValue) throws {
    // Long enough to go through the loop as well as its end.
    for repetition in [1, 40] {
      let operands = (0..<value.primitive.arity).map { k in value.cases.flatMap { [Double](repeating: $0[k], count: repetition) }
      }
      let expected = value.cases.flatMap { [Double](repeating: $0.last!, count: repetition) }
      let last = operands.count - 1
      let got = try #require(set.apply(value.primitive, operands[0], operands[min(1, last)], operands[last]))
      let single = operands.map { $0.map { Float($0) } }
      let got32 = try #require(set.apply(value.primitive, single[0], single[min(1, last)], single[last]))
      for i in expected.indices {
        let inputs = operands.map { $0[i] }
        #expect(identical(got[i], expected[i]), "float64 of \(inputs) is \(got[i]), not \(expected[i])")
        #expect(identical(got32[i], Float(expected[i])), "float32 of \(inputs) is \(got32[i]), not \(expected[i])")
      }
    }
  }
}
