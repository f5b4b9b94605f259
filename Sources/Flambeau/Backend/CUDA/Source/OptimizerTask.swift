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

    fileprivate var arrays: [Elements?] { [parameter, gradient] + state }
  }

  private(set) var steps: [Step]

  init(_ steps: [Step]) { self.steps = steps }

  var operands: [Elements] { steps.flatMap { $0.arrays.compactMap { $0 } } }
  var results: [Elements] { steps.flatMap { ([$0.parameter] + $0.state).compactMap { $0 } } }

  func mapOperands(_ f: (Elements) -> Elements) -> OptimizerTask {
    OptimizerTask(
      steps.map {
        Step(formula: $0.formula, parameter: f($0.parameter), gradient: f($0.gradient), state: $0.state.map { $0.map(f) })
      })
  }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    struct Kind: Hashable {
      let dtype: DType
      let formula: StepFormula
    }
    var kinds: [Kind] = []
    var groups: [Kind: [[Elements?]]] = [:]
    for step in steps {
      let kind = Kind(dtype: step.parameter.dtype, formula: step.formula)
      if groups[kind] == nil { kinds.append(kind) }
      groups[kind, default: []].append(step.arrays)
    }
    for kind in kinds {
      for table in ArrayTable.tables(["parameter", "gradient", "first", "second", "third"], groups[kind]!) {
        work.launches.append(launch(table, kind.dtype, kind.formula, device))
      }
    }
  }

  private func launch(_ table: ArrayTable, _ dtype: DType, _ formula: StepFormula, _ device: DeviceShape) -> KernelLaunch {
    var arguments = KernelArguments()
    table.declare(in: &arguments)
    let n = formula.numbers
    let numbers = [
      ("rate", n.rate), ("weight_decay", n.weight_decay), ("kept", n.kept), ("momentum", n.momentum), ("fresh1", n.fresh1),
      ("beta2", n.beta2), ("fresh2", n.fresh2), ("correction1", n.correction1), ("correction2", n.correction2),
      ("rectification", n.rectification), ("initial", n.initial), ("eps", n.eps),
    ]
    let flags = [("first", n.first), ("nesterov", n.nesterov), ("maximize", n.maximize)]
    for (name, number) in numbers { arguments.double("n_\(name)", number) }
    for (name, flag) in flags { arguments.integer("n_\(name)", flag ? 1 : 0) }
    let copies = (numbers.map(\.0) + flags.map(\.0)).map { "  numbers.\($0) = a.n_\($0);\n" }.joined()
    let body =
      "  fb_step_numbers numbers;\n" + copies
      + ArrayTable.text(
        """
            void *const state[3] = {a.first[row], a.second[row], a.third[row]};
            const Step<\(dtype.deviceName)> step(a.parameter[row], a.gradient[row], state, &numbers);
            for (int64_t i = begin + threadIdx.x; i < end; i += blockDim.x) \(formula.rule)_rule::run<\(dtype.deviceName)>(step, i, 1);

        """)
    let source = KernelSource("step_\(formula.rule)", arguments: arguments.declaration, parts: OptimizerTask.rules, body: body)
    return KernelLaunch(source, grid: table.grid(device), arguments)
  }

  /// The CPU's.
  private static let rules = String(cString: fb_device_part(Int32(fb_device_steps)))
}
