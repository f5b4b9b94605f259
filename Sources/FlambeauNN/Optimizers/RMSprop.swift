import Flambeau

/// Steps divided by a running mean of the gradients' magnitudes (Hinton, 2012). Torch's `RMSprop`.
public final class RMSprop: GroupedOptimizer<RMSpropRule> {
  /// As torch's constructor.
  public init(
    _ parameters: [Parameter], lr: Double = 1e-2, alpha: Double = 0.99, eps: Double = 1e-8, weightDecay: Double = 0,
    momentum: Double = 0, centered: Bool = false, maximize: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) {
    let rule = RMSpropRule(
      lr: lr, alpha: alpha, eps: eps, weightDecay: weightDecay, momentum: momentum, centered: centered, maximize: maximize)
    super.init(parameters, rule, file, line)
  }
}

/// The hyperparameters of ``RMSprop``.
public struct RMSpropRule: UpdateRule {
  /// The learning rate.
  public var lr: Double
  /// How much of the mean of squares a step keeps.
  public var alpha: Double
  /// Keeps the denominator from 0.
  public var eps: Double
  /// The share of a parameter that is added to its gradient.
  public var weightDecay: Double
  /// The share of the last step that is kept.
  public var momentum: Double
  /// Divide by the standard deviation, not by the root of the mean square.
  public var centered: Bool
  /// Steps up, not down.
  public var maximize: Bool

  /// What `OneCycleLR` cycles.
  public var cycledMomentum: Double? {
    get { momentum }
    set { if let newValue { momentum = newValue } }
  }

  public var stateNames: [String] {
    ["square_avg"] + (momentum > 0 ? ["momentum_buffer"] : []) + (centered ? ["grad_avg"] : [])
  }

  /// What a state dict says of a group.
  public static var hyperparameters: [Hyperparameter<Self>] {
    [
      .number("lr", \.lr), .number("alpha", \.alpha), .number("eps", \.eps), .number("weight_decay", \.weightDecay),
      .number("momentum", \.momentum), .flag("centered", \.centered), .flag("maximize", \.maximize),
    ]
  }

  /// Why the hyperparameters make no sense; nil if they do.
  public var refusal: String? {
    if !(lr >= 0) { return "Invalid learning rate: \(lr)" }
    if !(eps >= 0) { return "Invalid epsilon value: \(eps)" }
    if !(momentum >= 0) { return "Invalid momentum value: \(momentum)" }
    if !(weightDecay >= 0) { return "Invalid weight_decay value: \(weightDecay)" }
    if !(alpha >= 0) { return "Invalid alpha value: \(alpha)" }
    return nil
  }

  /// Steps these parameters.
  public static func update(_ updates: [Update<RMSpropRule>]) {
    func state(_ update: Update<RMSpropRule>) -> [Tensor?] {
      [update.state[0], update.rule.momentum > 0 ? update.state[1] : nil, update.rule.centered ? update.state.last : nil]
    }
    ParameterStep.run(updates, operation: "RMSprop.step", state: state) { update in
      let rule = update.rule
      var formula = StepFormula(.rmsprop, rate: rule.lr)
      (formula.weightDecay, formula.momentum) = (rule.weightDecay, rule.momentum)
      (formula.beta2, formula.fresh1) = (rule.alpha, 1 - rule.alpha)
      (formula.eps, formula.maximize) = (rule.eps, rule.maximize)
      return formula
    }
  }
}
