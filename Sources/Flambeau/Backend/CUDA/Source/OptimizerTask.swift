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

  /// What one kernel does.
  private struct Kind: Hashable {
    let dtype: DType
    let formula: StepFormula
    let isReplayed: Bool
    /// The parts of the state that are there.
    let state: [Int]
    /// All arrays begin at multiples of 16 bytes.
    let isAligned: Bool

    static let stateNames = ["first", "second", "third"]

    init(_ step: Step) {
      dtype = step.parameter.dtype
      isReplayed = step.numbers != nil
      formula = isReplayed ? StepFormula(step.formula.rule, rate: 0) : step.formula
      state = step.state.indices.filter { step.state[$0] != nil }
      isAligned = step.arrays.allSatisfy { $0.map { UInt(bitPattern: $0.address) % 16 == 0 } ?? true }
    }

    /// Of the step's arrays.
    var names: [String] { ["parameter", "gradient"] + state.map { Kind.stateNames[$0] } }
  }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    var kinds: [Kind] = []
    var groups: [Kind: [[Elements?]]] = [:]
    for step in steps {
      let kind = Kind(step)
      if groups[kind] == nil { kinds.append(kind) }
      groups[kind, default: []].append(step.arrays.filter { $0 != nil })
    }
    for kind in kinds {
      for table in ArrayTable.tables(kind.names + (kind.isReplayed ? ["numbers"] : []), groups[kind]!) {
        work.launches.append(launch(table, kind, device))
      }
    }
  }

  private func launch(_ table: ArrayTable, _ kind: Kind, _ device: DeviceShape) -> KernelLaunch {
    var arguments = KernelArguments()
    table.declare(in: &arguments)
    let copies = kind.isReplayed ? "" : OptimizerTask.copies(kind.formula, in: &arguments)
    let body = copies + ArrayTable.text(OptimizerTask.piece(kind))
    let source = KernelSource(
      "step_\(kind.formula.rule)", arguments: arguments.declaration, parts: OptimizerTask.rules, threads: 256, body: body)
    return KernelLaunch(source, grid: (Swift.min(table.pieceCount, KernelLaunch.mostBlocks), 1), arguments)
  }

  /// Steps a piece: packs of 16 bytes, then what is left; or element by element where arrays are not aligned.
  private static func piece(_ kind: Kind) -> String {
    let type = kind.dtype.deviceName
    let width = kind.isAligned ? 16 / kind.dtype.byteCount : 1
    let numbers = kind.isReplayed ? "(const fb_step_numbers *)a.numbers[row]" : "&numbers"
    func step(_ array: String, _ value: (String) -> String) -> String {
      let names = ["parameter", "gradient"] + Kind.stateNames
      let arrays = names.map { "\(array)(\(kind.names.contains($0) ? value($0) : "nullptr"))" }
      return "const Step<\(type), \(array)> step(\(arrays.joined(separator: ", ")), \(numbers));\n"
    }
    let rule = "\(kind.formula.rule)_rule::run(step"
    var text = ""
    if width > 1 {
      text += "    for (int64_t i = begin + threadIdx.x * \(width); i + \(width) <= end; i += blockDim.x * \(width)) {\n"
      for name in kind.names { text += "      auto \(name) = pack<\(type), \(width)>(a.\(name)[row], i);\n" }
      text += "      \(step("HeldArray<\(type)>") { "\($0).e" })"
      text += "#pragma unroll\n      for (int k = 0; k < \(width); k++) \(rule), k, 1);\n"
      for name in kind.names where name != "gradient" {
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
