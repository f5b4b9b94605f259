import CKernels

/// One parameter in a step of an optimizer: what is read and what is written.
///
/// All tensors have the parameter's shape and dtype. What the state holds, and in what order, depends on the formula.
package struct ParameterStep: Sendable {
  package let parameter: Tensor
  package let gradient: Tensor
  package let state: [Tensor?]
  package let formula: StepFormula

  package init(_ formula: StepFormula, parameter: Tensor, gradient: Tensor, state: [Tensor?]) {
    self.formula = formula
    self.parameter = parameter
    self.gradient = gradient
    self.state = state
  }

  /// Takes all steps in one pass over memory, or, where the error scope has failed or one is refused, none.
  package static func run(_ steps: [ParameterStep], operation: String) {
    let context = Context.current
    if context.isFailed { return }
    let span = context.profiler?.begin(.function(operation))
    do throws(TensorError) {
      for step in steps { try step.parameter.body.checkWritable(context, recording: false) }
      var arrays: [StepArrays] = []
      for step in steps { arrays.append(try StepArrays(step)) }
      if let graph = GraphSteps.current {
        try graph.take(arrays.indices.map { arrays[$0].task(steps[$0].formula) }, operation: operation)
        span?.end(byteCount: 0)
        return
      }
      // Parameters of several devices: one pass for each, once no step is refused any more.
      var devices: [Device] = []
      for array in arrays {
        let device = try array.device()
        if !devices.contains(device) { devices.append(device) }
      }
      for device in devices {
        let chosen = arrays.indices.filter { arrays[$0].parameter.device == device }
        if !device.isCPU {
          try StepArrays.step(chosen, of: arrays, steps, on: device, operation: operation)
          continue
        }
        KernelCall.task(OptimizerTask(chosen.map { arrays[$0].task(steps[$0].formula) })) {
          let runs = chosen.map { StepRun(arrays[$0], steps[$0].formula) }
          let pieces = Pieces(counts: chosen.map { arrays[$0].parameter.count })
          runs.withUnsafeBufferPointer { runs in
            pieces.run { _, piece in runs[piece.array].run(piece.start, piece.count) }
          }
        }
      }
      for array in arrays { try array.finish() }
      span?.end(byteCount: arrays.reduce(0) { $0 + $1.movedByteCount })
    } catch {
      _ = Door.refuse(error, operation, Few(), at: nil)
    }
  }
}

/// How a step is computed: torch's sequence of operations for one tensor, and its numbers.
package struct StepFormula: Sendable, Hashable {
  /// What each keeps for a parameter, and in what order, stands in `optimizers.h`; nil is what a rule does without.
  package enum Rule: Sendable {
    case sgd, adam, rmsprop, adagrad, adadelta, adamax, radam, nadam, asgd, rprop

    fileprivate var row: fb_rule {
      switch self {
      case .sgd: fb_rule_sgd
      case .adam: fb_rule_adam
      case .rmsprop: fb_rule_rmsprop
      case .adagrad: fb_rule_adagrad
      case .adadelta: fb_rule_adadelta
      case .adamax: fb_rule_adamax
      case .radam: fb_rule_radam
      case .nadam: fb_rule_nadam
      case .asgd: fb_rule_asgd
      case .rprop: fb_rule_rprop
      }
    }
  }

  package let rule: Rule
  /// What the change is multiplied with before it is taken off.
  package let rate: Double
  /// Added to the gradient, times the parameter.
  package var weightDecay = 0.0
  /// The parameter is multiplied with it first.
  package var kept = 1.0
  /// What a momentum buffer keeps.
  package var momentum = 0.0
  /// What a gradient counts in a mean of gradients, or in a momentum buffer, or a parameter in its mean.
  package var fresh1 = 0.0
  /// What a mean of squares keeps.
  package var beta2 = 0.0
  /// What means are divided by, because they began as zeros.
  package var correction1 = 1.0
  package var correction2 = 1.0
  /// RAdam's; 0 while variances are not to be trusted.
  package var rectification = 0.0
  /// NAdam's: what the mean of gradients is multiplied with before it is taken off.
  package var meanRate = 0.0
  /// What the sum of squares begins with, or Rprop's steps.
  package var initial = 0.0
  package var eps = 0.0
  /// What Rprop multiplies a step with where the slope's sign has changed, and where it has not, and how small and large steps may be.
  package var (shrink, grow, smallest, largest) = (0.0, 0.0, 0.0, 0.0)
  /// The state holds nothing yet.
  package var isFirst = false
  package var nesterov = false
  package var maximize = false

  package init(_ rule: Rule, rate: Double) { (self.rule, self.rate) = (rule, rate) }

  var numbers: fb_step_numbers {
    fb_step_numbers(
      rate: rate, weight_decay: weightDecay, kept: kept, momentum: momentum, fresh1: fresh1, beta2: beta2, fresh2: 1 - beta2,
      correction1: correction1, correction2: correction2, rectification: rectification, mean_rate: meanRate,
      initial: initial, eps: eps, shrink: shrink, grow: grow, smallest: smallest, largest: largest, first: isFirst,
      nesterov: nesterov, maximize: maximize)
  }
}

/// The memory of a step, handed around by reference.
private final class StepArrays {
  let parameter: DenseArray
  let gradient: DenseArray
  let state: (DenseArray?, DenseArray?, DenseArray?)

  init(_ step: ParameterStep) throws(TensorError) {
    let layout = step.parameter.body.layout
    parameter = try DenseArray(step.parameter)
    gradient = try DenseArray(step.gradient, ordered: layout)
    state = (
      try StepArrays.array(0, of: step, layout), try StepArrays.array(1, of: step, layout),
      try StepArrays.array(2, of: step, layout)
    )
  }

  private static func array(_ i: Int, of step: ParameterStep, _ layout: Layout) throws(TensorError) -> DenseArray? {
    guard i < step.state.count, let tensor = step.state[i] else { return nil }
    return try DenseArray(tensor, ordered: layout)
  }

  /// The gradient is read; all else is read and written.
  var movedByteCount: Int {
    let written = [parameter, state.0, state.1, state.2].compactMap { $0 }
    return gradient.byteCount + written.reduce(0) { $0 + 2 * $1.byteCount }
  }

  func task(_ formula: StepFormula) -> OptimizerTask.Step {
    OptimizerTask.Step(
      formula: formula, parameter: parameter.elements, gradient: gradient.elements,
      state: [state.0?.elements, state.1?.elements, state.2?.elements])
  }

  /// The one device that all live on.
  func device() throws(TensorError) -> Device {
    let device = parameter.device
    func check(_ array: DenseArray?) throws(TensorError) {
      if let array, array.device != device { throw .differentDevices(device, array.device) }
    }
    try check(gradient)
    try check(state.0)
    try check(state.1)
    try check(state.2)
    return device
  }

  /// Takes some of the steps on a GPU.
  static func step(
    _ chosen: [Int], of arrays: [StepArrays], _ steps: [ParameterStep], on device: Device, operation: String
  ) throws(TensorError) {
    var kinds = OptimizerTask.Kinds()
    for i in chosen {
      let own = arrays[i]
      kinds.append(
        steps[i].formula, own.parameter.dtype, hasState: (own.state.0 != nil, own.state.1 != nil, own.state.2 != nil))
    }
    var call = DenseCall(kinds.attributes, kinds.numbers) { OptimizerTask(chosen.map { arrays[$0].task(steps[$0].formula) }) }
    for i in chosen {
      let own = arrays[i]
      call.append(own.parameter)
      call.append(own.gradient)
      if let array = own.state.0 { call.append(array) }
      if let array = own.state.1 { call.append(array) }
      if let array = own.state.2 { call.append(array) }
    }
    try GPUBackend.of(device).run(call, for: operation)
  }

  func finish() throws(TensorError) {
    try parameter.finish()
    try state.0?.finish()
    try state.1?.finish()
    try state.2?.finish()
  }
}

/// A step as threads run it: numbers and addresses only, so that they share no reference counts.
private struct StepRun {
  private typealias Address = UnsafeMutableRawPointer

  private let parameter: Address
  private let gradient: Address
  private let state: (Address?, Address?, Address?)
  private let width: Int
  private let kernel: fb_step
  private let numbers: fb_step_numbers

  init(_ arrays: StepArrays, _ formula: StepFormula) {
    parameter = arrays.parameter.start
    gradient = arrays.gradient.start
    state = (arrays.state.0?.start, arrays.state.1?.start, arrays.state.2?.start)
    width = arrays.parameter.dtype.byteCount
    kernel = formula.rule.row.step(arrays.parameter.dtype)
    numbers = formula.numbers
  }

  func run(_ start: Int, _ count: Int) {
    let offset = start * width
    let state = (state.0.map { $0 + offset }, state.1.map { $0 + offset }, state.2.map { $0 + offset })
    withUnsafePointer(to: state) {
      $0.withMemoryRebound(to: Address?.self, capacity: 3) { state in
        withUnsafePointer(to: numbers) { kernel(parameter + offset, gradient + offset, state, count, $0) }
      }
    }
  }
}
