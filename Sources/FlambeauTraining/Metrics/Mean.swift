/// The weighted mean of numbers that come one after another, such as a loss over batches of different sizes.
public struct Mean: Sendable, Hashable, Codable {
  private var sum = 0.0
  /// What the numbers so far weigh together.
  public private(set) var weight = 0.0

  /// A mean of nothing: NaN.
  public init() {}

  /// Adds `value`, which counts as much as `weight` numbers: for a batch's mean loss, its samples.
  public mutating func update(_ value: Double, weight: Double = 1) {
    sum += value * weight
    self.weight += weight
  }

  /// NaN before the first number.
  public func compute() -> Double { sum / weight }

  /// Begins anew.
  public mutating func reset() { self = Mean() }
}
