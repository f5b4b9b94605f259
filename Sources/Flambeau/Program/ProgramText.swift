import CKernels

// The text form:
//
//     inputs 2 scalars 1
//     %0 = mul x0, s0
//     %1 = fma %0, x1, 0.5
//     return %1
extension Program: CustomStringConvertible {
  var description: String {
    let head = "inputs \(inputCount) scalars \(scalarCount)\n"
    let body = instructions.enumerated().map { index, instruction in
      "%\(index) = \(instruction.primitive.name) \(instruction.operands.map(\.text).joined(separator: ", "))\n"
    }
    return head + body.joined() + "return \(outputs.map(\.text).joined(separator: ", "))"
  }

  /// Reads the text form; throws a sentence that names the line.
  convenience init(parsing text: String) throws(TensorError) {
    let lines = text.split(whereSeparator: \.isNewline).map { $0.split(whereSeparator: { $0 == " " || $0 == "," }) }
      .filter { !$0.isEmpty }
    guard let head = lines.first, head.count == 4, head[0] == "inputs", head[2] == "scalars",
      let inputs = Int(head[1]), let scalars = Int(head[3])
    else { throw .argument("a program starts with `inputs N scalars M`") }
    var code = Code(inputCount: inputs, scalarCount: scalars, instructions: [], outputs: [])
    for (number, words) in zip(2..., lines.dropFirst()) {
      guard code.outputs.isEmpty else { throw .argument("line \(number): nothing follows `return`") }
      if words[0] == "return" {
        code.outputs = try Program.operands(words.dropFirst(), number)
      } else {
        code.instructions.append(try Program.instruction(words, index: code.instructions.count, number))
      }
    }
    try code.validate()
    self.init(code)
  }

  private static func instruction(_ words: [Substring], index: Int, _ line: Int) throws(TensorError) -> Instruction {
    guard words.count >= 4, words[0] == "%\(index)", words[1] == "=" else {
      throw .argument("line \(line): expected `%\(index) = primitive operands`")
    }
    guard let primitive = Primitive(name: words[2]) else {
      throw .argument("line \(line): `\(words[2])` is not a primitive")
    }
    let operands = try operands(words.dropFirst(3), line)
    guard operands.count == primitive.arity else {
      throw .argument("line \(line): \(primitive.name) takes \(primitive.arity) operands, got \(operands.count)")
    }
    return Instruction(
      primitive, operands[0], operands.count > 1 ? operands[1] : nil, operands.count > 2 ? operands[2] : nil)
  }

  private static func operands(_ words: ArraySlice<Substring>, _ line: Int) throws(TensorError) -> [Operand] {
    var result: [Operand] = []
    for word in words {
      guard let operand = Operand(word) else { throw .argument("line \(line): `\(word)` is not an operand") }
      result.append(operand)
    }
    return result
  }
}

extension Program.Operand {
  var text: String {
    switch self {
    case .input(let i): "x\(i)"
    case .scalar(let i): "s\(i)"
    case .result(let i): "%\(i)"
    case .constant(let number): number.text
    }
  }

  init?(_ text: Substring) {
    let rest = text.dropFirst()
    switch text.first {
    case "x": if let i = Int(rest) { self = .input(i) } else { return nil }
    case "s": if let i = Int(rest) { self = .scalar(i) } else { return nil }
    case "%": if let i = Int(rest) { self = .result(i) } else { return nil }
    default:
      if let integer = Int64(text) {
        self = .constant(Number(integer))
      } else if let double = Double(text) {
        self = .constant(Number(double))
      } else {
        return nil
      }
    }
  }
}

extension Number {
  fileprivate var text: String {
    self == Number(integer) ? "\(integer)" : "\(double)"
  }
}
