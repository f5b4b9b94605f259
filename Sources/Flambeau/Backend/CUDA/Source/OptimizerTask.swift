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

  init(_ steps: [Step]) { self.steps = steps }

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

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    struct Kind: Hashable {
      let dtype: DType
      let formula: StepFormula
      let isReplayed: Bool
    }
    var kinds: [Kind] = []
    var groups: [Kind: [[Elements?]]] = [:]
    for step in steps {
      let formula = step.numbers == nil ? step.formula : StepFormula(step.formula.rule, rate: 0)
      let kind = Kind(dtype: step.parameter.dtype, formula: formula, isReplayed: step.numbers != nil)
      if groups[kind] == nil { kinds.append(kind) }
      groups[kind, default: []].append(step.arrays)
    }
    for kind in kinds {
      let names = ["parameter", "gradient", "first", "second", "third"] + (kind.isReplayed ? ["numbers"] : [])
      for table in ArrayTable.tables(names, groups[kind]!) {
        work.launches.append(launch(table, kind.dtype, kind.formula, isReplayed: kind.isReplayed, device))
      }
    }
  }

  private func launch(
    _ table: ArrayTable, _ dtype: DType, _ formula: StepFormula, isReplayed: Bool, _ device: DeviceShape
  ) -> KernelLaunch {
    var arguments = KernelArguments()
    table.declare(in: &arguments)
    let copies = isReplayed ? "" : OptimizerTask.copies(formula, in: &arguments)
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

  /// Statements that make a kernel's `numbers` of its arguments.
  private static func copies(_ formula: StepFormula, in arguments: inout KernelArguments) -> String {
    let n = formula.numbers
    let numbers = [
      ("rate", n.rate), ("weight_decay", n.weight_decay), ("kept", n.kept), ("momentum", n.momentum), ("fresh1", n.fresh1),
      ("beta2", n.beta2), ("fresh2", n.fresh2), ("correction1", n.correction1), ("correction2", n.correction2),
      ("rectification", n.rectification), ("initial", n.initial), ("eps", n.eps),
    ]
    let flags = [("first", n.first), ("nesterov", n.nesterov), ("maximize", n.maximize)]
    for (name, number) in numbers { arguments.double("n_\(name)", number) }
    for (name, flag) in flags { arguments.integer("n_\(name)", flag ? 1 : 0) }
    return "  fb_step_numbers numbers;\n"
      + (numbers.map(\.0) + flags.map(\.0)).map { "  numbers.\($0) = a.n_\($0);\n" }.joined()
  }

  /// The CPU's.
  private static let rules = String(cString: fb_device_part(Int32(fb_device_steps)))
}
