import CKernels

extension Program.Code {
  /// Refuses code that no builder makes: wrong arities, operands that do not exist or come later.
  func validate() throws(TensorError) {
    guard inputCount >= 0, scalarCount >= 0, scalarCount <= Scalars.capacity else {
      throw .argument("a program takes at most \(Scalars.capacity) scalars, got \(scalarCount)")
    }
    guard !outputs.isEmpty else { throw .argument("a program has at least one output") }
    for (index, instruction) in instructions.enumerated() {
      guard instruction.primitive.rawValue < fb_primitive_count.rawValue else {
        throw .argument("%\(index): no primitive has the number \(instruction.primitive.rawValue)")
      }
      let name = instruction.primitive.name
      guard (instruction.c == nil || instruction.b != nil) && instruction.operands.count == instruction.primitive.arity else {
        throw .argument(
          "%\(index): \(name) takes \(instruction.primitive.arity) operands, got \(instruction.operands.count)")
      }
      for operand in instruction.operands { try check(operand, before: index, "%\(index)") }
    }
    for output in outputs { try check(output, before: instructions.count, "return") }
  }

  private func check(_ operand: Program.Operand, before index: Int, _ place: String) throws(TensorError) {
    let exists =
      switch operand {
      case .input(let i): i >= 0 && i < inputCount
      case .scalar(let i): i >= 0 && i < scalarCount
      case .constant: true
      case .result(let i): i >= 0 && i < index
      }
    if !exists { throw .argument("\(place): \(operand.text) is not defined here") }
  }

  /// Refuses primitives without a meaning in `computeClass`.
  func validate(in computeClass: ComputeClass) throws(TensorError) {
    try validate()
    for (index, instruction) in instructions.enumerated() where !instruction.primitive.exists(in: computeClass) {
      throw .dtype("%\(index): \(instruction.primitive.name) is not defined on \(computeClass.name)")
    }
  }
}

extension fb_class {
  var name: String { ["float32", "float64", "int64"][Int(rawValue)] }
}
