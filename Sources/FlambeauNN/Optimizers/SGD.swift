import Flambeau

/// Stochastic gradient descent, with momentum if asked. Torch's `SGD`.
public final class SGD: GroupedOptimizer<SGDRule> {
  public init(
    _ parameters: [Parameter], lr: Double = 1e-3, momentum: Double = 0, dampening: Double = 0, weightDecay: Double = 0,
    nesterov: Bool = false, maximize: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) {
    let rule = SGDRule(
      lr: lr, momentum: momentum, dampening: dampening, weightDecay: weightDecay, nesterov: nesterov, maximize: maximize)
    super.init(parameters, rule, file, line)
  }
}

/// The hyperparameters of ``SGD``.
public struct SGDRule: UpdateRule {
  public var lr: Double
  public var momentum: Double
  public var dampening: Double
  public var weightDecay: Double
  public var nesterov: Bool
  public var maximize: Bool

  public var cycledMomentum: Double? {
    get { momentum }
    set { if let newValue { momentum = newValue } }
  }

  private static let stateNames = ["momentum_buffer"]
  public var stateNames: [String] { momentum == 0 ? [] : Self.stateNames }
  public static var countsSteps: Bool { false }

  public static var hyperparameters: [Hyperparameter<Self>] {
    [
      .number("lr", \.lr), .number("momentum", \.momentum), .number("dampening", \.dampening),
      .number("weight_decay", \.weightDecay), .flag("nesterov", \.nesterov), .flag("maximize", \.maximize),
    ]
  }

  public var refusal: String? {
    if !(lr >= 0) { return "Invalid learning rate: \(lr)" }
    if !(momentum >= 0) { return "Invalid momentum value: \(momentum)" }
    if !(weightDecay >= 0) { return "Invalid weight_decay value: \(weightDecay)" }
    if nesterov && (momentum <= 0 || dampening != 0) { return "Nesterov momentum requires a momentum and zero dampening" }
    return nil
  }

  public static func update(_ updates: [Update<SGDRule>]) {
    let steps = updates.map { update in
      let rule = update.rule
      let formula = SGDFormula(
        lr: rule.lr, momentum: rule.momentum, dampening: rule.dampening, weightDecay: rule.weightDecay,
        nesterov: rule.nesterov, maximize: rule.maximize, isFirst: update.isFirst)
      return ParameterStep(
        .sgd(formula), parameter: update.parameter, gradient: update.gradient, state: update.state)
    }
    ParameterStep.run(steps, operation: "SGD.step")
  }
}
