import Flambeau

/// Stochastic gradient descent, with momentum if asked. Torch's `SGD`.
public final class SGD: GroupedOptimizer<SGDRule> {
  /// As torch's constructor.
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
  /// The learning rate.
  public var lr: Double
  /// The share of the last step that is kept.
  public var momentum: Double
  /// The share of a gradient that does not enter the momentum.
  public var dampening: Double
  /// The share of a parameter that is added to its gradient, or taken from it (AdamW).
  public var weightDecay: Double
  /// Nesterov's momentum.
  public var nesterov: Bool
  /// Steps up, not down.
  public var maximize: Bool

  /// What `OneCycleLR` cycles.
  public var cycledMomentum: Double? {
    get { momentum }
    set { if let newValue { momentum = newValue } }
  }

  private static let stateNames = ["momentum_buffer"]
  public var stateNames: [String] { momentum == 0 ? [] : Self.stateNames }
  /// Whether a step count is part of the state.
  public static var countsSteps: Bool { false }

  /// What a state dict says of a group.
  public static var hyperparameters: [Hyperparameter<Self>] {
    [
      .number("lr", \.lr), .number("momentum", \.momentum), .number("dampening", \.dampening),
      .number("weight_decay", \.weightDecay), .flag("nesterov", \.nesterov), .flag("maximize", \.maximize),
    ]
  }

  /// Why the hyperparameters make no sense; nil if they do.
  public var refusal: String? {
    if !(lr >= 0) { return "Invalid learning rate: \(lr)" }
    if !(momentum >= 0) { return "Invalid momentum value: \(momentum)" }
    if !(weightDecay >= 0) { return "Invalid weight_decay value: \(weightDecay)" }
    if nesterov && (momentum <= 0 || dampening != 0) { return "Nesterov momentum requires a momentum and zero dampening" }
    return nil
  }

  /// Steps these parameters.
  public static func update(_ updates: [Update<SGDRule>]) {
    ParameterStep.run(updates, operation: "SGD.step") { update in
      let rule = update.rule
      var formula = StepFormula(.sgd, rate: rule.lr)
      (formula.momentum, formula.fresh1, formula.weightDecay) = (rule.momentum, 1 - rule.dampening, rule.weightDecay)
      (formula.nesterov, formula.maximize, formula.isFirst) = (rule.nesterov, rule.maximize, update.isFirst)
      return formula
    }
  }
}
