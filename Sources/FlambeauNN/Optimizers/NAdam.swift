import Flambeau

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Adam with Nesterov's momentum (Dozat, 2016). Torch's `NAdam`.
public final class NAdam: GroupedOptimizer<NAdamRule> {
  /// As torch's constructor.
  public init(
    _ parameters: [Parameter], lr: Double = 2e-3, betas: (Double, Double) = (0.9, 0.999), eps: Double = 1e-8,
    weightDecay: Double = 0, momentumDecay: Double = 4e-3, decoupledWeightDecay: Bool = false, maximize: Bool = false,
    file: StaticString = #fileID, line: UInt = #line
  ) {
    let rule = NAdamRule(
      lr: lr, betas: betas, eps: eps, weightDecay: weightDecay, momentumDecay: momentumDecay,
      decoupledWeightDecay: decoupledWeightDecay, maximize: maximize)
    super.init(parameters, rule, file, line)
  }
}

/// The hyperparameters of ``NAdam``.
public struct NAdamRule: UpdateRule {
  /// The learning rate.
  public var lr: Double
  /// How much of the means of gradients and of their squares a step keeps.
  public var betas: (Double, Double)
  /// Keeps the denominator from 0.
  public var eps: Double
  /// The share of a parameter that is added to its gradient, or taken off it.
  public var weightDecay: Double
  /// How fast the momentum comes up to its full size.
  public var momentumDecay: Double
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

  /// The product of the momenta so far.
  public static let numberNames = ["mu_product"]
  /// That of none.
  public var firstNumbers: [Float] { [1] }
  /// With one more factor.
  public func numbers(_ numbers: [Float], after step: Int) -> [Float] { [numbers[0] * Float(momentum(of: step))] }

  private func momentum(of step: Int) -> Double { betas.0 * (1 - 0.5 * pow(0.96, Double(step) * momentumDecay)) }

  /// What a state dict says of a group.
  public static var hyperparameters: [Hyperparameter<Self>] {
    [
      .number("lr", \.lr), .pair("betas", \.betas), .number("eps", \.eps), .number("weight_decay", \.weightDecay),
      .number("momentum_decay", \.momentumDecay), .flag("decoupled_weight_decay", \.decoupledWeightDecay),
      .flag("maximize", \.maximize),
    ]
  }

  /// Why the hyperparameters make no sense; nil if they do.
  public var refusal: String? {
    AdamRule.refusal(lr: lr, betas: betas, eps: eps, weightDecay: weightDecay)
      ?? (momentumDecay >= 0 ? nil : "Invalid momentum_decay value: \(momentumDecay)")
  }

  /// Steps these parameters.
  public static func update(_ updates: [Update<NAdamRule>]) {
    ParameterStep.run(updates, operation: "NAdam.step") { update in
      let (rule, step) = (update.rule, update.step)
      let (momentum, next) = (rule.momentum(of: step), rule.momentum(of: step + 1))
      let product = Double(rule.numbers(update.numbers, after: step)[0])
      var formula = StepFormula(.nadam, rate: rule.lr * (1 - momentum) / (1 - product))
      formula.meanRate = rule.lr * next / (1 - product * next)
      formula.decay(rule.weightDecay, decoupled: rule.decoupledWeightDecay, lr: rule.lr)
      (formula.fresh1, formula.beta2) = (1 - rule.betas.0, rule.betas.1)
      formula.correction2 = 1 - pow(rule.betas.1, Double(step))
      (formula.eps, formula.maximize) = (rule.eps, rule.maximize)
      return formula
    }
  }
}
