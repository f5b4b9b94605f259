import CKernels
import Testing

private func wrappingPower(_ base: Int64, _ exponent: Int64) -> Int64 {
  if exponent < 0 { return base == 1 ? 1 : base == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0 }
  return (0..<exponent).reduce(1) { result, _ in result &* base }
}

private func floorQuotient(_ a: Int64, _ b: Int64) -> Int64 {
  if b == 0 { return 0 }
  let (q, r) = (a.dividedReportingOverflow(by: b).partialValue, a.remainderReportingOverflow(dividingBy: b).partialValue)
  return r != 0 && (r < 0) != (b < 0) ? q - 1 : q
}

private func fmod(_ a: Int64, _ b: Int64) -> Int64 { b == 0 ? 0 : a.remainderReportingOverflow(dividingBy: b).partialValue }

private func divisor(_ a: Int64, _ b: Int64) -> Int64 {
  var (x, y) = (a.magnitude, b.magnitude)
  while x != 0 && y != 0 { if x > y { x %= y } else { y %= x } }
  return Int64(truncatingIfNeeded: x | y)
}

private func number(_ truth: Bool) -> Int64 { truth ? 1 : 0 }

@Suite struct MapIntegerTests {
  static let reference: [(fb_primitive, @Sendable (Int64, Int64, Int64) -> Int64)] = [
    (fb_copy, { a, _, _ in a }), (fb_neg, { a, _, _ in 0 &- a }), (fb_abs, { a, _, _ in a < 0 ? 0 &- a : a }),
    (fb_sign, { a, _, _ in a.signum() }), (fb_floor, { a, _, _ in a }), (fb_ceil, { a, _, _ in a }),
    (fb_round, { a, _, _ in a }), (fb_trunc, { a, _, _ in a }), (fb_square, { a, _, _ in a &* a }),
    (fb_relu, { a, _, _ in max(a, 0) }), (fb_is_nan, { _, _, _ in 0 }), (fb_is_inf, { _, _, _ in 0 }),
    (fb_is_finite, { _, _, _ in 1 }), (fb_logical_not, { a, _, _ in number(a == 0) }), (fb_bit_not, { a, _, _ in ~a }),
    (fb_add, { a, b, _ in a &+ b }), (fb_sub, { a, b, _ in a &- b }), (fb_mul, { a, b, _ in a &* b }),
    (fb_min, { a, b, _ in min(a, b) }), (fb_max, { a, b, _ in max(a, b) }),
    (fb_fmod, { a, b, _ in fmod(a, b) }),
    (fb_remainder, { a, b, _ in fmod(a, b) != 0 && (fmod(a, b) < 0) != (b < 0) ? fmod(a, b) &+ b : fmod(a, b) }),
    (fb_gcd, { a, b, _ in divisor(a, b) }), (fb_floor_div, { a, b, _ in floorQuotient(a, b) }),
    (fb_eq, { a, b, _ in number(a == b) }), (fb_ne, { a, b, _ in number(a != b) }), (fb_lt, { a, b, _ in number(a < b) }),
    (fb_le, { a, b, _ in number(a <= b) }), (fb_gt, { a, b, _ in number(a > b) }), (fb_ge, { a, b, _ in number(a >= b) }),
    (fb_logical_and, { a, b, _ in number(a != 0 && b != 0) }), (fb_logical_or, { a, b, _ in number(a != 0 || b != 0) }),
    (fb_logical_xor, { a, b, _ in number((a != 0) != (b != 0)) }),
    (fb_bit_and, { a, b, _ in a & b }), (fb_bit_or, { a, b, _ in a | b }), (fb_bit_xor, { a, b, _ in a ^ b }),
    (fb_shift_left, { a, b, _ in b < 0 || b > 63 ? 0 : a << b }),
    (fb_shift_right, { a, b, _ in b < 0 || b > 63 ? (a < 0 ? -1 : 0) : a >> b }),
    (fb_fma, { a, b, c in a &* b &+ c }), (fb_select, { a, b, c in a != 0 ? b : c }),
  ]

  static let values: [Int64] = [0, 1, -1, 2, -2, 3, 7, -7, 62, 63, 64, 65, -63, 1 << 40, -(1 << 40), .max, .min, .min + 1]

  @Test(arguments: InstructionSet.available)
  func everyPairOfValues(_ set: InstructionSet) throws {
    let n = Self.values.count
    let a = (0..<n * n).map { Self.values[$0 / n] }, b = (0..<n * n).map { Self.values[$0 % n] }
    let c = (0..<n * n).map { Self.values[($0 * 5 + 2) % n] }
    for (primitive, reference) in Self.reference {
      let got = try #require(set.apply(primitive, a, b, c), "\(primitive.name)")
      for i in a.indices where got[i] != reference(a[i], b[i], c[i]) {
        Issue.record("\(primitive.name)(\(a[i]), \(b[i]), \(c[i])) is \(got[i]), not \(reference(a[i], b[i], c[i]))")
      }
    }
  }

  @Test(arguments: InstructionSet.available)
  func powersWrap(_ set: InstructionSet) throws {
    let bases: [Int64] = [0, 1, -1, 2, -2, 3, -7, 10, 1 << 33],
      exponents: [Int64] = [-3, -2, -1, 0, 1, 2, 3, 5, 31, 62, 63, 64, 100]
    let a = bases.flatMap { [Int64](repeating: $0, count: exponents.count) }
    let b = bases.flatMap { _ in exponents }
    let got = try #require(set.apply(fb_pow, a, b))
    for i in a.indices { #expect(got[i] == wrappingPower(a[i], b[i]), "\(a[i]) to \(b[i])") }
  }

  @Test(arguments: InstructionSet.available)
  func whatHasNoMeaningIsAbsent(_ set: InstructionSet) {
    let tested = Set(Self.reference.map(\.0.rawValue) + [fb_pow.rawValue])
    for primitive in allPrimitives {
      #expect((set.map(primitive, fb_i64) != nil) == tested.contains(primitive.rawValue), "\(primitive.name)")
      let isIntegral = ["gcd", "bit_not", "bit_and", "bit_or", "bit_xor", "shift_left", "shift_right"].contains(primitive.name)
      #expect(
        (set.map(primitive, fb_f32) == nil) == isIntegral && (set.map(primitive, fb_f64) == nil) == isIntegral,
        "\(primitive.name)")
    }
  }
}
