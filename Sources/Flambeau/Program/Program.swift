import CKernels

/// A function of a few numbers, applied to every element of as many tensors: a list of steps, each reading inputs,
/// scalars, constants or earlier steps.
///
/// Steps are distinct, all are needed by some output, and each follows what it reads.
final class Program: Sendable {
  enum Operand: Sendable, Hashable {
    /// The element of a tensor.
    case input(Int)
    /// A number given when the program is run.
    case scalar(Int)
    case constant(Number)
    /// What an earlier instruction computed.
    case result(Int)
  }

  struct Instruction: Sendable, Hashable {
    let primitive: Primitive
    let a: Operand
    let b: Operand?
    let c: Operand?

    init(_ primitive: Primitive, _ a: Operand, _ b: Operand? = nil, _ c: Operand? = nil) {
      self.primitive = primitive
      self.a = a
      self.b = b
      self.c = c
    }

    var operands: [Operand] { [a, b, c].compactMap { $0 } }
  }

  /// What a program is made of.
  struct Code: Sendable, Hashable {
    var inputCount: Int
    var scalarCount: Int
    var instructions: [Instruction]
    var outputs: [Operand]
  }

  let code: Code
  // How the CPU runs it; nil in a class where a primitive has no meaning.
  private let planFloat32: Plan?
  private let planFloat64: Plan?
  private let planInt64: Plan?
  /// Written by hand where the symbolic gradients lose digits or pick another subgradient.
  private let explicit: [Derivative]?
  private let lock = Lock()
  /// Guarded by the lock.
  nonisolated(unsafe) private var derivatives: [Int: Derivative] = [:]

  var inputCount: Int { code.inputCount }
  var scalarCount: Int { code.scalarCount }
  var instructions: [Instruction] { code.instructions }
  var outputs: [Operand] { code.outputs }

  /// A program from checked code.
  init(_ code: Code, derivatives explicit: [Derivative]? = nil) {
    self.code = code
    self.explicit = explicit
    planFloat32 = Plan(code, in: fb_f32)
    planFloat64 = Plan(code, in: fb_f64)
    planInt64 = Plan(code, in: fb_i64)
  }

  convenience init(inputs: Int, scalars: Int = 0, outputs: [Scalar]) {
    self.init(Code(inputs: inputs, scalars: scalars, outputs: outputs))
  }

  /// Which inputs the program reads.
  var readsInput: [Bool] { code.readsInput }

  func isDefined(in computeClass: ComputeClass) -> Bool { (try? code.validate(in: computeClass)) != nil }

  /// Every primitive has a meaning in the class.
  @inline(__always)
  func isRunnable(in computeClass: ComputeClass) -> Bool {
    (computeClass == fb_f32 ? planFloat32 : computeClass == fb_f64 ? planFloat64 : planInt64) != nil
  }

  /// The program is defined in the class.
  @inline(__always)
  func plan(in computeClass: ComputeClass) -> Plan {
    (computeClass == fb_f32 ? planFloat32 : computeClass == fb_f64 ? planFloat64 : planInt64)!
  }

  /// The derivative with respect to input `i`; see ``Derivative``. Built once.
  func derivative(withRespectTo i: Int) -> Derivative {
    if let explicit { return explicit[i] }
    if let known = lock.withLock({ derivatives[i] }) { return known }
    let derivative = Derivative(of: code, withRespectTo: i)
    return lock.withLock {
      derivatives[i] = derivatives[i] ?? derivative
      return derivatives[i]!
    }
  }
}

// Writing a program as a function of its inputs.
extension Program {
  /// One primitive of one input.
  convenience init(_ primitive: Primitive) {
    self.init(inputs: 1, outputs: [.apply(primitive, .input(0))])
  }
  convenience init(_ body: (Scalar) -> Scalar) {
    self.init(inputs: 1, outputs: [body(.input(0))])
  }
  convenience init(_ body: (Scalar, Scalar) -> Scalar) {
    self.init(inputs: 2, outputs: [body(.input(0), .input(1))])
  }
  convenience init(_ body: (Scalar, Scalar, Scalar) -> Scalar) {
    self.init(inputs: 3, outputs: [body(.input(0), .input(1), .input(2))])
  }
  convenience init(_ body: (Scalar, Scalar, Scalar, Scalar) -> Scalar) {
    self.init(inputs: 4, outputs: [body(.input(0), .input(1), .input(2), .input(3))])
  }

  /// Any number of inputs and scalars: `Program(inputs: 2, scalars: 1) { x, s in x[0] + s[0] * x[1] }`.
  convenience init(inputs: Int, scalars: Int = 0, _ body: (_ x: [Scalar], _ s: [Scalar]) -> Scalar) {
    self.init(inputs: inputs, scalars: scalars) { x, s in [body(x, s)] }
  }

  /// Several outputs.
  convenience init(inputs: Int, scalars: Int = 0, _ body: (_ x: [Scalar], _ s: [Scalar]) -> [Scalar]) {
    let x = (0..<inputs).map { Scalar.input($0) }
    let s = (0..<scalars).map { Scalar.scalar($0) }
    self.init(inputs: inputs, scalars: scalars, outputs: body(x, s))
  }

  /// With the gradients of all inputs written by hand, from the inputs, the output `y` and the gradient `g` of it.
  convenience init(
    inputs: Int, scalars: Int = 0, _ body: (_ x: [Scalar], _ s: [Scalar]) -> Scalar,
    derivatives: (_ x: [Scalar], _ s: [Scalar], _ y: Scalar, _ g: Scalar) -> [Scalar]
  ) {
    let x = (0..<inputs).map { Scalar.input($0) }
    let s = (0..<scalars).map { Scalar.scalar($0) }
    let code = Code(inputs: inputs, scalars: scalars, outputs: [body(x, s)])
    let space = Derivative.Space(code)
    let gradients = derivatives(x, s, space.output(0), space.cotangent(0))
    precondition(gradients.count == inputs, "one gradient for each input")
    self.init(code, derivatives: gradients.map { Derivative($0, in: space) })
  }
}

extension Program.Code {
  init(inputs: Int, scalars: Int, outputs: [Scalar]) {
    var builder = RowProgram.Builder()
    let operands = outputs.map { builder.operand($0) }
    let instructions = builder.instructions.map { instruction in
      guard case .map(let instruction) = instruction else { preconditionFailure("reductions over a row belong to row programs") }
      return instruction
    }
    self.init(inputCount: inputs, scalarCount: scalars, instructions: instructions, outputs: operands)
  }

  var readsInput: [Bool] {
    var reads = Array(repeating: false, count: inputCount)
    for operand in instructions.flatMap(\.operands) + outputs {
      if case .input(let i) = operand { reads[i] = true }
    }
    return reads
  }

  func with(inputCount: Int) -> Program.Code {
    var code = self
    code.inputCount = inputCount
    return code
  }

  func renumberingInputs(_ number: (Int) -> Int) -> Program.Code {
    mapOperands { if case .input(let i) = $0 { .input(number(i)) } else { $0 } }
  }

  func mapOperands(_ change: (Program.Operand) -> Program.Operand) -> Program.Code {
    var code = self
    code.instructions = instructions.map {
      Program.Instruction($0.primitive, change($0.a), $0.b.map(change), $0.c.map(change))
    }
    code.outputs = outputs.map(change)
    return code
  }
}
