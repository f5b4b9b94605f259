import CKernels

/// How the CPU runs a program in one compute class: its steps in order, every operand a slot.
///
/// Slots, in order: none, inputs, constants, run-time scalars, uniforms (results that are the same for every element),
/// temporaries (blocks), outputs. A slot holds the address of the block or number of the moment.
final class Plan: Sendable {
  struct Step: Sendable {
    let kernel: fb_map
    var destination: Int
    var a: Int
    var b: Int
    var c: Int
    /// Bit k: operand k is one number.
    var scalars: UInt32
  }

  let computeClass: ComputeClass
  let inputCount: Int
  let outputCount: Int
  let scalarCount: Int
  let uniformCount: Int
  let temporaryCount: Int
  /// Steps run once; their results are numbers.
  let uniformSteps: [Step]
  /// Steps run for every block.
  let steps: [Step]
  let isOneStep: Bool
  /// The step of a program that is one step; of others, the first.
  let oneStep: Step
  /// The inputs some step reads.
  let readsInput: [Bool]
  /// About the cost of one element, counted in additions.
  let cost: Int
  /// The constants in the class's own type, 8 bytes apart; written before anybody has the plan.
  nonisolated(unsafe) let constants: UnsafeMutableRawPointer
  let constantCount: Int

  let firstConstant: Int
  let firstScalar: Int
  let firstUniform: Int
  let firstTemporary: Int
  let firstOutput: Int
  let slotCount: Int
  static let firstInput = 1

  deinit { constants.deallocate() }

  /// Nil when a primitive has no meaning in the class.
  init?(_ code: Program.Code, in computeClass: ComputeClass) {
    guard code.instructions.allSatisfy({ $0.primitive.exists(in: computeClass) }) else { return nil }
    let code = computeClass == fb_i64 ? code : code.fused()
    let draft = Draft(code)

    self.computeClass = computeClass
    inputCount = code.inputCount
    outputCount = code.outputs.count
    scalarCount = code.scalarCount
    constantCount = draft.constants.count
    uniformCount = draft.uniformCount
    temporaryCount = draft.temporaryCount
    readsInput = code.readsInput
    cost = Swift.max(1, code.instructions.reduce(0) { $0 + $1.primitive.cost })
    constants = .allocate(byteCount: Swift.max(8 * draft.constants.count, 8), alignment: 8)
    for (i, number) in draft.constants.enumerated() { computeClass.store(number, constants + 8 * i) }

    let (firstConstant, firstScalar) = (1 + code.inputCount, 1 + code.inputCount + draft.constants.count)
    let firstUniform = firstScalar + code.scalarCount
    let firstTemporary = firstUniform + draft.uniformCount
    let firstOutput = firstTemporary + draft.temporaryCount
    (self.firstConstant, self.firstScalar, self.firstUniform) = (firstConstant, firstScalar, firstUniform)
    (self.firstTemporary, self.firstOutput, slotCount) = (firstTemporary, firstOutput, firstOutput + code.outputs.count)

    let slot = { (place: Draft.Place) -> Int in
      switch place {
      case .none: 0
      case .input(let i): Plan.firstInput + i
      case .constant(let i): firstConstant + i
      case .scalar(let i): firstScalar + i
      case .uniform(let i): firstUniform + i
      case .temporary(let i): firstTemporary + i
      case .output(let i): firstOutput + i
      }
    }
    let lower = { (step: Draft.Step) -> Step in
      var scalars: UInt32 = 0
      for (k, place) in step.operands.enumerated() where place.isUniform { scalars |= 1 << UInt32(k) }
      return Step(
        kernel: step.primitive.kernel(in: computeClass)!, destination: slot(step.destination),
        a: slot(step.operands[0]), b: slot(step.operands[1]), c: slot(step.operands[2]), scalars: scalars)
    }
    uniformSteps = draft.uniformSteps.map(lower)
    steps = draft.steps.map(lower)
    isOneStep = uniformSteps.isEmpty && steps.count == 1 && code.outputs.count == 1
    oneStep = steps[0]
  }
}

extension Plan {
  /// Places given to the values of a program.
  fileprivate struct Draft {
    enum Place: Hashable {
      case none, input(Int), constant(Int), scalar(Int), uniform(Int), temporary(Int), output(Int)

      var isUniform: Bool {
        switch self {
        case .constant, .scalar, .uniform: true
        default: false
        }
      }
    }

    struct Step {
      let primitive: Primitive
      let destination: Place
      /// Always three.
      let operands: [Place]
    }

    private(set) var constants: [Number] = []
    private(set) var uniformSteps: [Step] = []
    private(set) var steps: [Step] = []
    private(set) var uniformCount = 0
    private(set) var temporaryCount = 0
    private var places: [Place] = []

    init(_ code: Program.Code) {
      var lastUse = Array(repeating: -1, count: code.instructions.count)
      for (index, step) in code.instructions.enumerated() {
        for case .result(let i) in step.operands { lastUse[i] = index }
      }
      var outputOf: [Int: Int] = [:]
      for (k, output) in code.outputs.enumerated() {
        if case .result(let i) = output, outputOf[i] == nil { outputOf[i] = k }
      }

      var free: [Int] = []
      var written: Set<Int> = []
      for (index, step) in code.instructions.enumerated() {
        var operands = step.operands.map { place($0) }
        if operands.allSatisfy(\.isUniform) {
          places.append(.uniform(uniformCount))
          uniformCount += 1
          while operands.count < 3 { operands.append(.none) }
          uniformSteps.append(Step(primitive: step.primitive, destination: places[index], operands: operands))
          continue
        }
        // A block whose last reader this is may take the result.
        for case .result(let i) in Set(step.operands) where lastUse[i] == index {
          if case .temporary(let t) = places[i] { free.append(t) }
        }
        if let k = outputOf[index] {
          places.append(.output(k))
          written.insert(k)
        } else if let t = free.popLast() {
          places.append(.temporary(t))
        } else {
          places.append(.temporary(temporaryCount))
          temporaryCount += 1
        }
        while operands.count < 3 { operands.append(.none) }
        steps.append(Step(primitive: step.primitive, destination: places[index], operands: operands))
      }
      for (k, output) in code.outputs.enumerated() where !written.contains(k) {
        steps.append(Step(primitive: fb_copy, destination: .output(k), operands: [place(output), .none, .none]))
      }
    }

    private mutating func place(_ operand: Program.Operand) -> Place {
      switch operand {
      case .input(let i): return .input(i)
      case .scalar(let i): return .scalar(i)
      case .result(let i): return places[i]
      case .constant(let number):
        if let known = constants.firstIndex(of: number) { return .constant(known) }
        constants.append(number)
        return .constant(constants.count - 1)
      }
    }
  }
}

extension fb_class {
  /// Writes a number in the class's own type.
  @inline(__always)
  func store(_ number: Number, _ to: UnsafeMutableRawPointer) {
    if self == fb_f32 {
      to.storeBytes(of: Float(number.double), as: Float.self)
    } else if self == fb_f64 {
      to.storeBytes(of: number.double, as: Double.self)
    } else {
      to.storeBytes(of: number.integer, as: Int64.self)
    }
  }
}

extension fb_primitive {
  fileprivate static let costs: [fb_primitive: Int] = {
    var costs: [fb_primitive: Int] = [:]
    for primitive in [fb_div, fb_reciprocal, fb_sqrt, fb_rsqrt, fb_copysign] { costs[primitive] = 3 }
    let functions = [
      fb_exp, fb_expm1, fb_exp2, fb_log, fb_log1p, fb_log2, fb_log10, fb_sin, fb_cos, fb_tan, fb_asin, fb_acos, fb_atan,
      fb_sinh, fb_cosh, fb_tanh, fb_asinh, fb_acosh, fb_atanh, fb_erf, fb_erfc, fb_sigmoid, fb_softplus, fb_silu, fb_gelu,
      fb_gelu_tanh, fb_gelu_slope, fb_gelu_tanh_slope, fb_silu_slope, fb_fmod, fb_remainder, fb_floor_div,
    ]
    for primitive in functions { costs[primitive] = 10 }
    for primitive in [fb_pow, fb_atan2] { costs[primitive] = 25 }
    return costs
  }()

  /// About the time of one element, counted in additions.
  var cost: Int { fb_primitive.costs[self] ?? 1 }
}
