// Draws on a GPU whose probabilities are tensors.
extension Samplings {
  static func bernoulliOnGPU(_ p: TensorBody, into result: Elements) throws(TensorError) {
    let probabilities = Tensor(p)
    let areValid = noGrad { (probabilities .>= 0).logicalAnd(probabilities .<= 1).all() }
    try areValid.orThrow(.argument(TensorError.probabilityRange), in: "bernoulli_")
    try withExtendedLifetime(p) { () throws(TensorError) in
      try RandomTask.draw(.bernoulliOf(p.elements(p.layout.broadcast(to: result.layout.shape)!)), into: result)
    }
  }

  /// Made of other rows.
  static func multinomialOnGPU(_ p: TensorBody, _ at: MultinomialArguments) throws(TensorError) -> Value {
    let weights = noGrad { Tensor(p).to(p.dtype == .float64 ? .float64 : .float32) }
    let (areValid, areSome) = noGrad {
      ((weights .>= 0).logicalAnd(weights .< .infinity).all(), (weights.sum(dim: -1) .> 0).all())
    }
    try areValid.orThrow(.invalidWeights, in: "multinomial")
    try areSome.orThrow(.zeroWeights, in: "multinomial")
    if weights.count == 0 {
      return try Value(checked: p.layout.shape.replacing(p.layout.rank - 1, with: at.draws), .int64, on: p.device)
    }
    let drawn = noGrad { at.replacement && at.draws > 1 ? independent(weights, at.draws) : distinct(weights, at.draws) }
    if let poison = drawn.body.poison { throw poison }
    return drawn.body.value
  }

  /// The categories that come first where each waits for an exponential time, of which its weight is the rate.
  private static func distinct(_ weights: Tensor, _ draws: Int) -> Tensor {
    let ranks = weights / Tensor.empty(weights.shape, dtype: weights.dtype, device: weights.device).exponential_()
    return draws == 1 ? ranks.argmax(dim: -1, keepDim: true) : ranks.topK(draws).indices
  }

  /// The categories in whose shares of [0, 1) uniform numbers lie. One without weight has no share, however sums are rounded.
  private static func independent(_ weights: Tensor, _ draws: Int) -> Tensor {
    let wide = weights.to(.float64)
    let sums = (wide.cumsum(dim: -1) * (wide .> 0)).cummax(dim: -1).values
    let shares = sums / sums.narrow(-1, start: sums.shape[-1] - 1, length: 1)
    let shape = weights.shape.replacing(weights.ndim - 1, with: draws)
    return shares.searchSorted(Tensor.empty(shape, dtype: .float64, device: weights.device).uniform_(), right: true)
  }
}
