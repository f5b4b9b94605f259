import Flambeau

/// Multiplies the learning rate by `factor` once a metric has not become better for more than `patience` epochs; ``step(_:file:line:)``
/// is told the metric of each. Torch's `ReduceLROnPlateau`.
public final class ReduceLROnPlateau: LRScheduler {
  /// Which metrics are better.
  public enum Mode: Sendable {
    /// Smaller ones: a loss.
    case min
    /// Larger ones: an accuracy.
    case max
  }

  /// By how much a metric must be better to count.
  public enum Threshold: Sendable {
    /// A share of the best one.
    case relative(Double)
    /// A difference from the best one.
    case absolute(Double)
  }

  private let mode: Mode
  private let factor: Double
  private let patience: Int
  private let threshold: Threshold
  private let cooldown: Int
  private let minLrs: [Double]
  private let eps: Double
  /// The best metric so far.
  public private(set) var best: Double
  private var badEpochs = 0
  private var cooldownCounter = 0

  /// With a smallest learning rate for each parameter group; an error unless there are as many.
  ///
  /// - Parameters:
  ///   - threshold: Torch's `threshold` and `threshold_mode`.
  ///   - cooldown: The epochs after a reduction in which none counts as bad.
  ///   - eps: A reduction by no more than this is not made.
  public init(
    _ optimizer: any Optimizer, mode: Mode = .min, factor: Double = 0.1, patience: Int = 10,
    threshold: Threshold = .relative(1e-4), cooldown: Int = 0, minLr: [Double], eps: Double = 1e-8,
    file: StaticString = #fileID, line: UInt = #line
  ) {
    let (name, groups) = ("ReduceLROnPlateau", optimizer.rates.count)
    Schedule.require(factor < 1, "Factor should be < 1.0.", name, file, line)
    Schedule.require(minLr.count == groups, "expected \(groups) min_lrs, got \(minLr.count)", name, file, line)
    self.mode = mode
    self.factor = factor
    self.patience = patience
    self.threshold = threshold
    self.cooldown = cooldown
    minLrs = minLr
    self.eps = eps
    best = mode == .min ? .infinity : -.infinity
    super.init(watching: optimizer)
  }

  /// With the same smallest learning rate for all parameter groups.
  public convenience init(
    _ optimizer: any Optimizer, mode: Mode = .min, factor: Double = 0.1, patience: Int = 10,
    threshold: Threshold = .relative(1e-4), cooldown: Int = 0, minLr: Double = 0, eps: Double = 1e-8,
    file: StaticString = #fileID, line: UInt = #line
  ) {
    self.init(
      optimizer, mode: mode, factor: factor, patience: patience, threshold: threshold, cooldown: cooldown,
      minLr: optimizer.rates.map { _ in minLr }, eps: eps, file: file, line: line)
  }

  /// Ends an epoch that had this metric.
  public func step(_ metric: Double, file: StaticString = #fileID, line: UInt = #line) {
    if Context.current.isFailed { return }
    lastEpoch += 1
    if isBetter(metric) { (best, badEpochs) = (metric, 0) } else { badEpochs += 1 }
    if cooldownCounter > 0 {
      cooldownCounter -= 1
      badEpochs = 0
    }
    let isDue = badEpochs > patience
    if isDue { (cooldownCounter, badEpochs) = (cooldown, 0) }
    setRates { group, rates in
      let lr = Swift.max(rates.lr * factor, minLrs[group])
      return isDue && rates.lr - lr > eps ? rates.with(lr: lr) : rates
    }
  }

  private func isBetter(_ metric: Double) -> Bool {
    switch (mode, threshold) {
    case (.min, .relative(let share)): metric < best * (1 - share)
    case (.min, .absolute(let difference)): metric < best - difference
    case (.max, .relative(let share)): metric > best * (share + 1)
    case (.max, .absolute(let difference)): metric > best + difference
    }
  }

  /// There is no step without a metric.
  override func advance(_ file: StaticString, _ line: UInt) {
    let problem = "the metric is missing: write schedule.step(loss)"
    Door.fail(TensorError(.argument, problem), in: "ReduceLROnPlateau.step", file: file, line: line)
  }

  public override func stateDict() -> [String: [Double]] {
    let own = ["best": [best], "num_bad_epochs": [Double(badEpochs)], "cooldown_counter": [Double(cooldownCounter)]]
    return super.stateDict().merging(own) { $1 }
  }

  public override func loadStateDict(_ state: [String: [Double]]) {
    super.loadStateDict(state)
    if let saved = state["best"]?.first { best = saved }
    badEpochs = savedCount("num_bad_epochs", state) ?? badEpochs
    cooldownCounter = savedCount("cooldown_counter", state) ?? cooldownCounter
  }
}
