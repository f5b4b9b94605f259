/// Which of two scores is the better one.
public enum Goal: String, Sendable, Codable {
  /// A loss.
  case lowest
  /// An accuracy.
  case highest

  /// By how much `new` is better than `old`; NaN where one of them is.
  public func gain(from old: Double, to new: Double) -> Double { self == .lowest ? old - new : new - old }
}
