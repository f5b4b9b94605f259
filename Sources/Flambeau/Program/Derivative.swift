import CKernels

/// The gradient of a program with respect to one of its inputs, itself a program.
///
/// Its inputs are only those values the gradient needs, listed in `operands`; save exactly those.
/// It takes the scalars of the program it came from, in their order.
struct Derivative: Sendable {
  /// Where an input of the derivative comes from.
  enum Source: Sendable, Hashable {
    case input(Int)
    /// What the program returned.
    case output(Int)
    /// The gradient that arrives for an output.
    case cotangent(Int)
  }

  let program: Program
  let operands: [Source]

  /// The program never depends smoothly on the input; the gradient is 0 everywhere.
  var isZero: Bool { program.outputs == [.constant(0)] }

  func reads(_ source: Source) -> Bool { operands.contains(source) }
}

extension Derivative {
  /// Reverse accumulation over the instructions that depend on input `i`.
  init(of code: Program.Code, withRespectTo i: Int) {
    let space = Space(code)
    var values: [Scalar] = []
    var depends: [Bool] = []
    func value(_ operand: Program.Operand) -> Scalar {
      switch operand {
      case .input(let k): .input(k)
      case .scalar(let k): .scalar(k)
      case .constant(let number): Scalar(number)
      case .result(let k): values[k]
      }
    }
    func isVariable(_ operand: Program.Operand) -> Bool {
      switch operand {
      case .input(let k): k == i
      case .result(let k): depends[k]
      case .scalar, .constant: false
      }
    }
    for (index, step) in code.instructions.enumerated() {
      depends.append(step.operands.contains(where: isVariable))
      // What the program returned need not be computed again.
      values.append(
        code.outputs.firstIndex(of: .result(index)).map { space.output($0) }
          ?? .apply(step.primitive, value(step.a), step.b.map(value), step.c.map(value)))
    }

    var gradients = [Scalar?](repeating: nil, count: code.instructions.count)
    var gradient: Scalar?
    func accumulate(_ term: Scalar, into operand: Program.Operand) {
      switch operand {
      case .input(let k) where k == i: gradient = gradient.map { $0 + term } ?? term
      case .result(let k): gradients[k] = gradients[k].map { $0 + term } ?? term
      default: break
      }
    }
    for (k, output) in code.outputs.enumerated() where isVariable(output) { accumulate(space.cotangent(k), into: output) }
    for (index, step) in code.instructions.enumerated().reversed() where depends[index] {
      guard let arriving = gradients[index] else { continue }
      let terms = step.primitive.derivative(step.operands.map(value), values[index], arriving)
      for (operand, term) in zip(step.operands, terms) where isVariable(operand) {
        if let term { accumulate(term(), into: operand) }
      }
    }
    self.init(gradient ?? 0, in: space)
  }

  /// `gradient` is written over the inputs, then the outputs, then the cotangents.
  init(_ gradient: Scalar, in space: Space) {
    let all = Program.Code(inputs: space.count, scalars: space.scalars, outputs: [gradient])
    let used = all.readsInput.indices.filter { all.readsInput[$0] }
    operands = used.map(space.source)
    let position = Dictionary(uniqueKeysWithValues: zip(used, used.indices))
    program = Program(all.renumberingInputs { position[$0]! }.with(inputCount: used.count))
  }

  /// The values a derivative may read, numbered.
  struct Space {
    let inputs: Int
    let outputs: Int
    let scalars: Int

    init(_ code: Program.Code) {
      inputs = code.inputCount
      outputs = code.outputs.count
      scalars = code.scalarCount
    }

    var count: Int { inputs + 2 * outputs }
    func output(_ k: Int) -> Scalar { .input(inputs + k) }
    func cotangent(_ k: Int) -> Scalar { .input(inputs + outputs + k) }

    func source(_ index: Int) -> Source {
      if index < inputs { return .input(index) }
      return index < inputs + outputs ? .output(index - inputs) : .cotangent(index - inputs - outputs)
    }
  }
}
