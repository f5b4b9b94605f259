/// Where Flambeau stands by an answer that is not torch's.
struct OpException {
  let name: String
  /// What the case's description or the difference says.
  let mark: String
  let reason: String

  static let all = [
    OpException(name: "amax", mark: "up to 64 dims", reason: "no limit of 64 dimensions here"),
    OpException(name: "amin", mark: "up to 64 dims", reason: "no limit of 64 dimensions here"),
    OpException(name: "nn.functional.gelu", mark: "asdf", reason: "the approximation is an enumeration here"),
    OpException(
      name: "nn.functional.hardsigmoid", mark: "[float64]", reason: "torch's slope in float64 is 1/6 rounded to float32"),
    OpException(
      name: "nn.functional.layer_norm", mark: "[1, 2]",
      reason: "rows of two elements: the gradient cancels to nothing but rounding"),
  ]

  static func covers(_ name: String, _ text: String) -> Bool { all.contains { $0.name == name && text.contains($0.mark) } }
}
