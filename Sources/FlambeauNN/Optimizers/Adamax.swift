import Flambeau

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Adam with the fading largest gradient in the place of the mean square (Kingma and Ba, 2014). Torch's `Adamax`.
public final class Adamax: GroupedOptimizer<AdamaxRule> {
  /// As torch's constructor.
  public init(
    _ parameters: [Parameter], lr: Double = 2e-3, betas: (Double, Double) = (0.9, 0.999), eps: Double = 1e-8,
    weightDecay: Double = 0, maximize: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) {
    super.init(parameters, AdamaxRule(lr: lr, betas: betas, eps: eps, weightDecay: weightDecay, maximize: maximize), file, line)
  }
}

/// The hyperparameters of ``Adamax``.
public struct AdamaxRule: UpdateRule {
  /// The learning rate.
  public var lr: Double
  /// How much of the mean of gradients, and of their largest magnitude, a step keeps.
  public var betas: (Double, Double)
  /// Added to magnitudes.
  public var eps: Double
  /// The share of a parameter that is added to its gradient.
  public var weightDecay: Double
  /// Steps up, not down.
  public var maximize: Bool

  /// What `OneCycleLR` cycles.
  public var cycledMomentum: Double? {
    get { betas.0 }
    set { if let newValue { betas.0 = newValue } }
  }

  private static let stateNames = ["exp_avg", "exp_inf"]
  public var stateNames: [String] { Self.stateNames }

  /// What a state dict says of a group.
  public static var hyperparameters: [Hyperparameter<Self>] {
    [
      .number("lr", \.lr), .pair("betas", \.betas), .number("eps", \.eps), .number("weight_decay", \.weightDecay),
      .flag("maximize", \.maximize),
    ]
  }

  /// Why the hyperparameters make no sense; nil if they do.
  public var refusal: String? {
    AdamRule.refusal(lr: lr, betas: betas, eps: eps, weightDecay: weightDecay)
  }

  /// Steps these parameters.
  public static func update(_ updates: [Update<AdamaxRule>]) {
    ParameterStep.run(updates, operation: "Adamax.step") { update in
      let rule = update.rule
      var formula = StepFormula(.adamax, rate: rule.lr / (1 - pow(rule.betas.0, Double(update.step))))
      (formula.fresh1, formula.beta2) = (1 - rule.betas.0, rule.betas.1)
      (formula.weightDecay, formula.eps, formula.maximize) = (rule.weightDecay, rule.eps, rule.maximize)
      return formula
    }
  }
}
