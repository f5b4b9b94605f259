import Flambeau

/// Momentum made orthogonal, for the matrices of hidden layers (Jordan et al., 2024); other parameters are for another optimizer, such as
/// ``AdamW``. Torch's `Muon`.
///
/// The orthogonalisation is products of bfloat16 matrices, as torch's is. A step cannot be part of a CUDA graph.
public final class Muon: GroupedOptimizer<MuonRule> {
  /// As torch's constructor.
  public init(
    _ parameters: [Parameter], lr: Double = 1e-3, weightDecay: Double = 0.1, momentum: Double = 0.95, nesterov: Bool = true,
    nsCoefficients: (Double, Double, Double) = (3.4445, -4.7750, 2.0315), eps: Double = 1e-7, nsSteps: Int = 5,
    adjustLr: MuonRule.Adjustment = .original, file: StaticString = #fileID, line: UInt = #line
  ) {
    let rule = MuonRule(
      lr: lr, weightDecay: weightDecay, momentum: momentum, nesterov: nesterov, nsCoefficients: nsCoefficients, eps: eps,
      nsSteps: nsSteps, adjustLr: adjustLr)
    super.init(parameters, rule, file, line)
  }

  /// Adds matrices; any other parameter is an error.
  public override func addParamGroup(
    _ parameters: [Parameter], file: StaticString = #fileID, line: UInt = #line, _ change: (inout MuonRule) -> Void = { _ in }
  ) {
    if let other = parameters.first(where: { $0.shape.count != 2 }), !Context.current.isFailed {
      let problem = "Muon only supports 2D parameters whereas we found a parameter with size: \(other.shape)"
      return Door.fail(TensorError(.shape, problem), in: "Muon", file: file, line: line)
    }
    super.addParamGroup(parameters, file: file, line: line, change)
  }

  /// Steps every matrix that has a gradient.
  public override func step() {
    if GraphSteps() == nil { return super.step() }
    Door.fail(
      TensorError(.argument, "cannot be part of a CUDA graph"), in: "Muon.step", file: #fileID, line: #line)
  }
}

/// The hyperparameters of ``Muon``.
public struct MuonRule: UpdateRule {
  /// What the learning rate is multiplied with for a matrix of so many rows and columns. Torch's `adjust_lr_fn`.
  public enum Adjustment: Sendable {
    /// √(rows / columns) where there are more rows.
    case original
    /// A fifth of the root of the larger number: steps as large as AdamW's (Liu et al., 2025).
    case matchRMSAdamW

    func factor(_ rows: Int, _ columns: Int) -> Double {
      switch self {
      case .original: Swift.max(1, Double(rows) / Double(columns)).squareRoot()
      case .matchRMSAdamW: 0.2 * Double(Swift.max(rows, columns)).squareRoot()
      }
    }
  }

  /// The learning rate.
  public var lr: Double
  /// The share of a parameter that a step of rate 1 takes off it.
  public var weightDecay: Double
  /// How much of the mean of gradients a step keeps.
  public var momentum: Double
  /// Nesterov's momentum.
  public var nesterov: Bool
  /// Of the polynomial a x + b x³ + c x⁵ that takes singular values towards 1.
  public var nsCoefficients: (Double, Double, Double)
  /// The smallest norm that is divided by.
  public var eps: Double
  /// How often the polynomial is applied.
  public var nsSteps: Int
  /// How the learning rate depends on a matrix's shape; not part of a state dict.
  public var adjustLr: Adjustment

  /// What `OneCycleLR` cycles.
  public var cycledMomentum: Double? {
    get { momentum }
    set { if let newValue { momentum = newValue } }
  }

  private static let stateNames = ["momentum_buffer"]
  public var stateNames: [String] { Self.stateNames }
  /// Whether a step count is part of the state.
  public static var countsSteps: Bool { false }

  /// What a state dict says of a group.
  public static var hyperparameters: [Hyperparameter<Self>] {
    [
      .number("lr", \.lr), .number("weight_decay", \.weightDecay), .number("momentum", \.momentum),
      .flag("nesterov", \.nesterov), .number("eps", \.eps),
      Hyperparameter(
        name: "ns_coefficients", read: { [$0.nsCoefficients.0, $0.nsCoefficients.1, $0.nsCoefficients.2] },
        write: { $0.nsCoefficients = ($1[0], $1[1], $1[2]) }, count: 3),
      Hyperparameter(
        name: "ns_steps", read: { [Double($0.nsSteps)] }, write: { $0.nsSteps = Int(exactly: $1[0]) ?? -1 }, count: 1),
    ]
  }

  /// Why the hyperparameters make no sense; nil if they do.
  public var refusal: String? {
    if !(lr >= 0) { return "Learning rate should be >= 0 but is: \(lr)" }
    if !(momentum >= 0) { return "momentum should be >= 0 but is: \(momentum)" }
    if !(weightDecay >= 0) { return "weight decay should be >= 0 but is: \(weightDecay)" }
    if !(0..<100 ~= nsSteps) { return "Number of steps must be less than 100 for computational efficiency" }
    return nil
  }

  /// Steps these parameters.
  public static func update(_ updates: [Update<MuonRule>]) {
    for update in updates {
      let (rule, parameter, mean) = (update.rule, update.parameter, update.state[0])
      mean.lerp_(update.gradient, 1 - rule.momentum)
      let direction = rule.orthogonalised(rule.nesterov ? update.gradient.lerp(mean, rule.momentum) : mean)
      let rate = rule.lr * rule.adjustLr.factor(parameter.shape[0], parameter.shape[1])
      parameter.mul_(1 - rule.lr * rule.weightDecay)
      parameter.add_(direction.to(parameter.dtype), alpha: -rate)
    }
  }

  /// The matrix with singular values near 1, by Newton and Schulz's iteration.
  private func orthogonalised(_ matrix: Tensor) -> Tensor {
    let isTall = matrix.shape[0] > matrix.shape[1]
    var x = isTall ? matrix.to(.bfloat16).T : matrix.to(.bfloat16)
    x = x / x.norm().clamp(min: eps)
    let (a, b, c) = nsCoefficients
    for _ in 0..<nsSteps {
      let squares = x.matmul(x.T)
      x = x.addmm(squares.addmm(squares, squares, beta: b, alpha: c), x, beta: a)
    }
    return isTall ? x.T : x
  }
}
