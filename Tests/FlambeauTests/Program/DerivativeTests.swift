import CKernels
import Testing

@testable import Flambeau

/// Derivatives against central differences in Double.
@Suite struct DerivativeTests {
  /// Points inside each primitive's domain, away from kinks, where slopes are not small.
  private static let points: [Primitive: [[Double]]] = {
    let real: [[Double]] = [[-1.7], [-0.6], [0.3], [0.9], [2.2]]
    let positive: [[Double]] = [[0.2], [0.9], [3.1]]
    let unit: [[Double]] = [[-0.7], [0.2], [0.85]]
    let two: [[Double]] = [[0.7, 1.9], [-1.3, 0.6], [2.4, -1.1], [-0.8, -2.3]]
    let three: [[Double]] = [[0.7, 1.9, -0.4], [-1.3, 0.6, 2]]
    var points: [Primitive: [[Double]]] = [:]
    for primitive in Primitive.rules.keys { points[primitive] = [real, two, three][primitive.arity - 1] }
    for primitive in [fb_sqrt, fb_rsqrt, fb_log, fb_log1p, fb_log2, fb_log10] { points[primitive] = positive }
    for primitive in [fb_asin, fb_acos, fb_atanh, fb_erfinv] { points[primitive] = unit }
    points[fb_acosh] = [[1.2], [3.4]]
    points[fb_pow] = [[0.7, 1.9], [1.3, -0.6], [2.4, 3.1]]
    points[fb_ndtri] = [[0.1], [0.4], [0.85]]
    for primitive in [fb_igamma, fb_igammac] { points[primitive] = [[1.3, 0.9], [2.5, 3.1]] }
    points[fb_zeta] = [[2.7, 1.9], [3.3, 0.6]]
    points[fb_fmod] = [[5.3, 2.2], [-7.1, 1.7]]
    points[fb_remainder] = points[fb_fmod]
    return points
  }()

  /// Five points, an error of the order of h⁴.
  private static func difference(_ f: (Double) -> Double, _ x: Double) -> Double {
    let h = 1e-3
    return (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h)
  }

  private static func near(_ a: Double, _ b: Double, _ tolerance: Double) -> Bool {
    Swift.abs(a - b) <= tolerance * Swift.max(1, Swift.abs(b))
  }

  private static func program(_ primitive: Primitive) -> Program {
    Program(inputs: primitive.arity) { x, _ in
      .apply(primitive, x[0], x.count > 1 ? x[1] : nil, x.count > 2 ? x[2] : nil)
    }
  }

  /// The gradient at a point, the cotangent being `g`.
  private static func gradient(_ program: Program, _ i: Int, at x: [Double], _ g: Double, scalars: [Double] = []) -> Double {
    let derivative = program.derivative(withRespectTo: i)
    let y = program.evaluate(x, scalars: scalars)
    let operands = derivative.operands.map { source in
      switch source {
      case .input(let k): x[k]
      case .output(let k): y[k]
      case .cotangent: g
      }
    }
    return derivative.program.evaluate(operands, scalars: scalars)[0]
  }

  @Test(arguments: Primitive.rules.keys.sorted { $0.rawValue < $1.rawValue })
  func firstOrder(primitive: Primitive) {
    let program = Self.program(primitive)
    var largest = 0.0
    for x in Self.points[primitive]! {
      for i in 0..<primitive.arity where !program.derivative(withRespectTo: i).isZero {
        let expected = Self.difference({ program.evaluate(x.replacing(i, with: $0))[0] }, x[i])
        let found = Self.gradient(program, i, at: x, 1.5) / 1.5
        #expect(Self.near(found, expected, 1e-7), "\(primitive.name) \(x) \(i): \(found), \(expected)")
        largest = Swift.max(largest, Swift.abs(expected))
      }
    }
    #expect(largest > 0.1)
  }

  @Test(arguments: Primitive.rules.keys.sorted { $0.rawValue < $1.rawValue })
  func secondOrder(primitive: Primitive) {
    let program = Self.program(primitive)
    for x in Self.points[primitive]! {
      for i in 0..<primitive.arity {
        let slope = program.derivative(withRespectTo: i)
        // The order of the zeta function is a constant.
        for j in 0..<primitive.arity where primitive != fb_zeta || j == 1 {
          let expected = Self.difference({ Self.gradient(program, i, at: x.replacing(j, with: $0), 1.5) }, x[j])
          let found = Self.total(slope, program, at: x, 1.5, along: j)
          #expect(Self.near(found, expected, 1e-6), "\(primitive.name) \(x) \(i) \(j): \(found), \(expected)")
        }
      }
    }
  }

  /// The derivative of a derivative along input `j`, through the inputs and the output it reads.
  private static func total(_ slope: Derivative, _ program: Program, at x: [Double], _ g: Double, along j: Int) -> Double {
    let y = program.evaluate(x)[0]
    let operands = slope.operands.map { source in
      switch source {
      case .input(let k): x[k]
      case .output: y
      case .cotangent: g
      }
    }
    var sum = 0.0
    for (position, source) in slope.operands.enumerated() {
      if source == .input(j) { sum += gradient(slope.program, position, at: operands, 1) }
      if source == .output(0) { sum += gradient(slope.program, position, at: operands, 1) * gradient(program, j, at: x, 1) }
    }
    return sum
  }

  @Test func composedPrograms() {
    var random = SystemRandomNumberGenerator()
    var checked = 0
    for _ in 0..<300 {
      let smooth: [Primitive] = [fb_sigmoid, fb_tanh, fb_sin, fb_add, fb_sub, fb_mul, fb_fma, fb_gelu, fb_erf, fb_softplus]
      let program = RandomProgram.make(steps: 8, inputs: 3, scalars: 1, outputs: 1, from: smooth, using: &random)
      let x = [0.4, -0.7, 0.3]
      for i in 0..<3 {
        let expected = Self.difference({ program.evaluate(x.replacing(i, with: $0), scalars: [0.6])[0] }, x[i])
        guard Swift.abs(expected) > 1e-3, Swift.abs(expected) < 100 else { continue }
        let found = Self.gradient(program, i, at: x, 1, scalars: [0.6])
        #expect(Self.near(found, expected, 1e-6), "\(program)\nx\(i): \(found), \(expected)")
        checked += 1
      }
    }
    #expect(checked > 100)
  }

  // What torch answers where the slope is a matter of choice.
  @Test(
    arguments: [
      (fb_abs, [0.0], [0.0]), (fb_relu, [0], [0]), (fb_sqrt, [0], [.infinity]),
      (fb_max, [1, 1], [0.5, 0.5]), (fb_min, [1, 1], [0.5, 0.5]), (fb_max, [2, 1], [1, 0]), (fb_min, [2, 1], [0, 1]),
      (fb_max, [.nan, 1], [1, 1]),
      (fb_pow, [0, 0], [0, 0]), (fb_pow, [0, 2], [0, 0]), (fb_pow, [0, 0.5], [.infinity, 0]),
      (fb_pow, [0, -1], [-.infinity, -.infinity]),
      (fb_atan2, [0, 0], [0, 0]), (fb_fmod, [5.3, 2], [1, -2]), (fb_remainder, [-5.3, 2], [1, 3]),
      (fb_copysign, [3, -1], [-1, 0]), (fb_copysign, [0, -1], [0, 0]), (fb_relu, [.nan], [1]),
      (fb_floor, [1.5], [0]), (fb_select, [1, 5, 6], [0, 1, 0]),
    ] as [(Primitive, [Double], [Double])])
  func subgradients(primitive: Primitive, x: [Double], expected: [Double]) {
    let program = Self.program(primitive)
    #expect(x.indices.map { Self.gradient(program, $0, at: x, 1) } == expected, "\(primitive.name) \(x)")
  }

  @Test func clampPassesAtItsBounds() {
    let program = Program { x in clamp(x, -1, 1) }
    #expect([-2.0, -1, 0, 1, 2].map { Self.gradient(program, 0, at: [$0], 1) } == [0, 1, 1, 1, 0])
    #expect(program.evaluate([Double.nan])[0].isNaN)
  }

  @Test func curvesOfActivationsStayFinite() {
    for primitive in [fb_gelu, fb_gelu_tanh, fb_silu] {
      let slope = Self.program(primitive).derivative(withRespectTo: 0)
      let position = slope.operands.firstIndex(of: .input(0))!
      for x in [-1e30, -1e4, 1e4, 1e30] {
        let operands = slope.operands.map { $0 == .input(0) ? x : 1 }
        #expect(Self.gradient(slope.program, position, at: operands, 1) == 0, "\(primitive.name) \(x)")
      }
    }
  }

  @Test func savesOnlyWhatItReads() {
    let exponential = Program { x in exp(x) }.derivative(withRespectTo: 0)
    #expect(exponential.operands == [.output(0), .cotangent(0)])
    let product = Program { x, y in x * y }.derivative(withRespectTo: 0)
    #expect(product.operands == [.input(1), .cotangent(0)])
    #expect(Program { x, y in x + y }.derivative(withRespectTo: 1).operands == [.cotangent(0)])
    #expect(Program { x in floor(x) }.derivative(withRespectTo: 0).isZero)
    #expect(Program { x, y in x + floor(y) }.derivative(withRespectTo: 1).isZero)
  }

  @Test func handwrittenGradientWins() {
    let program = Program(inputs: 1) { x, _ in
      x[0] * x[0]
    } derivatives: { _, _, y, g in
      [g * y]
    }
    #expect(program.derivative(withRespectTo: 0).operands == [.output(0), .cotangent(0)])
  }
}

extension [Double] {
  fileprivate func replacing(_ i: Int, with value: Double) -> [Double] {
    var result = self
    result[i] = value
    return result
  }
}
