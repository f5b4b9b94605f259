import Flambeau

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Adam that does not divide by variances before they rest on enough gradients (Liu et al., 2019). Torch's `RAdam`.
public final class RAdam: GroupedOptimizer<RAdamRule> {
  /// As torch's constructor.
  public init(
    _ parameters: [Parameter], lr: Double = 1e-3, betas: (Double, Double) = (0.9, 0.999), eps: Double = 1e-8,
    weightDecay: Double = 0, decoupledWeightDecay: Bool = false, maximize: Bool = false, file: StaticString = #fileID,
    line: UInt = #line
  ) {
    let rule = RAdamRule(
      lr: lr, betas: betas, eps: eps, weightDecay: weightDecay, decoupledWeightDecay: decoupledWeightDecay, maximize: maximize)
    super.init(parameters, rule, file, line)
  }
}

/// The hyperparameters of ``RAdam``.
public struct RAdamRule: UpdateRule {
  /// The learning rate.
  public var lr: Double
  /// How much of the means of gradients and of their squares a step keeps.
  public var betas: (Double, Double)
  /// Keeps the denominator from 0.
  public var eps: Double
  /// The share of a parameter that is added to its gradient, or taken off it.
  public var weightDecay: Double
  /// The weight decay is applied to the parameters, not to their gradients.
  public var decoupledWeightDecay: Bool
  /// Steps up, not down.
  public var maximize: Bool

  /// What `OneCycleLR` cycles.
  public var cycledMomentum: Double? {
    get { betas.0 }
    set { if let newValue { betas.0 = newValue } }
  }

  private static let stateNames = ["exp_avg", "exp_avg_sq"]
  public var stateNames: [String] { Self.stateNames }

  /// What a state dict says of a group.
  public static var hyperparameters: [Hyperparameter<Self>] {
    [
      .number("lr", \.lr), .pair("betas", \.betas), .number("eps", \.eps), .number("weight_decay", \.weightDecay),
      .flag("decoupled_weight_decay", \.decoupledWeightDecay), .flag("maximize", \.maximize),
    ]
  }

  /// Why the hyperparameters make no sense; nil if they do.
  public var refusal: String? {
    AdamRule.refusal(lr: lr, betas: betas, eps: eps, weightDecay: weightDecay)
  }

  /// Steps these parameters.
  public static func update(_ updates: [Update<RAdamRule>]) {
    ParameterStep.run(updates, operation: "RAdam.step") { update in
      let (rule, step) = (update.rule, Double(update.step))
      let power = pow(rule.betas.1, step)
      var formula = StepFormula(.radam, rate: rule.lr)
      formula.decay(rule.weightDecay, decoupled: rule.decoupledWeightDecay, lr: rule.lr)
      (formula.fresh1, formula.beta2) = (1 - rule.betas.0, rule.betas.1)
      (formula.correction1, formula.correction2) = (1 - pow(rule.betas.0, step), (1 - power).squareRoot())
      (formula.eps, formula.maximize) = (rule.eps, rule.maximize)
      // On how many gradients the mean of squares rests, now and at last.
      let last = 2 / (1 - rule.betas.1) - 1
      let now = last - 2 * step * power / (1 - power)
      if now > 5 {
        formula.rectification = ((now - 4) * (now - 2) * last / ((last - 4) * (last - 2) * now)).squareRoot()
      }
      return formula
    }
  }
}
