import Flambeau

/// Steps divided by the root of the sum of all squared gradients so far (Duchi et al., 2011). Torch's `Adagrad`.
public final class Adagrad: GroupedOptimizer<AdagradRule> {
  /// As torch's constructor.
  public init(
    _ parameters: [Parameter], lr: Double = 1e-2, lrDecay: Double = 0, weightDecay: Double = 0,
    initialAccumulatorValue: Double = 0, eps: Double = 1e-10, maximize: Bool = false, file: StaticString = #fileID,
    line: UInt = #line
  ) {
    let rule = AdagradRule(
      lr: lr, lrDecay: lrDecay, weightDecay: weightDecay, initialAccumulatorValue: initialAccumulatorValue, eps: eps,
      maximize: maximize)
    super.init(parameters, rule, file, line)
  }
}

/// The hyperparameters of ``Adagrad``.
public struct AdagradRule: UpdateRule {
  /// The learning rate.
  public var lr: Double
  /// The rate of step t is lr / (1 + (t − 1) · lrDecay).
  public var lrDecay: Double
  /// The share of a parameter that is added to its gradient.
  public var weightDecay: Double
  /// What sums of squares begin with.
  public var initialAccumulatorValue: Double
  /// Keeps the denominator from 0.
  public var eps: Double
  /// Steps up, not down.
  public var maximize: Bool

  private static let stateNames = ["sum"]
  public var stateNames: [String] { Self.stateNames }

  /// What a state dict says of a group.
  public static var hyperparameters: [Hyperparameter<Self>] {
    [
      .number("lr", \.lr), .number("lr_decay", \.lrDecay), .number("weight_decay", \.weightDecay),
      .number("initial_accumulator_value", \.initialAccumulatorValue), .number("eps", \.eps), .flag("maximize", \.maximize),
    ]
  }

  /// Why the hyperparameters make no sense; nil if they do.
  public var refusal: String? {
    if !(lr >= 0) { return "Invalid learning rate: \(lr)" }
    if !(lrDecay >= 0) { return "Invalid lr_decay value: \(lrDecay)" }
    if !(weightDecay >= 0) { return "Invalid weight_decay value: \(weightDecay)" }
    if !(initialAccumulatorValue >= 0) { return "Invalid initial_accumulator_value value: \(initialAccumulatorValue)" }
    if !(eps >= 0) { return "Invalid epsilon value: \(eps)" }
    return nil
  }

  /// Steps these parameters.
  public static func update(_ updates: [Update<AdagradRule>]) {
    ParameterStep.run(updates, operation: "Adagrad.step") { update in
      let rule = update.rule
      var formula = StepFormula(.adagrad, rate: rule.lr / (1 + Double(update.step - 1) * rule.lrDecay))
      (formula.weightDecay, formula.initial, formula.eps) = (rule.weightDecay, rule.initialAccumulatorValue, rule.eps)
      (formula.maximize, formula.isFirst) = (rule.maximize, update.isFirst)
      return formula
    }
  }
}
