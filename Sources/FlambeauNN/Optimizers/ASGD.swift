import Flambeau

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Stochastic gradient descent that keeps the mean of where each parameter has been (Polyak and Juditsky, 1992): `ax` in the state. Torch's
/// `ASGD`.
public final class ASGD: GroupedOptimizer<ASGDRule> {
  /// As torch's constructor.
  public init(
    _ parameters: [Parameter], lr: Double = 1e-2, lambd: Double = 1e-4, alpha: Double = 0.75, t0: Double = 1e6,
    weightDecay: Double = 0, maximize: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) {
    let rule = ASGDRule(lr: lr, lambd: lambd, alpha: alpha, t0: t0, weightDecay: weightDecay, maximize: maximize)
    super.init(parameters, rule, file, line)
  }
}

/// The hyperparameters of ``ASGD``.
public struct ASGDRule: UpdateRule {
  /// The learning rate.
  public var lr: Double
  /// The share of a parameter that a step of rate 1 takes off it.
  public var lambd: Double
  /// How fast the rate falls: step t + 1 has lr / (1 + lambd · lr · t) to this power.
  public var alpha: Double
  /// The step from which on places are averaged.
  public var t0: Double
  /// The share of a parameter that is added to its gradient.
  public var weightDecay: Double
  /// Steps up, not down.
  public var maximize: Bool

  private static let stateNames = ["ax"]
  public var stateNames: [String] { Self.stateNames }

  /// The next step's rate, and what the place it leads to counts in the mean.
  public static let numberNames = ["eta", "mu"]
  /// Those of the first step.
  public var firstNumbers: [Float] { [Float(lr), 1] }
  /// Those of the step after `step`.
  public func numbers(_ numbers: [Float], after step: Int) -> [Float] {
    [Float(lr / pow(1 + lambd * lr * Double(step), alpha)), Float(1 / Swift.max(1, Double(step) - t0))]
  }

  /// What a state dict says of a group.
  public static var hyperparameters: [Hyperparameter<Self>] {
    [
      .number("lr", \.lr), .number("lambd", \.lambd), .number("alpha", \.alpha), .number("t0", \.t0),
      .number("weight_decay", \.weightDecay), .flag("maximize", \.maximize),
    ]
  }

  /// Why the hyperparameters make no sense; nil if they do.
  public var refusal: String? {
    if !(lr >= 0) { return "Invalid learning rate: \(lr)" }
    if !(weightDecay >= 0) { return "Invalid weight_decay value: \(weightDecay)" }
    return nil
  }

  /// Steps these parameters.
  public static func update(_ updates: [Update<ASGDRule>]) {
    ParameterStep.run(updates, operation: "ASGD.step") { update in
      let (rule, rate) = (update.rule, Double(update.numbers[0]))
      var formula = StepFormula(.asgd, rate: rate)
      (formula.kept, formula.fresh1) = (1 - rule.lambd * rate, Double(update.numbers[1]))
      (formula.weightDecay, formula.maximize) = (rule.weightDecay, rule.maximize)
      return formula
    }
  }
}
