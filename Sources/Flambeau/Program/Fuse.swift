import CKernels

extension Program.Code {
  /// The same program with each product that only one sum reads made part of that sum, rounded once.
  func fused() -> Program.Code {
    var readers = Array(repeating: 0, count: instructions.count)
    for operand in instructions.flatMap(\.operands) + outputs {
      if case .result(let i) = operand { readers[i] += 1 }
    }
    var instructions = instructions
    func product(_ operand: Program.Operand?) -> (Program.Operand, Program.Operand)? {
      guard case .result(let i) = operand, readers[i] == 1, instructions[i].primitive == fb_mul else { return nil }
      return (instructions[i].a, instructions[i].b!)
    }
    for (index, step) in instructions.enumerated() {
      if step.primitive == fb_add {
        if let (a, b) = product(step.a) {
          instructions[index] = .init(fb_fma, a, b, step.b)
        } else if let (a, b) = product(step.b) {
          instructions[index] = .init(fb_fma, a, b, step.a)
        }
      } else if step.primitive == fb_sub, let (a, b) = product(step.a), case .constant(let c) = step.b {
        instructions[index] = .init(fb_fma, a, b, .constant(Number(-c.double)))
      }
    }
    return Program.Code(
      inputCount: inputCount, scalarCount: scalarCount, instructions: instructions, outputs: outputs
    ).withoutUnused()
  }

  /// Without the instructions no output needs.
  func withoutUnused() -> Program.Code {
    var needed = Array(repeating: false, count: instructions.count)
    func mark(_ operand: Program.Operand) {
      if case .result(let i) = operand { needed[i] = true }
    }
    outputs.forEach(mark)
    for (index, step) in instructions.enumerated().reversed() where needed[index] { step.operands.forEach(mark) }
    var position: [Int: Int] = [:]
    for index in instructions.indices where needed[index] { position[index] = position.count }
    var code = self
    code.instructions = instructions.indices.filter { needed[$0] }.map { instructions[$0] }
    return code.mapOperands { if case .result(let i) = $0 { .result(position[i]!) } else { $0 } }
  }
}
