import Flambeau

/// Steps whose sizes only the gradients' signs change, for each element by itself (Riedmiller and Braun, 1993). Torch's `Rprop`.
public final class Rprop: GroupedOptimizer<RpropRule> {
  /// As torch's constructor.
  public init(
    _ parameters: [Parameter], lr: Double = 1e-2, etas: (Double, Double) = (0.5, 1.2),
    stepSizes: (Double, Double) = (1e-6, 50), maximize: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) {
    super.init(parameters, RpropRule(lr: lr, etas: etas, stepSizes: stepSizes, maximize: maximize), file, line)
  }
}

/// The hyperparameters of ``Rprop``.
public struct RpropRule: UpdateRule {
  /// The size of the first step.
  public var lr: Double
  /// What a step is multiplied with where the gradient's sign has changed, and where it has not.
  public var etas: (Double, Double)
  /// The smallest and the largest step.
  public var stepSizes: (Double, Double)
  /// Steps up, not down.
  public var maximize: Bool

  private static let stateNames = ["prev", "step_size"]
  public var stateNames: [String] { Self.stateNames }

  /// What a state dict says of a group.
  public static var hyperparameters: [Hyperparameter<Self>] {
    [.number("lr", \.lr), .pair("etas", \.etas), .pair("step_sizes", \.stepSizes), .flag("maximize", \.maximize)]
  }

  /// Why the hyperparameters make no sense; nil if they do.
  public var refusal: String? {
    if !(lr >= 0) { return "Invalid learning rate: \(lr)" }
    if !(0 < etas.0 && etas.0 < 1 && 1 < etas.1) { return "Invalid eta values: \(etas.0), \(etas.1)" }
    return nil
  }

  /// Steps these parameters.
  public static func update(_ updates: [Update<RpropRule>]) {
    ParameterStep.run(updates, operation: "Rprop.step") { update in
      let rule = update.rule
      var formula = StepFormula(.rprop, rate: 1)
      (formula.shrink, formula.grow) = rule.etas
      (formula.smallest, formula.largest) = rule.stepSizes
      (formula.initial, formula.isFirst, formula.maximize) = (rule.lr, update.isFirst, rule.maximize)
      return formula
    }
  }
}
