extension Int {
  /// The count that a state dict keeps as a number; nil for what is none: fractions, undefined and negative numbers, and those that no
  /// run counts to.
  package init?(counted value: Double) {
    guard let count = Int(exactly: value), (0...1 << 53).contains(count) else { return nil }
    self = count
  }
}
