/// Where Flambeau stands by an answer that is not torch's.
struct OpException {
  let name: String
  /// What the case's description or the difference says.
  let mark: String
  let reason: String

  static let all =
    [
      OpException(name: "amax", mark: "up to 64 dims", reason: "no limit of 64 dimensions here"),
      OpException(name: "amin", mark: "up to 64 dims", reason: "no limit of 64 dimensions here"),
      OpException(name: "aminmax", mark: "up to 64 dims", reason: "no limit of 64 dimensions here"),
      OpException(
        name: "as_strided_scatter", mark: "gradient of tensor 0",
        reason: "torch's gradient of the base leaves out other elements than those that were replaced"),
      OpException(name: "cov", mark: "gradient of tensor 1", reason: "the weights' gradient cancels to nothing but rounding"),
      OpException(name: "digamma", mark: "[float64]", reason: "torch's trigamma is good to 1e-11"),
      OpException(name: "special.ndtr", mark: "torch 0.0", reason: "torch's tail below -8 is 0"),
      OpException(
        name: "nn.functional.scaled_dot_product_attention", mark: "[float32]",
        reason: "scores of 200, as these, round by 1e-5 before they are exponents"),
      OpException(
        name: "nn.functional.scaled_dot_product_attention", mark: "gradient of tensor",
        reason: "the weights are computed again from their sums' logarithms, never stored: a row of one key is 1 within rounding"),
      OpException(
        name: "nn.functional.ctc_loss", mark: "gradient of tensor 0",
        reason: "the gradient of the logarithms themselves; torch's takes them for a log-softmax, behind which the two are equal"),
      OpException(
        name: "nn.functional.batch_norm", mark: "[0], ", reason: "channels are the second of at least two dimensions here"),
      OpException(
        name: "nn.functional.multi_margin_loss", mark: "[], int64[])",
        reason: "classes need a dimension here; torch gives them one"),
      OpException(
        name: "nn.functional.multilabel_margin_loss", mark: "[], int64[])",
        reason: "classes need a dimension here; torch gives them one"),
      OpException(
        name: "nn.functional.normalize", mark: "\"dim\":{\"int\":0},\"p\":{\"float\":\"0.5\"}",
        reason: "one element: the gradient cancels to nothing but rounding"),
      OpException(name: "nn.functional.gelu", mark: "asdf", reason: "the approximation is an enumeration here"),
      OpException(
        name: "nn.functional.hardsigmoid", mark: "[float64]", reason: "torch's slope in float64 is 1/6 rounded to float32"),
      OpException(
        name: "nn.functional.layer_norm", mark: "[1, 2]",
        reason: "rows of two elements: the gradient cancels to nothing but rounding"),
    ]
    + (0...4).map {
      OpException(name: "polygamma.polygamma_n_\($0)", mark: "[float64]", reason: "torch's trigamma is good to 1e-11")
    }

  static func covers(_ name: String, _ text: String) -> Bool {
    all.contains { $0.name == name && text.contains($0.mark) }
  }
}
