import Flambeau

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Adam (Kingma and Ba, 2014). Torch's `Adam`; weight decay is added to the gradient.
public final class Adam: GroupedOptimizer<AdamRule> {
  /// As torch's constructor.
  public init(
    _ parameters: [Parameter], lr: Double = 1e-3, betas: (Double, Double) = (0.9, 0.999), eps: Double = 1e-8,
    weightDecay: Double = 0, amsgrad: Bool = false, maximize: Bool = false, file: StaticString = #fileID,
    line: UInt = #line
  ) {
    let rule = AdamRule(
      lr: lr, betas: betas, eps: eps, weightDecay: weightDecay, decoupledWeightDecay: false, amsgrad: amsgrad,
      maximize: maximize)
    super.init(parameters, rule, file, line)
  }
}

/// Adam with the weight decay applied to the parameters themselves (Loshchilov and Hutter, 2017). Torch's `AdamW`.
public final class AdamW: GroupedOptimizer<AdamRule> {
  /// As torch's constructor.
  public init(
    _ parameters: [Parameter], lr: Double = 1e-3, betas: (Double, Double) = (0.9, 0.999), eps: Double = 1e-8,
    weightDecay: Double = 0.01, amsgrad: Bool = false, maximize: Bool = false, file: StaticString = #fileID,
    line: UInt = #line
  ) {
    let rule = AdamRule(
      lr: lr, betas: betas, eps: eps, weightDecay: weightDecay, decoupledWeightDecay: true, amsgrad: amsgrad,
      maximize: maximize)
    super.init(parameters, rule, file, line)
  }
}

/// The hyperparameters of ``Adam`` and ``AdamW``.
public struct AdamRule: UpdateRule {
  /// The learning rate.
  public var lr: Double
  /// How much of the means of gradients and of their squares a step keeps.
  public var betas: (Double, Double)
  /// Keeps the denominator from 0.
  public var eps: Double
  /// The share of a parameter that is added to its gradient, or taken from it (AdamW).
  public var weightDecay: Double
  /// The weight decay is applied to the parameters, not to their gradients.
  public var decoupledWeightDecay: Bool
  /// Divide by the largest mean of squares so far (Reddi et al., 2018).
  public var amsgrad: Bool
  /// Steps up, not down.
  public var maximize: Bool

  /// What `OneCycleLR` cycles.
  public var cycledMomentum: Double? {
    get { betas.0 }
    set { if let newValue { betas.0 = newValue } }
  }

  private static let stateNames = ["exp_avg", "exp_avg_sq"]
  private static let amsgradNames = stateNames + ["max_exp_avg_sq"]
  public var stateNames: [String] { amsgrad ? Self.amsgradNames : Self.stateNames }

  /// What a state dict says of a group.
  public static var hyperparameters: [Hyperparameter<Self>] {
    [
      .number("lr", \.lr), .pair("betas", \.betas), .number("eps", \.eps), .number("weight_decay", \.weightDecay),
      .flag("decoupled_weight_decay", \.decoupledWeightDecay), .flag("amsgrad", \.amsgrad), .flag("maximize", \.maximize),
    ]
  }

  /// Why the hyperparameters make no sense; nil if they do.
  public var refusal: String? { Self.refusal(lr: lr, betas: betas, eps: eps, weightDecay: weightDecay) }

  /// Adam's, and that of the rules which have the same hyperparameters.
  static func refusal(lr: Double, betas: (Double, Double), eps: Double, weightDecay: Double) -> String? {
    if !(lr >= 0) { return "Invalid learning rate: \(lr)" }
    if !(eps >= 0) { return "Invalid epsilon value: \(eps)" }
    if !(0 <= betas.0 && betas.0 < 1) { return "Invalid beta parameter at index 0: \(betas.0)" }
    if !(0 <= betas.1 && betas.1 < 1) { return "Invalid beta parameter at index 1: \(betas.1)" }
    if !(weightDecay >= 0) { return "Invalid weight_decay value: \(weightDecay)" }
    return nil
  }

  /// Steps these parameters.
  public static func update(_ updates: [Update<AdamRule>]) {
    ParameterStep.run(updates, operation: "Adam.step") { update in
      let rule = update.rule
      let powers = (pow(rule.betas.0, Double(update.step)), pow(rule.betas.1, Double(update.step)))
      var formula = StepFormula(.adam, rate: rule.lr / (1 - powers.0))
      formula.decay(rule.weightDecay, decoupled: rule.decoupledWeightDecay, lr: rule.lr)
      (formula.fresh1, formula.beta2) = (1 - rule.betas.0, rule.betas.1)
      formula.correction2 = (1 - powers.1).squareRoot()
      (formula.eps, formula.maximize) = (rule.eps, rule.maximize)
      return formula
    }
  }
}

extension StepFormula {
  /// Takes a share of the parameter off it, or adds it to its gradient.
  mutating func decay(_ share: Double, decoupled: Bool, lr: Double) {
    if decoupled { kept = 1 - lr * share } else { weightDecay = share }
  }
}
