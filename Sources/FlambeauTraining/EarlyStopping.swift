/// Says when a run has stopped getting better.
///
///     var patience = EarlyStopping(patience: 5)
///     if patience.shouldStop(after: validationLoss) { break }
public struct EarlyStopping: Sendable, Hashable, Codable {
  /// Whether low or high values are good.
  public let goal: Goal
  /// The looks without improvement after which to stop.
  public let patience: Int
  /// What a score must be better by to count as better.
  public let minDelta: Double
  /// The best score so far; nil before the first.
  public private(set) var best: Double?
  /// The looks since then.
  public private(set) var looksSinceBest = 0

  /// Stops after `patience` values that are not better by more than `minDelta`.
  public init(patience: Int, minDelta: Double = 0, goal: Goal = .lowest) {
    self.patience = patience
    self.minDelta = minDelta
    self.goal = goal
  }

  /// Takes a score, and says whether `patience` scores in a row have been no better than the best one before them. NaN is never
  /// better.
  public mutating func shouldStop(after score: Double) -> Bool {
    let gain = best.map { goal.gain(from: $0, to: score) } ?? (score.isNaN ? -1 : .infinity)
    if gain > minDelta {
      best = score
      looksSinceBest = 0
    } else {
      looksSinceBest += 1
    }
    return looksSinceBest >= patience
  }
}
