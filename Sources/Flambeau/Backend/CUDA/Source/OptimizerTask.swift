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

  /// What one kernel does beside its kind.
  private struct Form: Hashable {
    /// The parts of the state that are there.
    let state: [Int]
    /// All arrays begin at multiples of 16 bytes.
    let isAligned: Bool

    static let stateNames = ["first", "second", "third"]

    init(_ step: Step) {
      state = step.state.indices.filter { step.state[$0] != nil }
      isAligned = step.arrays.allSatisfy { $0.map { UInt(bitPattern: $0.address) % 16 == 0 } ?? true }
    }

    /// Of the step's arrays.
    var names: [String] { ["parameter", "gradient"] + state.map { Form.stateNames[$0] } }
  }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    let numbers = numbers
    for (i, kind) in kinds.all.enumerated() {
      var forms: [Form] = []
      var groups: [Form: [[Elements?]]] = [:]
      for (step, attributes) in zip(steps, attributes.steps) where attributes.kind == i {
        let form = Form(step)
        if groups[form] == nil { forms.append(form) }
        groups[form, default: []].append(step.arrays.filter { $0 != nil })
      }
      for form in forms {
        for table in ArrayTable.tables(form.names + (kind.isReplayed ? ["numbers"] : []), groups[form]!) {
          work.launches.append(launch(table, kind, form, numbers, from: i * OptimizerTask.numberCount, device))
        }
      }
    }
  }

  private func launch(
    _ table: ArrayTable, _ kind: Kind, _ form: Form, _ numbers: [Number], from first: Int, _ device: DeviceShape
  ) -> KernelLaunch {
    var arguments = KernelArguments()
    table.declare(in: &arguments)
    let copies = kind.isReplayed ? "" : OptimizerTask.copies(numbers, from: first, in: &arguments)
    let body = copies + ArrayTable.text(OptimizerTask.piece(kind, form))
    let source = KernelSource(
      "step_\(kind.formula.rule)", arguments: arguments.declaration, parts: OptimizerTask.rules, threads: 256, body: body)
    return KernelLaunch(source, grid: (Swift.min(table.pieceCount, KernelLaunch.mostBlocks), 1), arguments)
  }

  /// Steps a piece: packs of 16 bytes, then what is left; or element by element where arrays are not aligned.
  private static func piece(_ kind: Kind, _ form: Form) -> String {
    let type = kind.dtype.deviceName
    let width = form.isAligned ? 16 / kind.dtype.byteCount : 1
    let numbers = kind.isReplayed ? "(const fb_step_numbers *)a.numbers[row]" : "&numbers"
    func step(_ array: String, _ value: (String) -> String) -> String {
      let names = ["parameter", "gradient"] + Form.stateNames
      let arrays = names.map { "\(array)(\(form.names.contains($0) ? value($0) : "nullptr"))" }
      return "const Step<\(type), \(array)> step(\(arrays.joined(separator: ", ")), \(numbers));\n"
    }
    let rule = "\(kind.formula.rule)_rule::run(step"
    var text = ""
    if width > 1 {
      text += "    for (int64_t i = begin + threadIdx.x * \(width); i + \(width) <= end; i += blockDim.x * \(width)) {\n"
      for name in form.names { text += "      auto \(name) = pack<\(type), \(width)>(a.\(name)[row], i);\n" }
      text += "      \(step("HeldArray<\(type)>") { "\($0).e" })"
      text += "#pragma unroll\n      for (int k = 0; k < \(width); k++) \(rule), k, 1);\n"
      for name in form.names where name != "gradient" {
        text += "      put_last_pack<\(type), \(width)>(a.\(name)[row], i, \(name));\n"
      }
      text += "    }\n"
    }
    return text + """
          {
            \(step("Array<\(type)>") { "a.\($0)[row]" })
            for (int64_t i = begin\(width > 1 ? " + (end - begin) / \(width) * \(width)" : "") + threadIdx.x; i < end; i += blockDim.x) \(rule), i, 1);
          }

      """
  }

  // What a formula's numbers are called.
  private static let doubles: [(name: String, of: @Sendable (fb_step_numbers) -> Double)] = [
    ("rate", { $0.rate }), ("weight_decay", { $0.weight_decay }), ("kept", { $0.kept }), ("momentum", { $0.momentum }),
    ("fresh1", { $0.fresh1 }), ("beta2", { $0.beta2 }), ("fresh2", { $0.fresh2 }), ("correction1", { $0.correction1 }),
    ("correction2", { $0.correction2 }), ("rectification", { $0.rectification }),
    ("mean_rate", { $0.mean_rate }), ("initial", { $0.initial }), ("eps", { $0.eps }), ("shrink", { $0.shrink }),
    ("grow", { $0.grow }), ("smallest", { $0.smallest }), ("largest", { $0.largest }),
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

  /// The CPU's, and arrays of a thread's own.
  private static let rules =
    String(cString: fb_device_part(Int32(fb_device_steps))) + """

      template <class S> struct HeldArray {
        using C = typename ComputedIn<S>::type;
        Bits<S> *p;
        FB_INLINE HeldArray(Bits<S> *start) : p(start) {}
        FB_INLINE Lanes<C> read(int64_t i, int64_t) const { return converted<C, S>(Lanes<Bits<S>>(p[i])); }
        FB_INLINE void write(int64_t i, int64_t, Lanes<C> v) const { p[i] = stored<C, S, 1>(v).v; }
      };

      """
}
