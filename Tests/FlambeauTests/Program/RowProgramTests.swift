import CKernels
import Testing

@testable import Flambeau

/// Row programs against the same formulas in Double.
@Suite struct RowProgramTests {
  typealias Rows = [[Double]]

  /// Shapes, the last dimension being the row: short, long enough for blocks, several outer dimensions.
  static let shapes: [[Int]] = [[1], [7], [3, 5], [40, 64], [2, 3, 33], [3, 4500], [300, 10], [1, 6100], [4, 1]]
  static let dtypes: [DType] = [.float32, .float64, .bfloat16, .float16]

  static func computeClass(_ dtype: DType) -> ComputeClass { dtype == .float64 ? fb_f64 : fb_f32 }

  /// How far a result of the dtype may be from Double's, relative to 1 or the value.
  static func tolerance(_ dtype: DType) -> Double {
    switch dtype {
    case .float64: 1e-12
    case .float16: 2e-3
    case .bfloat16: 2e-2
    default: 3e-5
    }
  }

  static func rows(_ values: [Double], _ width: Int) -> Rows {
    stride(from: 0, to: values.count, by: width).map { Array(values[$0..<$0 + width]) }
  }

  static func make(_ shape: [Int], _ dtype: DType, _ random: inout Repeatable, scale: Double = 2) -> ProgramSample {
    let sample = ProgramSample(shape, dtype, stretches: false, using: &random)
    sample.fill(using: &random) { Double(Float.random(in: -1...1, using: &$0)) * scale }
    return sample
  }

  /// A row all rows share.
  static func shared(_ shape: [Int], _ dtype: DType, _ random: inout Repeatable) -> (ProgramSample, [Double]) {
    let width = shape.last!
    let sample = ProgramSample(
      Layout(shape: Shape(shape), strides: Shape(Array(repeating: 0, count: shape.count - 1) + [1]), offset: 0), dtype,
      byteCount: width * 8)
    sample.fill(using: &random) { Double(Float.random(in: 0.5...1.5, using: &$0)) }
    return (sample, Array(sample.values.suffix(width)))
  }

  /// One number for each row.
  static func numbers(_ shape: [Int], _ dtype: DType, _ values: [Double]) -> ProgramSample {
    let layout = Layout(Shape(shape.dropLast() + [1]))
    let sample = ProgramSample(
      Layout(shape: Shape(shape), strides: layout.strides.replacing(shape.count - 1, with: 0), offset: 0), dtype,
      byteCount: values.count * 8)
    for (i, value) in values.enumerated() { sample[i] = value }
    return sample
  }

  static func check(_ found: [Double], _ expected: [Double], _ tolerance: Double, _ what: String) {
    #expect(found.count == expected.count)
    let wrong = zip(found, expected).filter { !(Swift.abs($0 - $1) <= tolerance * Swift.max(1, Swift.abs($1))) }
    #expect(wrong.isEmpty, "\(what): \(wrong.count) of \(found.count), first \(wrong.first ?? (0, 0))")
  }

  static func softmax(_ row: [Double]) -> [Double] {
    let largest = row.max()!
    let e = row.map { Double.exp($0 - largest) }
    let sum = e.reduce(0, +)
    return e.map { $0 / sum }
  }

  static func logSumExp(_ row: [Double]) -> Double {
    let largest = row.max()!
    return largest + Double.log(row.reduce(0) { $0 + Double.exp($1 - largest) })
  }

  @Test(arguments: shapes, dtypes)
  func softmaxes(shape: [Int], dtype: DType) {
    var random = Repeatable(UInt64(shape.reduce(7) { $0 * 31 + $1 }))
    let computeClass = Self.computeClass(dtype)
    let tolerance = Self.tolerance(dtype)
    let width = shape.last!
    for _ in 0..<2 {
      let x = Self.make(shape, dtype, &random, scale: 5)
      let g = Self.make(shape, dtype, &random)
      let y = ProgramSample(shape, dtype, stretches: false, using: &random)
      let gx = ProgramSample(shape, dtype, stretches: false, using: &random)

      RowInterpreter.run(.softmax, in: computeClass, inputs: [x.elements], into: [y.elements])
      Self.check(y.values, Self.rows(x.values, width).flatMap(Self.softmax), tolerance, "softmax")
      RowInterpreter.run(.softmaxBackward, in: computeClass, inputs: [y.elements, g.elements], into: [gx.elements])
      let slopes = zip(Self.rows(y.values, width), Self.rows(g.values, width)).flatMap { y, g in
        let along = zip(y, g).reduce(0) { $0 + $1.0 * $1.1 }
        return zip(y, g).map { $0 * ($1 - along) }
      }
      Self.check(gx.values, slopes, tolerance, "softmax gradient")

      RowInterpreter.run(.logSoftmax, in: computeClass, inputs: [x.elements], into: [y.elements])
      Self.check(
        y.values,
        Self.rows(x.values, width).flatMap { row in
          let total = Self.logSumExp(row)
          return row.map { $0 - total }
        }, tolerance, "log softmax")
      RowInterpreter.run(.logSoftmaxBackward, in: computeClass, inputs: [y.elements, g.elements], into: [gx.elements])
      let logSlopes = zip(Self.rows(y.values, width), Self.rows(g.values, width)).flatMap { y, g in
        let sum = g.reduce(0, +)
        return zip(y, g).map { $1 - Double.exp($0) * sum }
      }
      Self.check(gx.values, logSlopes, tolerance * 4, "log softmax gradient")

      let total = ProgramSample(Layout(Shape(shape.dropLast() + [1])), .float64, byteCount: 8 * x.values.count)
      RowInterpreter.run(.logSumExpRows, in: computeClass, inputs: [x.elements], into: [total.elements])
      Self.check(total.values, Self.rows(x.values, width).map(Self.logSumExp), tolerance, "logsumexp")
    }
  }

  @Test(arguments: shapes, dtypes)
  func norms(shape: [Int], dtype: DType) {
    var random = Repeatable(UInt64(shape.reduce(3) { $0 * 37 + $1 }))
    let computeClass = Self.computeClass(dtype)
    let statistics: DType = computeClass.dtype
    let tolerance = Self.tolerance(dtype) * 8
    let width = shape.last!
    let count = shape.dropLast().reduce(1, *)
    let epsilon = 1e-2
    let numberLayout = Layout(Shape(shape.dropLast() + [1]))
    for centres in [true, false] {
      let x = Self.make(shape, dtype, &random)
      let g = Self.make(shape, dtype, &random)
      let (weight, w) = Self.shared(shape, dtype, &random)
      let (bias, b) = Self.shared(shape, dtype, &random)
      let y = ProgramSample(shape, dtype, stretches: false, using: &random)
      let mean = ProgramSample(numberLayout, statistics, byteCount: 8 * count)
      let scale = ProgramSample(numberLayout, statistics, byteCount: 8 * count)
      if centres {
        RowInterpreter.run(
          .layerNorm(weight: true, bias: true), in: computeClass, inputs: [x.elements, weight.elements, bias.elements],
          scalars: Scalars(Number(epsilon)), into: [y.elements, mean.elements, scale.elements])
      } else {
        RowInterpreter.run(
          .rmsNorm(weight: true), in: computeClass, inputs: [x.elements, weight.elements],
          scalars: Scalars(Number(epsilon)), into: [y.elements, scale.elements])
      }
      let xs = Self.rows(x.values, width)
      let means = xs.map { centres ? $0.reduce(0, +) / Double(width) : 0 }
      let scales = zip(xs, means).map { row, mean in
        1 / (row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width) + epsilon).squareRoot()
      }
      let normals = (0..<count).map { r in xs[r].map { ($0 - means[r]) * scales[r] } }
      Self.check(
        y.values, normals.flatMap { row in (0..<width).map { row[$0] * w[$0] + (centres ? b[$0] : 0) } }, tolerance, "norm")
      Self.check(scale.values, scales, 1e-4, "scale")
      if centres { Self.check(mean.values, means, 1e-4, "mean") }

      let gx = ProgramSample(shape, dtype, stretches: false, using: &random)
      let gw = ProgramSample(Layout([width]), .float64, byteCount: 8 * width)
      let gb = ProgramSample(Layout([width]), .float64, byteCount: 8 * width)
      let means2 = Self.numbers(shape, .float64, means)
      let scales2 = Self.numbers(shape, .float64, scales)
      if centres {
        RowInterpreter.run(
          .layerNormBackward(weight: true, parameters: true), in: computeClass,
          inputs: [x.elements, means2.elements, scales2.elements, g.elements, weight.elements],
          into: [gx.elements, gw.elements, gb.elements])
      } else {
        RowInterpreter.run(
          .rmsNormBackward(weight: true, parameters: true), in: computeClass,
          inputs: [x.elements, scales2.elements, g.elements, weight.elements], into: [gx.elements, gw.elements])
      }
      let gs = Self.rows(g.values, width)
      let slopes = (0..<count).flatMap { r in
        let slope = (0..<width).map { gs[r][$0] * w[$0] }
        let average = centres ? slope.reduce(0, +) / Double(width) : 0
        let along = zip(slope, normals[r]).reduce(0) { $0 + $1.0 * $1.1 } / Double(width)
        return (0..<width).map { scales[r] * (slope[$0] - average - normals[r][$0] * along) }
      }
      Self.check(gx.values, slopes, tolerance * 2, "norm gradient")
      Self.check(
        gw.values, (0..<width).map { c in (0..<count).reduce(0) { $0 + gs[$1][c] * normals[$1][c] } }, 1e-4, "weight gradient")
      if centres {
        Self.check(gb.values, (0..<width).map { c in (0..<count).reduce(0) { $0 + gs[$1][c] } }, 1e-4, "bias gradient")
      }
    }
  }

  @Test(arguments: shapes, dtypes)
  func crossEntropies(shape: [Int], dtype: DType) {
    var random = Repeatable(UInt64(shape.reduce(5) { $0 * 41 + $1 }))
    let computeClass = Self.computeClass(dtype)
    let width = shape.last!
    let count = shape.dropLast().reduce(1, *)
    for smoothing in [0, 0.25] {
      let x = Self.make(shape, dtype, &random, scale: 4)
      let classes = (0..<count).map { _ in Int.random(in: 0..<width, using: &random) }
      let weights = (0..<count).map { $0 % 3 == 1 ? 0.0 : 1 + Double($0 % 2) }
      let targets = Self.numbers(shape, .int64, classes.enumerated().map { $0 % 3 == 1 ? -100 : Double($1) })
      let peaks = Self.numbers(shape, .float64, weights.map { $0 * (1 - smoothing) })
      let spreads = Self.numbers(shape, .float64, weights.map { $0 * smoothing / Double(width) })
      let loss = ProgramSample(Layout(Shape(shape.dropLast() + [1])), .float64, byteCount: 8 * count)
      let gradient = ProgramSample(shape, dtype, stretches: false, using: &random)
      RowInterpreter.run(
        .crossEntropy(gradient: true, smoothing: smoothing > 0 ? .even : .none), in: computeClass,
        inputs: [x.elements, targets.elements, peaks.elements] + (smoothing > 0 ? [spreads.elements] : []),
        into: [loss.elements, gradient.elements])
      let xs = Self.rows(x.values, width)
      let losses = (0..<count).map { r in
        let total = Self.logSumExp(xs[r])
        let average = xs[r].reduce(0, +) / Double(width)
        return weights[r] * ((1 - smoothing) * (total - xs[r][classes[r]]) + smoothing * (total - average))
      }
      Self.check(loss.values, losses, dtype == .float64 ? 1e-12 : 1e-5, "loss")
      let slopes = (0..<count).flatMap { r in
        let share = Self.softmax(xs[r])
        return (0..<width).map { c in
          weights[r] * (share[c] - smoothing / Double(width) - (c == classes[r] ? 1 - smoothing : 0))
        }
      }
      Self.check(gradient.values, slopes, Self.tolerance(dtype), "loss gradient")
    }
  }

  static let withKernels: [(String, RowProgram)] =
    [
      ("softmax", .softmax), ("softmaxBackward", .softmaxBackward), ("logSoftmax", .logSoftmax),
      ("logSoftmaxBackward", .logSoftmaxBackward), ("moments", .moments), ("slopeMoments", .slopeMoments),
    ]
    + [false, true].flatMap { weight in
      [("rmsNorm", RowProgram.rmsNorm(weight: weight))]
        + [false, true].flatMap { other in
          [
            ("layerNorm", RowProgram.layerNorm(weight: weight, bias: other)),
            ("layerNormBackward", .layerNormBackward(weight: weight, parameters: other)),
            ("rmsNormBackward", .rmsNormBackward(weight: weight, parameters: other)),
          ]
        }
    }

  /// A kernel computes what its program says; rows lie close, apart, or shared.
  @Test(
    arguments: [[1, 1], [5, 3], [17, 64], [33, 49], [3, 130], [9, 1000], [2, 5000]], [DType.float32, .float64, .bfloat16])
  func kernels(shape: [Int], dtype: DType) {
    var random = Repeatable(UInt64(shape.reduce(9) { $0 * 43 + $1 }))
    let (rows, width) = (shape[0], shape[1])
    for (name, program) in Self.withKernels {
      for apart in [false, true] {
        let stride = apart ? width + 3 : width
        let inputs = program.code.inputs.map { input -> ProgramSample in
          let layout = Layout(shape: [rows, width], strides: input == .row ? [stride, 1] : [1, 0], offset: 0)
          let sample = ProgramSample(layout, input == .row ? dtype : Self.computeClass(dtype).dtype, byteCount: rows * stride * 8)
          sample.fill(using: &random) { Double(Float.random(in: 0.1...1.5, using: &$0)) }
          return sample
        }
        let run = { (program: RowProgram) -> [[Double]] in
          let outputs = program.code.outputs.map { output -> ProgramSample in
            switch output {
            case .row, .patched: ProgramSample(Layout([rows, width]), dtype, byteCount: rows * width * 8)
            case .number: ProgramSample(Layout([rows, 1]), .float64, byteCount: rows * 8)
            case .columnSum: ProgramSample(Layout([width]), .float64, byteCount: width * 8)
            }
          }
          RowInterpreter.run(
            program, in: Self.computeClass(dtype), inputs: inputs.map(\.elements), scalars: Scalars(Number(1e-3)),
            into: outputs.map(\.elements))
          return outputs.map(\.values)
        }
        for (found, expected) in zip(run(program), run(program.withoutKernel)) {
          Self.check(found, expected, Self.tolerance(dtype) * 4, name)
        }
      }
    }
  }

  @Test func infinitiesAndMasks() {
    let x = ProgramSample(Layout([3, 4]), .float32, byteCount: 64)
    for (i, value) in ([0, -.infinity, 1, -.infinity, .infinity, 0, 0, 0, .nan, 0, 0, 0] as [Double]).enumerated() {
      x[i] = value
    }
    let y = ProgramSample(Layout([3, 4]), .float32, byteCount: 64)
    RowInterpreter.run(.softmax, in: fb_f32, inputs: [x.elements], into: [y.elements])
    let found = Self.rows(y.values, 4)
    #expect(found[0][1] == 0 && found[0][3] == 0 && Swift.abs(found[0].reduce(0, +) - 1) < 1e-6)
    #expect(found[1][0].isNaN && found[2].allSatisfy(\.isNaN))
  }

  /// Any program, not only the library's: values that cross segments, shared subexpressions, several outputs.
  @Test(arguments: [[6, 37], [2, 4097], [1, 9000]])
  func ownPrograms(shape: [Int]) {
    var random = Repeatable(12)
    let program = RowProgram([.row, .number], scalars: 1) { x, s, width in
      let e = exp(x[0] * s[0] - x[1])
      let spread = rowMax(e) - rowSum(e) / width
      let f = tanh(e * spread) + x[0]
      let last = rowSum(f * e)
      return [.row(f + last), .row(e), .number(last), .columnSum(f), .columnSum(x[1]), .row(x[0])]
    }
    let (rows, width) = (shape[0], shape[1])
    let x = Self.make(shape, .float64, &random)
    let shift = Self.numbers(shape, .float64, (0..<rows).map { Double($0) * 0.1 })
    let layouts = [
      Layout(Shape(shape)), Layout(Shape(shape)), Layout([rows, 1]), Layout([width]), Layout([width]), Layout(Shape(shape)),
    ]
    let outputs = layouts.map { ProgramSample($0, .float64, byteCount: 8 * rows * width) }
    RowInterpreter.run(
      program, in: fb_f64, inputs: [x.elements, shift.elements], scalars: Scalars(0.5), into: outputs.map(\.elements))
    var expected = [[Double]](repeating: [], count: 6)
    expected[3] = Array(repeating: 0, count: width)
    expected[4] = expected[3]
    for (r, row) in Self.rows(x.values, width).enumerated() {
      let e = row.map { Double.exp($0 * 0.5 - Double(r) * 0.1) }
      let spread = e.max()! - e.reduce(0, +) / Double(width)
      let f = zip(e, row).map { Double.tanh($0 * spread) + $1 }
      let last = zip(f, e).reduce(0) { $0 + $1.0 * $1.1 }
      expected[0] += f.map { $0 + last }
      expected[1] += e
      expected[2].append(last)
      for c in 0..<width {
        expected[3][c] += f[c]
        expected[4][c] += Double(r) * 0.1
      }
      expected[5] += row
    }
    for k in 0..<6 { Self.check(outputs[k].values, expected[k], 1e-9, "output \(k)") }
  }

  @Test func nothingToDo() {
    let sums = ProgramSample(Layout([4]), .float32, byteCount: 64)
    sums[2] = 5
    let empty = ProgramSample(Layout([0, 4]), .float32, byteCount: 64)
    let program = RowProgram([.row]) { x, _, _ in [.row(x[0]), .columnSum(x[0])] }
    RowInterpreter.run(program, in: fb_f32, inputs: [empty.elements], into: [empty.elements, sums.elements])
    #expect(sums.values == [0, 0, 0, 0])
    let scalar = ProgramSample(Layout([]), .float32, byteCount: 64)
    let one = ProgramSample(Layout([]), .float32, byteCount: 64)
    scalar[0] = 3
    RowInterpreter.run(.softmax, in: fb_f32, inputs: [scalar.elements], into: [one.elements])
    #expect(one.values == [1])
  }
}

extension Double {
  fileprivate static func exp(_ x: Double) -> Double { fb_exp.evaluate(x) }
  fileprivate static func log(_ x: Double) -> Double { fb_log.evaluate(x) }
  fileprivate static func tanh(_ x: Double) -> Double { fb_tanh.evaluate(x) }
}
