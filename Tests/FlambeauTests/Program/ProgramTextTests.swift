import CKernels
import Testing

@testable import Flambeau

@Suite struct ProgramTextTests {
  @Test func printsStepsInOrder() {
    let program = Program(inputs: 2, scalars: 1) { x, s in x[0] * s[0] + 0.5 * exp(x[1]) }
    #expect(
      program.description == """
        inputs 2 scalars 1
        %0 = mul x0, s0
        %1 = exp x1
        %2 = mul 0.5, %1
        %3 = add %0, %2
        return %3
        """)
  }

  @Test func readsWhatItPrints() throws {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<200 {
      let program = RandomProgram.make(steps: 12, inputs: 3, scalars: 2, outputs: 2, using: &random)
      let read = try Program(parsing: program.description)
      #expect(read.code == program.code)
    }
  }

  @Test func constantsSurviveText() throws {
    let numbers: [Number] = [
      0, Number(-0.0), 1, Number(-1), Number(0.1), Number(1e300), Number(.infinity), Number(-.infinity), Number(.nan),
      Number(Int64.max), Number(Int64.min), Number(9_007_199_254_740_993), Number(0x1p63), Number(5e-324),
    ]
    for number in numbers {
      let program = Program { x in x + Scalar(number) }
      #expect(try Program(parsing: program.description).code == program.code, "\(number)")
    }
  }

  @Test func equalStepsAreOne() {
    let program = Program { x in exp(x) * exp(x) + exp(x) }
    #expect(program.instructions.count == 3)
    #expect(Program { x in (2 + 3) * x }.instructions.first?.a == .constant(5))
    #expect(Program { x in x * 1 / 1 - 0 }.instructions.isEmpty)
    #expect(Program { x in x + 0 }.instructions.count == 1)  // -0 + 0 is 0
  }

  @Test(arguments: [
    ("", "starts with"),
    ("inputs 1", "starts with"),
    ("inputs 1 scalars 0\n%0 = frobnicate x0\nreturn %0", "`frobnicate` is not a primitive"),
    ("inputs 1 scalars 0\n%0 = add x0\nreturn %0", "add takes 2 operands, got 1"),
    ("inputs 1 scalars 0\n%0 = add x0, %0\nreturn %0", "%0 is not defined here"),
    ("inputs 1 scalars 0\n%0 = add x0, %1\n%1 = exp x0\nreturn %1", "%1 is not defined here"),
    ("inputs 1 scalars 0\n%0 = exp x1\nreturn %0", "x1 is not defined here"),
    ("inputs 1 scalars 0\n%0 = exp s0\nreturn %0", "s0 is not defined here"),
    ("inputs 1 scalars 0\n%1 = exp x0\nreturn %1", "expected `%0"),
    ("inputs 1 scalars 0\n%0 = exp y\nreturn %0", "`y` is not an operand"),
    ("inputs 1 scalars 0\n%0 = exp x0", "at least one output"),
    ("inputs 1 scalars 0\n%0 = exp x0\nreturn %3", "%3 is not defined here"),
    ("inputs 1 scalars 0\nreturn x0\nreturn x0", "nothing follows"),
    ("inputs 1 scalars 5\nreturn x0", "at most 4 scalars"),
  ])
  func refusesWithASentence(text: String, reason: String) {
    let error = #expect(throws: TensorError.self) { try Program(parsing: text) }
    #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
  }

  @Test func refusesClassesWithoutTheMeaning() {
    let bits = Program { x, y in bitAnd(x, y) }
    #expect(bits.isDefined(in: fb_i64) && !bits.isDefined(in: fb_f32))
    let curve = Program { x in tanh(x) }
    #expect(curve.isDefined(in: fb_f32) && curve.isDefined(in: fb_f64) && !curve.isDefined(in: fb_i64))
    let error = #expect(throws: TensorError.self) { try curve.code.validate(in: fb_i64) }
    #expect(error?.message == "%0: tanh is not defined on int64")
  }

  @Test func productsJoinSums() {
    let code = Program(inputs: 3) { x, _ in x[0] * x[1] + x[2] }.code.fused()
    #expect(code.instructions == [.init(fb_fma, .input(0), .input(1), .input(2))])
    // A product that something else reads stays.
    let shared = Program(inputs: 3) { x, _ in x[0] * x[1] + x[2] - x[0] * x[1] }.code.fused()
    #expect(shared.instructions.contains { $0.primitive == fb_mul })
  }

  @Test func everyPrimitiveHasAReference() {
    let integerOnly: Set<Primitive> = [fb_bit_not, fb_bit_and, fb_bit_or, fb_bit_xor, fb_shift_left, fb_shift_right, fb_gcd]
    for primitive in Primitive.all where !integerOnly.contains(primitive) {
      #expect(Primitive.reals[primitive] != nil, "\(primitive.name)")
      #expect(primitive.exists(in: fb_f32) && primitive.exists(in: fb_f64), "\(primitive.name)")
    }
    for primitive in Primitive.all where primitive.exists(in: fb_i64) {
      #expect(Primitive.integers[primitive] != nil, "\(primitive.name)")
    }
  }
}
