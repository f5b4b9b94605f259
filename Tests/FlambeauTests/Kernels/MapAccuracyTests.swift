import CKernels
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

private func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
private func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }
private func density(_ x: Double) -> Double { exp(-x * x / 2) / (2 * Double.pi).squareRoot() }
private func cumulative(_ x: Double) -> Double { 0.5 * erfc(-x / 2.0.squareRoot()) }
private func tanhArgument(_ x: Double) -> Double { 2 * (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x) }
private func geluTanhSlope(_ x: Double) -> Double {
  let s = sigmoid(tanhArgument(x)), rest = sigmoid(-tanhArgument(x))
  return s + x * s * rest * 2 * (2 / Double.pi).squareRoot() * (1 + 3 * 0.044715 * x * x)
}
private func siluSlope(_ x: Double) -> Double { sigmoid(x) + x * sigmoid(x) * sigmoid(-x) }
private func geluSlope(_ x: Double) -> Double { cumulative(x) + x * density(x) }

/// How far from the exact value a function of one operand may be, over the ranges where that is promised.
struct Accuracy: CustomTestStringConvertible, Sendable {
  let primitive: fb_primitive
  /// Units of the last place, float32 and float64 (whose reference errs too).
  let single: Double, double: Double
  let ranges: [ClosedRange<Double>]
  /// An error below this is no error: where a function passes through zero.
  var absolute = 0.0
  let exact: @Sendable (Double) -> Double

  var testDescription: String { primitive.name }

  static let table = [
    Accuracy(primitive: fb_sqrt, single: 0.5, double: 0.5, ranges: [0...100], exact: sqrt),
    Accuracy(primitive: fb_rsqrt, single: 1.5, double: 2.5, ranges: [1e-30...1e30, 0...10]) { 1 / sqrt($0) },
    Accuracy(primitive: fb_reciprocal, single: 0.5, double: 0.5, ranges: [-10...10]) { 1 / $0 },
    Accuracy(primitive: fb_square, single: 0.5, double: 0.5, ranges: [-10...10]) { $0 * $0 },
    Accuracy(primitive: fb_exp, single: 0.8, double: 2, ranges: [-104...89, -1...1], exact: exp),
    Accuracy(primitive: fb_expm1, single: 1.6, double: 3, ranges: [-30...89, -0.5...0.5, -1e-6...1e-6], exact: expm1),
    Accuracy(primitive: fb_exp2, single: 1.3, double: 2, ranges: [-151...129, -1...1], exact: exp2),
    Accuracy(primitive: fb_log, single: 1, double: 2, ranges: [0...1e38, 0...3, 0.99...1.01, 0...1e-38], exact: log),
    Accuracy(primitive: fb_log1p, single: 1.5, double: 2, ranges: [-1...1e38, -1...3, -1e-3...1e-3], exact: log1p),
    Accuracy(primitive: fb_log2, single: 1.8, double: 3, ranges: [0...1e38, 0...3, 0.99...1.01], exact: log2),
    Accuracy(primitive: fb_log10, single: 0.6, double: 3, ranges: [0...1e38, 0...3, 0.99...1.01], exact: log10),
    Accuracy(primitive: fb_sin, single: 1.8, double: 2, ranges: [-4...4, -1e6...1e6, -1e30...1e30], exact: sin),
    Accuracy(primitive: fb_cos, single: 1.8, double: 2, ranges: [-4...4, -1e6...1e6, -1e30...1e30], exact: cos),
    Accuracy(primitive: fb_tan, single: 0.6, double: 4, ranges: [-4...4, -1e6...1e6, -1e30...1e30], exact: tan),
    Accuracy(primitive: fb_asin, single: 0.6, double: 3, ranges: [-1...1, -0.01...0.01], exact: asin),
    Accuracy(primitive: fb_acos, single: 0.6, double: 3, ranges: [-1...1, 0.999...1], exact: acos),
    Accuracy(primitive: fb_atan, single: 0.6, double: 2, ranges: [-5...5, -1e10...1e10], exact: atan),
    Accuracy(primitive: fb_sinh, single: 0.6, double: 4, ranges: [-90...90, -0.5...0.5], exact: sinh),
    Accuracy(primitive: fb_cosh, single: 0.6, double: 4, ranges: [-90...90], exact: cosh),
    Accuracy(primitive: fb_tanh, single: 0.8, double: 4, ranges: [-12...12, -0.5...0.5, -1e-5...1e-5], exact: tanh),
    Accuracy(primitive: fb_asinh, single: 0.6, double: 4, ranges: [-5...5, -1e30...1e30], exact: asinh),
    Accuracy(primitive: fb_acosh, single: 0.6, double: 4, ranges: [1...5, 1...1e30], exact: acosh),
    Accuracy(primitive: fb_atanh, single: 0.6, double: 4, ranges: [-1...1, -0.01...0.01], exact: atanh),
    Accuracy(primitive: fb_erf, single: 2.2, double: 2, ranges: [-5...5, -0.01...0.01], exact: erf),
    Accuracy(primitive: fb_erfc, single: 7, double: 2, ranges: [-3...10.1, -1...1], exact: erfc),
    Accuracy(primitive: fb_sigmoid, single: 2.5, double: 4, ranges: [-104...50, -5...5], exact: sigmoid),
    Accuracy(primitive: fb_softplus, single: 1.8, double: 4, ranges: [-104...100, -5...5], exact: softplus),
    Accuracy(primitive: fb_silu, single: 2.8, double: 5, ranges: [-87...80, -2...2]) { $0 * sigmoid($0) },
    Accuracy(primitive: fb_gelu, single: 7, double: 12, ranges: [-2...10]) { $0 * cumulative($0) },
    Accuracy(primitive: fb_gelu, single: 7, double: 512, ranges: [-13 ... -2]) { $0 * cumulative($0) },
    Accuracy(primitive: fb_gelu_tanh, single: 8, double: 16, ranges: [-2...10]) { $0 * sigmoid(tanhArgument($0)) },
    Accuracy(primitive: fb_gelu_tanh, single: 256, double: 512, ranges: [-9 ... -2]) { $0 * sigmoid(tanhArgument($0)) },
    Accuracy(primitive: fb_silu_slope, single: 4, double: 8, ranges: [-1...20], exact: siluSlope),
    Accuracy(primitive: fb_silu_slope, single: 16, double: 16, ranges: [-80 ... -1.5], exact: siluSlope),
    Accuracy(primitive: fb_gelu_slope, single: 4, double: 8, ranges: [0...10], exact: geluSlope),
    Accuracy(primitive: fb_gelu_slope, single: 4, double: 8, ranges: [-5...0], absolute: 2e-7, exact: geluSlope),
    Accuracy(primitive: fb_gelu_slope, single: 16, double: 512, ranges: [-13 ... -1], exact: geluSlope),
    Accuracy(primitive: fb_gelu_tanh_slope, single: 4, double: 8, ranges: [0...10], exact: geluTanhSlope),
    Accuracy(primitive: fb_gelu_tanh_slope, single: 4, double: 8, ranges: [-5...0], absolute: 3e-7, exact: geluTanhSlope),
    Accuracy(primitive: fb_gelu_tanh_slope, single: 256, double: 512, ranges: [-8 ... -1], exact: geluTanhSlope),
  ]
}

/// Points evenly spread over a range, with both ends.
private func points(_ range: ClosedRange<Double>, _ count: Int) -> [Double] {
  var random = Sequence64(state: 7)
  return [range.lowerBound, range.upperBound] + (2..<count).map { _ in Double.random(in: range, using: &random) }
}

@Suite struct MapAccuracyTests {
  @Test(arguments: InstructionSet.available, Accuracy.table)
  func oneOperand(_ set: InstructionSet, _ accuracy: Accuracy) throws {
    for range in accuracy.ranges {
      let x = points(range, 4000)
      let single = x.map { Float($0) }
      let got = try #require(set.apply(accuracy.primitive, single))
      var worst = (0.0, 0.0)
      for (a, y) in zip(single, got) {
        let exact = accuracy.exact(Double(a))
        let error = abs(Double(y) - exact) <= accuracy.absolute ? 0 : ulps(y, from: exact)
        if !(error <= worst.0) { worst = (error, Double(a)) }
      }
      #expect(worst.0 <= accuracy.single, "float32 at \(worst.1) in \(range)")

      let got64 = try #require(set.apply(accuracy.primitive, x))
      worst = (0, 0)
      for (a, y) in zip(x, got64) {
        let exact = accuracy.exact(a)
        let error = abs(y - exact) <= accuracy.absolute * 1e-8 ? 0 : ulps(y, from: exact)
        if !(error <= worst.0) { worst = (error, a) }
      }
      #expect(worst.0 <= accuracy.double, "float64 at \(worst.1) in \(range)")
    }
  }

  /// Functions of two operands, and their bounds in float32 and float64.
  static let binary: [(fb_primitive, Double, Double, @Sendable (Double, Double) -> Double)] = [
    (fb_add, 0.5, 0.5, { $0 + $1 }), (fb_sub, 0.5, 0.5, { $0 - $1 }), (fb_mul, 0.5, 0.5, { $0 * $1 }),
    (fb_div, 0.5, 0.5, { $0 / $1 }), (fb_atan2, 0.6, 3, { atan2($0, $1) }), (fb_pow, 0.6, 1, { pow(abs($0), $1) }),
    (fb_fmod, 0, 0, { fmod($0, $1) }), (fb_copysign, 0, 0, { copysign($0, $1) }),
    (fb_min, 0, 0, { min($0, $1) }), (fb_max, 0, 0, { max($0, $1) }),
    (fb_remainder, 0.5, 0.5, { ($0 / $1).sign == .minus && fmod($0, $1) != 0 ? fmod($0, $1) + $1 : fmod($0, $1) }),
  ]

  @Test(arguments: InstructionSet.available)
  func twoOperands(_ set: InstructionSet) throws {
    for (primitive, single, double, exact) in Self.binary {
      for scale in [1.0, 20, 1e-3] {
        var x = points(-7...7, 3000), y = points(-5 * scale...5 * scale, 3001).dropFirst().map { $0 }
        if primitive == fb_pow { x = x.map(abs) }
        let worst64 = zip(zip(x, y), try #require(set.apply(primitive, x, y))).map { ulps($1, from: exact($0.0, $0.1)) }.max()!
        #expect(worst64 <= double, "\(primitive.name) in float64, scale \(scale)")
        let a = x.map { Float($0) }, b = y.map { Float($0) }
        y = b.map { Double($0) }
        let got = try #require(set.apply(primitive, a, b))
        let worst32 = zip(zip(a, y), got).map { ulps($1, from: exact(Double($0.0), $0.1)) }.max()!
        #expect(worst32 <= single, "\(primitive.name) in float32, scale \(scale)")
      }
    }
  }

  @Test(arguments: InstructionSet.available)
  func fmaOfFloatsIsFusedWhereTheHardwareFuses(_ set: InstructionSet) throws {
    let a: Float = 1 + Float.ulpOfOne, c: Float = -(1 + 2 * Float.ulpOfOne)
    let got = try #require(set.apply(fb_fma, [a], [a], [c]))[0]
    #expect(got == (set.isa == fb_isa_baseline ? a * a + c : c.addingProduct(a, a)) || got == c.addingProduct(a, a))
    let exact = try #require(set.apply(fb_fma, [3.0], [5.0], [-15.0]))[0]
    #expect(exact == 0)
  }

  /// The quotient torch gives: rounded to the whole number below the exact one.
  @Test(arguments: InstructionSet.available)
  func floorDivision(_ set: InstructionSet) throws {
    let x = points(-1000...1000, 2000), y = points(-30...30, 2001).dropFirst().map { $0 }
    let got = try #require(set.apply(fb_floor_div, x, y))
    let remainder = try #require(set.apply(fb_remainder, x, y))
    for i in x.indices {
      #expect(got[i] == got[i].rounded(.down))
      #expect(abs(got[i] * y[i] + remainder[i] - x[i]) <= 1e-12 * abs(x[i]))
      #expect(remainder[i] == 0 || (remainder[i] < 0) == (y[i] < 0))
    }
  }
}
