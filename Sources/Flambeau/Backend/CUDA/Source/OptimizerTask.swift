import CKernels

/// Steps of optimizers, all parameters of one dtype and formula in one launch.
struct OptimizerTask: KernelTask {
  /// Dense arrays of one size and floating-point dtype.
  struct Step {
    let formula: StepFormula
    var parameter: Elements
    var gradient: Elements
    /// Three, or nil where the formula does without.
    var state: [Elements?]
    /// Where the formula's numbers lie, if they are not those of the launch: a graph's steps have others at each replay.
    var numbers: Elements?

    fileprivate var arrays: [Elements?] { [parameter, gradient] + state + (numbers == nil ? [] : [numbers]) }
  }

  private(set) var steps: [Step]
  private let kinds: Kinds

  init(_ steps: [Step]) {
    self.steps = steps
    var kinds = Kinds()
    for step in steps {
      kinds.append(
        step.formula, step.parameter.dtype, hasState: (step.state[0] != nil, step.state[1] != nil, step.state[2] != nil),
        isReplayed: step.numbers != nil)
    }
    self.kinds = kinds
  }

  /// Which steps one launch may do together: those of one formula and dtype.
  struct Kinds {
    private(set) var attributes = Attributes()
    fileprivate var all: [Kind] = []

    mutating func append(_ formula: StepFormula, _ dtype: DType, hasState: (Bool, Bool, Bool), isReplayed: Bool = false) {
      let kind = Kind(
        dtype: dtype, formula: isReplayed ? StepFormula(formula.rule, rate: 0) : formula, isReplayed: isReplayed)
      let known = all.last == kind ? all.count - 1 : all.lastIndex(of: kind)
      if known == nil { all.append(kind) }
      let state = (hasState.0 ? 1 : 0) | (hasState.1 ? 2 : 0) | (hasState.2 ? 4 : 0)
      attributes.steps.append(
        Attributes.Step(kind: known ?? all.count - 1, rule: formula.rule, state: state, isReplayed: isReplayed))
    }

    /// Those of each kind.
    var numbers: [Number] {
      all.flatMap { kind in
        let numbers = kind.formula.numbers
        return OptimizerTask.doubles.map { Number($0.of(numbers)) }
          + OptimizerTask.flags.map { Number($0.of(numbers)) }
      }
    }
  }

  fileprivate struct Kind: Equatable {
    let dtype: DType
    /// Of replayed steps only the rule.
    let formula: StepFormula
    let isReplayed: Bool
  }

  var operands: [Elements] { steps.flatMap { $0.arrays.compactMap { $0 } } }
  var results: [Elements] { steps.flatMap { ([$0.parameter] + $0.state).compactMap { $0 } } }

  func mapOperands(_ f: (Elements) -> Elements) -> OptimizerTask {
    OptimizerTask(
      steps.map {
        Step(
          formula: $0.formula, parameter: f($0.parameter), gradient: f($0.gradient), state: $0.state.map { $0.map(f) },
          numbers: $0.numbers.map(f))
      })
  }

  struct Attributes: Hashable {
    struct Step: Hashable {
      let kind: Int
      let rule: StepFormula.Rule
      /// A bit for each state that is there.
      let state: Int
      let isReplayed: Bool
    }

    fileprivate(set) var steps: [Step] = []
  }

  var attributes: Attributes { kinds.attributes }
  var numbers: [Number] { kinds.numbers }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    let names = ["parameter", "gradient", "first", "second", "third"]
    let numbers = numbers
    for (i, kind) in kinds.all.enumerated() {
      let rows = zip(steps, attributes.steps).filter { $1.kind == i }.map(\.0.arrays)
      for table in ArrayTable.tables(names + (kind.isReplayed ? ["numbers"] : []), rows) {
        work.launches.append(launch(table, kind, numbers, from: i * OptimizerTask.numberCount, device))
      }
    }
  }

  private func launch(
    _ table: ArrayTable, _ kind: Kind, _ numbers: [Number], from first: Int, _ device: DeviceShape
  ) -> KernelLaunch {
    let (dtype, formula, isReplayed) = (kind.dtype, kind.formula, kind.isReplayed)
    var arguments = KernelArguments()
    table.declare(in: &arguments)
    let copies = isReplayed ? "" : OptimizerTask.copies(numbers, from: first, in: &arguments)
    let body =
      copies
      + ArrayTable.text(
        """
            void *const state[3] = {a.first[row], a.second[row], a.third[row]};
            const Step<\(dtype.deviceName)> step(
                a.parameter[row], a.gradient[row], state, \(isReplayed ? "(const fb_step_numbers *)a.numbers[row]" : "&numbers"));
            for (int64_t i = begin + threadIdx.x; i < end; i += blockDim.x) \(formula.rule)_rule::run<\(dtype.deviceName)>(step, i, 1);

        """)
    let source = KernelSource("step_\(formula.rule)", arguments: arguments.declaration, parts: OptimizerTask.rules, body: body)
    return KernelLaunch(source, grid: table.grid(device), arguments)
  }

  // What a formula's numbers are called.
  private static let doubles: [(name: String, of: @Sendable (fb_step_numbers) -> Double)] = [
    ("rate", { $0.rate }), ("weight_decay", { $0.weight_decay }), ("kept", { $0.kept }), ("momentum", { $0.momentum }),
    ("fresh1", { $0.fresh1 }), ("beta2", { $0.beta2 }), ("fresh2", { $0.fresh2 }), ("correction1", { $0.correction1 }),
    ("correction2", { $0.correction2 }), ("rectification", { $0.rectification }), ("initial", { $0.initial }),
    ("eps", { $0.eps }),
  ]
  private static let flags: [(name: String, of: @Sendable (fb_step_numbers) -> Bool)] = [
    ("first", { $0.first }), ("nesterov", { $0.nesterov }), ("maximize", { $0.maximize }),
  ]
  private static var numberCount: Int { doubles.count + flags.count }

  /// Statements that make a kernel's `numbers` of its arguments.
  private static func copies(_ numbers: [Number], from first: Int, in arguments: inout KernelArguments) -> String {
    let members = doubles.map { ($0.name, fb_f64) } + flags.map { ($0.name, fb_i64) }
    for (i, (name, type)) in members.enumerated() { arguments.number("n_\(name)", first + i, of: numbers, in: type) }
    return "  fb_step_numbers numbers;\n" + members.map { "  numbers.\($0.0) = a.n_\($0.0);\n" }.joined()
  }

  /// The CPU's.
  private static let rules = String(cString: fb_device_part(Int32(fb_device_steps)))
}
