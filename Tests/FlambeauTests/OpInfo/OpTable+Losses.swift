@testable import Flambeau

extension OpTable {
  /// Losses of two and three tensors, and distances.
  mutating func addMoreLosses() {
    one("nn.functional.margin_ranking_loss") { c in
      try c.x.marginRankingLoss(
        try c.tensor("other", 1), try c.tensor("target", 2), margin: try c.double("margin", default: 0),
        reduction: try c.reduction())
    }
    one("nn.functional.hinge_embedding_loss") { c in
      try c.x.hingeEmbeddingLoss(
        try c.tensor("target", 1), margin: try c.double("margin", default: 1), reduction: try c.reduction())
    }
    one("nn.functional.cosine_embedding_loss") { c in
      try c.x.cosineEmbeddingLoss(
        try c.tensor("other", 1), try c.tensor("target", 2), margin: try c.double("margin", default: 0),
        reduction: try c.reduction())
    }
    one("nn.functional.triplet_margin_loss") { c in
      try c.x.tripletMarginLoss(
        try c.tensor("positive", 1), try c.tensor("negative", 2), margin: try c.double("margin", default: 1),
        p: try c.double("p", default: 2), eps: try c.double("eps", default: 1e-6), swap: try c.bool("swap"),
        reduction: try c.reduction())
    }
    one("nn.functional.triplet_margin_with_distance_loss") { c in
      // Torch's samples all measure with the default distance.
      _ = c.argument("distance_function")
      return try c.x.tripletMarginWithDistanceLoss(
        try c.tensor("positive", 1), try c.tensor("negative", 2), margin: try c.double("margin", default: 1),
        swap: try c.bool("swap"), reduction: try c.reduction())
    }
    one("nn.functional.multi_margin_loss") { c in
      try c.x.multiMarginLoss(
        try c.tensor("target", 1), p: try c.int("p", default: 1), margin: try c.double("margin", default: 1),
        weight: try c.tensorIfAny("weight"), reduction: try c.reduction())
    }
    one("nn.functional.multilabel_margin_loss") { c in
      try c.x.multilabelMarginLoss(try c.tensor("target", 1), reduction: try c.reduction())
    }
    one("nn.functional.multilabel_soft_margin_loss") { c in
      try c.x.multilabelSoftMarginLoss(
        try c.tensor("target", 1), weight: try c.tensorIfAny("weight"), reduction: try c.reduction())
    }
    one("nn.functional.soft_margin_loss") { c in
      try c.x.softMarginLoss(try c.tensor("target", 1), reduction: try c.reduction())
    }
    one("nn.functional.poisson_nll_loss") { c in
      try c.x.poissonNllLoss(
        try c.tensor("target", 1), logInput: try c.bool("log_input", default: true), full: try c.bool("full"),
        eps: try c.double("eps", default: 1e-8), reduction: try c.reduction())
    }
    one("nn.functional.gaussian_nll_loss") { c in
      try c.x.gaussianNllLoss(
        try c.tensor("target", 1), variance: try c.tensor("var", 2), full: try c.bool("full"),
        eps: try c.double("eps", default: 1e-6), reduction: try c.reduction())
    }
    one("nn.functional.ctc_loss") { c in
      try c.x.ctcLoss(
        try c.tensor("targets", 1), inputLengths: try c.lengths("input_lengths", 2),
        targetLengths: try c.lengths("target_lengths", 3), blank: try c.int("blank", default: 0), reduction: try c.reduction(),
        zeroInfinity: try c.bool("zero_infinity"))
    }
    addDistances()
  }

  private mutating func addDistances() {
    one("nn.functional.pairwise_distance") { c in
      try c.x.pairwiseDistance(
        try c.tensor("x2", 1), p: try c.double("p", default: 2), eps: try c.double("eps", default: 1e-6),
        keepDim: try c.bool("keepdim"))
    }
    one("nn.functional.cosine_similarity") { c in
      try c.x.cosineSimilarity(
        try c.tensor("x2", 1), dim: try c.int("dim", default: 1), eps: try c.double("eps", default: 1e-8))
    }
    one("nn.functional.normalize") { c in
      try c.x.normalize(
        p: try c.double("p", default: 2), dim: try c.int("dim", default: 1), eps: try c.double("eps", default: 1e-12))
    }
    one("nn.functional.pdist") { c in try c.x.pdist(p: try c.double("p", default: 2)) }
    one("cdist") { c in
      // How torch computes it.
      _ = c.argument("compute_mode", 3)
      return Tensor.cdist(try c.x, try c.tensor("x2", 1), p: try c.double("p", 2, default: 2))
    }
    for name in ["norm", "norm.fro", "norm.inf"] {
      one(name) { c in
        let p: Double
        if case .text(let text)? = c.argument("p", 1) {
          guard text == "fro" else { throw Unmapped(reason: "norm \(text)") }
          p = 2
        } else {
          p = try c.double("p", 1, default: 2)
        }
        return try c.x.norm(
          p, dim: try c.ints("dim", 2), keepDim: try c.bool("keepdim", 3), dtype: try c.dtype("dtype"))
      }
    }
  }
}

extension OpCall {
  fileprivate func lengths(_ name: String, _ position: Int) throws -> [Int] {
    if case .tensor(let lengths)? = argument(name, position) { return lengths.array(of: Int.self) }
    return try ints(name, position) ?? []
  }
}
