import Flambeau

/// Steps as large as past steps were, by the gradients' magnitude (Zeiler, 2012). Torch's `Adadelta`.
public final class Adadelta: GroupedOptimizer<AdadeltaRule> {
  /// As torch's constructor.
  public init(
    _ parameters: [Parameter], lr: Double = 1, rho: Double = 0.9, eps: Double = 1e-6, weightDecay: Double = 0,
    maximize: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) {
    let rule = AdadeltaRule(lr: lr, rho: rho, eps: eps, weightDecay: weightDecay, maximize: maximize)
    super.init(parameters, rule, file, line)
  }
}

/// The hyperparameters of ``Adadelta``.
public struct AdadeltaRule: UpdateRule {
  /// What steps are multiplied with.
  public var lr: Double
  /// How much of both means of squares a step keeps.
  public var rho: Double
  /// Added to both means before their roots are taken.
  public var eps: Double
  /// The share of a parameter that is added to its gradient.
  public var weightDecay: Double
  /// Steps up, not down.
  public var maximize: Bool

  private static let stateNames = ["square_avg", "acc_delta"]
  public var stateNames: [String] { Self.stateNames }

  /// What a state dict says of a group.
  public static var hyperparameters: [Hyperparameter<Self>] {
    [
      .number("lr", \.lr), .number("rho", \.rho), .number("eps", \.eps), .number("weight_decay", \.weightDecay),
      .flag("maximize", \.maximize),
    ]
  }

  /// Why the hyperparameters make no sense; nil if they do.
  public var refusal: String? {
    if !(lr >= 0) { return "Invalid learning rate: \(lr)" }
    if !(0 <= rho && rho <= 1) { return "Invalid rho value: \(rho)" }
    if !(eps >= 0) { return "Invalid epsilon value: \(eps)" }
    if !(weightDecay >= 0) { return "Invalid weight_decay value: \(weightDecay)" }
    return nil
  }

  /// Steps these parameters.
  public static func update(_ updates: [Update<AdadeltaRule>]) {
    ParameterStep.run(updates, operation: "Adadelta.step") { update in
      let rule = update.rule
      var formula = StepFormula(.adadelta, rate: rule.lr)
      (formula.weightDecay, formula.beta2) = (rule.weightDecay, rule.rho)
      (formula.eps, formula.maximize) = (rule.eps, rule.maximize)
      return formula
    }
  }
}
