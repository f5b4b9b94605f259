import CKernels
import Testing

@testable import Flambeau

/// The executor against `evaluate`, whatever the program, the layouts and the dtypes.
@Suite struct InterpreterTests {
  private static let shapes: [[Int]] = [
    [], [1], [4], [513], [3000], [5, 7], [300, 3], [3, 300], [17, 129], [40, 64, 3], [2, 1, 5, 9], [64, 70], [33, 600],
    [7, 8, 9, 10], [2, 3, 2, 3, 2], [0, 4], [1, 1], [20, 20, 20],
  ]
  private static let floats: [DType] = [.float32, .float64, .float16, .bfloat16, .int32, .uint8, .bool]

  @Test(arguments: shapes)
  func randomFloatPrograms(shape: [Int]) {
    var random = Repeatable(UInt64(shape.count * 1000 + shape.reduce(1, *)))
    for trial in 0..<30 {
      let computeClass = trial % 2 == 0 ? fb_f32 : fb_f64
      let inputs = 1 + trial % 4
      let outputs = 1 + trial % 3 / 2
      let program = RandomProgram.make(
        steps: 1 + trial % 7, inputs: inputs, scalars: 2, outputs: outputs, using: &random)
      let samples = (0..<inputs).map { _ in
        let mixed = Bool.random(using: &random)
        let sample = ProgramSample(
          shape, mixed ? Self.floats.randomElement(using: &random)! : computeClass.dtype, stretches: true, using: &random)
        sample.fill(using: &random) { Double(Float.random(in: -1...1.5, using: &$0)) }
        return sample
      }
      let results = (0..<outputs).map { _ in
        ProgramSample(shape, trial % 3 == 0 ? .float64 : computeClass.dtype, stretches: false, using: &random)
      }
      Interpreter.run(
        program, in: computeClass, inputs: samples.map(\.elements), scalars: [0.75, Number(-1.5)],
        into: results.map(\.elements))

      let values = samples.map(\.values)
      let found = results.map(\.values)
      let tolerance = computeClass == fb_f32 ? 1e-4 : 1e-11
      var wrong = 0
      for i in 0..<shape.reduce(1, *) {
        let expected = program.evaluate(values.map { $0[i] }, scalars: [0.75, -1.5])
        for k in 0..<outputs {
          // Comparisons of nearly equal numbers may go either way in float.
          if !(Swift.abs(found[k][i] - expected[k]) <= tolerance * Swift.max(1, Swift.abs(expected[k]))) { wrong += 1 }
        }
      }
      #expect(
        wrong == 0, "\(wrong) of \(values[0].count) in \(computeClass.name)\n\(program)\n\(samples.map(\.elements.layout))")
    }
  }

  @Test(arguments: shapes)
  func randomIntegerPrograms(shape: [Int]) {
    var random = Repeatable(UInt64(shape.count * 77 + shape.reduce(1, *)))
    let dtypes: [DType] = [.int64, .int32, .int16, .int8, .uint8, .bool]
    for trial in 0..<20 {
      let program = RandomProgram.make(
        steps: 1 + trial % 5, inputs: 2, scalars: 1, outputs: 1, from: RandomProgram.integers, using: &random)
      let samples = (0..<2).map { _ in
        let sample = ProgramSample(shape, dtypes.randomElement(using: &random)!, stretches: true, using: &random)
        sample.fill(using: &random) { Double(Int.random(in: -9...9, using: &$0)) }
        return sample
      }
      let result = ProgramSample(shape, .int64, stretches: false, using: &random)
      Interpreter.run(
        program, in: fb_i64, inputs: samples.map(\.elements), scalars: Scalars(3), into: [result.elements])
      let values = samples.map { $0.values.map { Int64($0) } }
      let found = result.values
      let expected = (0..<found.count).map { i in
        Double(program.evaluate([values[0][i], values[1][i]], scalars: [3])![0])
      }
      #expect(found == expected, "\(program)")
    }
  }

  @Test func quickWaysEqualTheGeneralOne() {
    var random = Repeatable(5)
    let programs: [Program] = [
      Program { x in tanh(x) }, Program { x in 1 - x }, Program(inputs: 1, scalars: 1) { x, s in x[0] * s[0] },
      Program { x, y in x + y }, Program { x, y in x * y + exp(x) },
      Program(inputs: 2, scalars: 2) { x, s in x[0] * s[0] + x[1] * s[1] },
      Program { a, b, c in fma(a, b, c) }, Program { c, a, b in select(lt(c, 0), a * 2, b) }, Program { _ in 3 },
      Program { x in x },
    ]
    for program in programs {
      for n in [1, 4, 511, 512, 513, 5000] {
        var inputs = (0..<program.inputCount).map { _ in ProgramSample(Layout([n]), .float32, byteCount: 4 * n) }
        if program.inputCount > 1 {
          inputs[1] = ProgramSample(Layout(shape: [n], strides: [0], offset: 2), .float32, byteCount: 64)
        }
        for input in inputs { input.fill(using: &random) { Double(Float.random(in: -2...2, using: &$0)) } }
        let scalars: Scalars = program.scalarCount == 0 ? [] : program.scalarCount == 1 ? [0.5] : [0.5, Number(-2.5)]
        let quick = ProgramSample(Layout([n]), .float32, byteCount: 4 * n)
        let general = ProgramSample(Layout([n]), .float32, byteCount: 4 * n)
        let e = inputs.map(\.elements)
        switch program.inputCount {
        case 1: Interpreter.run(program, in: fb_f32, e[0], scalars: scalars, into: quick.elements)
        case 2: Interpreter.run(program, in: fb_f32, e[0], e[1], scalars: scalars, into: quick.elements)
        default: Interpreter.run(program, in: fb_f32, e[0], e[1], e[2], scalars: scalars, into: quick.elements)
        }
        Interpreter.run(program, in: fb_f32, inputs: e, scalars: scalars, into: [general.elements])
        #expect(quick.values == general.values, "\(program) \(n)")
      }
    }
  }

  @Test func writesOverItsInputs() {
    // Adam's shape: outputs that are also inputs, read by later steps.
    let program = Program(inputs: 3) { x, _ in
      let m = x[1] * 0.5 + x[2]
      return [x[0] - m * 0.25, m, x[2] + x[1] + x[0]]
    }
    let samples = (0..<3).map { _ in ProgramSample(Layout([1000]), .float64, byteCount: 8000) }
    var random = Repeatable(9)
    for sample in samples { sample.fill(using: &random) { Double.random(in: -1...1, using: &$0) } }
    let before = samples.map(\.values)
    Interpreter.run(program, in: fb_f64, inputs: samples.map(\.elements), into: samples.map(\.elements))
    let after = samples.map(\.values)
    for i in 0..<1000 {
      let expected = program.evaluate(before.map { $0[i] })
      for k in 0..<3 { #expect(Swift.abs(after[k][i] - expected[k]) < 1e-14) }
    }
  }

  @Test func largeResultsAndTransposedOperands() {
    let (rows, columns) = (2100, 2050)  // 17 MB
    let program = Program { x, y in x + 2 * y }
    let a = ProgramSample(Layout([rows, columns]), .float32, byteCount: 4 * rows * columns)
    let b = ProgramSample(
      Layout(shape: [rows, columns], strides: [1, rows], offset: 0), .float32, byteCount: 4 * rows * columns)
    let out = ProgramSample(Layout([rows, columns]), .float32, byteCount: 4 * rows * columns)
    let x = a.elements.start.assumingMemoryBound(to: Float.self)
    let y = b.elements.start.assumingMemoryBound(to: Float.self)
    for i in 0..<rows * columns {
      x[i] = Float(i & 1023)
      y[i] = Float(i & 511)
    }
    Interpreter.run(program, in: fb_f32, inputs: [a.elements, b.elements], into: [out.elements])
    let z = out.elements.start.assumingMemoryBound(to: Float.self)
    var wrong = 0
    for r in 0..<rows {
      for c in stride(from: r % 7, to: columns, by: 7) where z[r * columns + c] != x[r * columns + c] + 2 * y[c * rows + r] {
        wrong += 1
      }
    }
    #expect(wrong == 0)
  }
}
