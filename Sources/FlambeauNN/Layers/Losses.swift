import Flambeau

// Losses as modules: what a prediction and its target are held against each other with.

/// `mseLoss(_:)`. Torch's `nn.MSELoss`.
public final class MSELoss: Module {
  /// What becomes of the losses of the elements.
  public let reduction: LossReduction

  /// As torch's constructor.
  public init(reduction: LossReduction = .mean) {
    self.reduction = reduction
  }

  /// Mean of (x − target)²; shapes broadcast.
  public func callAsFunction(_ x: Tensor, _ target: Tensor) -> Tensor {
    x.mseLoss(target, reduction: reduction)
  }

  public var configuration: String { "reduction: \(reduction)" }
}

/// `l1Loss(_:)`. Torch's `nn.L1Loss`.
public final class L1Loss: Module {
  /// What becomes of the losses of the elements.
  public let reduction: LossReduction

  /// As torch's constructor.
  public init(reduction: LossReduction = .mean) {
    self.reduction = reduction
  }

  /// Mean of |x − target|; shapes broadcast.
  public func callAsFunction(_ x: Tensor, _ target: Tensor) -> Tensor {
    x.l1Loss(target, reduction: reduction)
  }

  public var configuration: String { "reduction: \(reduction)" }
}

/// `smoothL1Loss(_:)`. Torch's `nn.SmoothL1Loss`.
public final class SmoothL1Loss: Module {
  /// What becomes of the losses of the elements.
  public let reduction: LossReduction
  /// Where the quadratic part ends.
  public let beta: Double

  /// As torch's constructor.
  public init(reduction: LossReduction = .mean, beta: Double = 1) {
    self.reduction = reduction
    self.beta = beta
  }

  /// Squares below `beta`, absolute values above; shapes broadcast.
  public func callAsFunction(_ x: Tensor, _ target: Tensor) -> Tensor {
    x.smoothL1Loss(target, reduction: reduction, beta: beta)
  }

  public var configuration: String { "reduction: \(reduction), beta: \(beta)" }
}

/// `huberLoss(_:)`. Torch's `nn.HuberLoss`.
public final class HuberLoss: Module {
  /// What becomes of the losses of the elements.
  public let reduction: LossReduction
  /// Where the linear part begins.
  public let delta: Double

  /// As torch's constructor.
  public init(reduction: LossReduction = .mean, delta: Double = 1) {
    self.reduction = reduction
    self.delta = delta
  }

  /// Squares below `delta`, straight lines above; shapes broadcast.
  public func callAsFunction(_ x: Tensor, _ target: Tensor) -> Tensor {
    x.huberLoss(target, reduction: reduction, delta: delta)
  }

  public var configuration: String { "reduction: \(reduction), delta: \(delta)" }
}

/// `crossEntropy(_:)` of logits. Torch's `nn.CrossEntropyLoss`.
public final class CrossEntropyLoss: Module {
  /// What each class counts: [classes]; nil for 1.
  public let weight: Buffer?
  /// Targets that do not count.
  public let ignoreIndex: Int
  /// What becomes of the losses of the elements.
  public let reduction: LossReduction
  /// The share that is spread over all classes.
  public let labelSmoothing: Double

  /// `weight` is [C]; class numbers of `ignoreIndex` do not count.
  public init(weight: Tensor? = nil, ignoreIndex: Int = -100, reduction: LossReduction = .mean, labelSmoothing: Double = 0) {
    self.weight = weight.map { Buffer($0) }
    self.ignoreIndex = ignoreIndex
    self.reduction = reduction
    self.labelSmoothing = labelSmoothing
  }

  /// Logits [N, C, ...], class numbers [N, ...] or probabilities [N, C, ...].
  public func callAsFunction(_ x: Tensor, _ target: Tensor) -> Tensor {
    x.crossEntropy(
      target, weight: weight?.tensor, ignoreIndex: ignoreIndex, reduction: reduction, labelSmoothing: labelSmoothing)
  }

  public var configuration: String { "ignoreIndex: \(ignoreIndex), reduction: \(reduction), labelSmoothing: \(labelSmoothing)" }
}

/// `nllLoss(_:)` of logarithms of probabilities. Torch's `nn.NLLLoss`.
public final class NLLLoss: Module {
  /// What each class counts: [classes]; nil for 1.
  public let weight: Buffer?
  /// Targets that do not count.
  public let ignoreIndex: Int
  /// What becomes of the losses of the elements.
  public let reduction: LossReduction

  /// `weight` is [C]; targets of `ignoreIndex` do not count.
  public init(weight: Tensor? = nil, ignoreIndex: Int = -100, reduction: LossReduction = .mean) {
    self.weight = weight.map { Buffer($0) }
    self.ignoreIndex = ignoreIndex
    self.reduction = reduction
  }

  /// Log-probabilities [N, C, ...], class numbers [N, ...] → a number, or [N, ...] without reduction.
  public func callAsFunction(_ x: Tensor, _ target: Tensor) -> Tensor {
    x.nllLoss(target, weight: weight?.tensor, ignoreIndex: ignoreIndex, reduction: reduction)
  }

  public var configuration: String { "ignoreIndex: \(ignoreIndex), reduction: \(reduction)" }
}

/// `binaryCrossEntropy(_:)` of probabilities. Torch's `nn.BCELoss`.
public final class BCELoss: Module {
  /// What each element counts, broadcast to the input; nil for 1.
  public let weight: Buffer?
  /// What becomes of the losses of the elements.
  public let reduction: LossReduction

  /// `weight` is broadcast to the elements.
  public init(weight: Tensor? = nil, reduction: LossReduction = .mean) {
    self.weight = weight.map { Buffer($0) }
    self.reduction = reduction
  }

  /// Probabilities and targets in 0…1, of one shape.
  public func callAsFunction(_ x: Tensor, _ target: Tensor) -> Tensor {
    x.binaryCrossEntropy(target, weight: weight?.tensor, reduction: reduction)
  }

  public var configuration: String { "reduction: \(reduction)" }
}

/// `binaryCrossEntropyWithLogits(_:)`. Torch's `nn.BCEWithLogitsLoss`.
public final class BCEWithLogitsLoss: Module {
  /// What each element counts, broadcast to the input; nil for 1.
  public let weight: Buffer?
  /// What becomes of the losses of the elements.
  public let reduction: LossReduction
  /// What positive targets count, broadcast to the input; nil for 1.
  public let posWeight: Buffer?

  /// `weight` is broadcast to the elements; `posWeight` multiplies positive targets' part.
  public init(weight: Tensor? = nil, reduction: LossReduction = .mean, posWeight: Tensor? = nil) {
    self.weight = weight.map { Buffer($0) }
    self.reduction = reduction
    self.posWeight = posWeight.map { Buffer($0) }
  }

  /// Logits, and targets in 0…1, of one shape.
  public func callAsFunction(_ x: Tensor, _ target: Tensor) -> Tensor {
    x.binaryCrossEntropyWithLogits(
      target, weight: weight?.tensor, reduction: reduction, posWeight: posWeight?.tensor)
  }

  public var configuration: String { "reduction: \(reduction)" }
}

/// `klDiv(_:)` of logarithms of probabilities. Torch's `nn.KLDivLoss`.
public final class KLDivLoss: Module {
  /// What becomes of the parts of the divergence.
  public let reduction: DivergenceReduction
  /// The target is given as logarithms.
  public let logTarget: Bool

  /// - Parameter reduction: The divergence itself is ``DivergenceReduction/batchMean``.
  public init(reduction: DivergenceReduction = .mean, logTarget: Bool = false) {
    self.reduction = reduction
    self.logTarget = logTarget
  }

  /// Log-probabilities, and probabilities (or their logarithms, where `logTarget`).
  public func callAsFunction(_ x: Tensor, _ target: Tensor) -> Tensor {
    x.klDiv(target, reduction: reduction, logTarget: logTarget)
  }

  public var configuration: String { "reduction: \(reduction), logTarget: \(logTarget)" }
}

/// `poissonNllLoss(_:)`. Torch's `nn.PoissonNLLLoss`.
public final class PoissonNLLLoss: Module {
  /// The input is given as logarithms.
  public let logInput: Bool
  /// Adds the part of the loss that depends on the target alone.
  public let full: Bool
  /// Keeps denominators from 0.
  public let eps: Double
  /// What becomes of the losses of the elements.
  public let reduction: LossReduction

  /// As torch's constructor.
  public init(logInput: Bool = true, full: Bool = false, eps: Double = 1e-8, reduction: LossReduction = .mean) {
    self.logInput = logInput
    self.full = full
    self.eps = eps
    self.reduction = reduction
  }

  /// Rates (or their logarithms, where `logInput`) and counts.
  public func callAsFunction(_ x: Tensor, _ target: Tensor) -> Tensor {
    x.poissonNllLoss(target, logInput: logInput, full: full, eps: eps, reduction: reduction)
  }

  public var configuration: String { "logInput: \(logInput), full: \(full), eps: \(eps), reduction: \(reduction)" }
}

/// `gaussianNllLoss(_:variance:)`. Torch's `nn.GaussianNLLLoss`.
public final class GaussianNLLLoss: Module {
  /// Adds the part of the loss that depends on the target alone.
  public let full: Bool
  /// Keeps denominators from 0.
  public let eps: Double
  /// What becomes of the losses of the elements.
  public let reduction: LossReduction

  /// As torch's constructor.
  public init(full: Bool = false, eps: Double = 1e-6, reduction: LossReduction = .mean) {
    self.full = full
    self.eps = eps
    self.reduction = reduction
  }

  /// Means, targets, and variances of their shape, without the last dimension, or with 1 there.
  public func callAsFunction(_ x: Tensor, _ target: Tensor, _ variance: Tensor) -> Tensor {
    x.gaussianNllLoss(target, variance: variance, full: full, eps: eps, reduction: reduction)
  }

  public var configuration: String { "full: \(full), eps: \(eps), reduction: \(reduction)" }
}

/// `marginRankingLoss(_:_:)`. Torch's `nn.MarginRankingLoss`.
public final class MarginRankingLoss: Module {
  /// The distance that counts as far enough.
  public let margin: Double
  /// What becomes of the losses of the elements.
  public let reduction: LossReduction

  /// As torch's constructor.
  public init(margin: Double = 0, reduction: LossReduction = .mean) {
    self.margin = margin
    self.reduction = reduction
  }

  /// Two scores and 1 where the first should be higher, −1 where the second.
  public func callAsFunction(_ x: Tensor, _ other: Tensor, _ target: Tensor) -> Tensor {
    x.marginRankingLoss(other, target, margin: margin, reduction: reduction)
  }

  public var configuration: String { "margin: \(margin), reduction: \(reduction)" }
}

/// `hingeEmbeddingLoss(_:)`. Torch's `nn.HingeEmbeddingLoss`.
public final class HingeEmbeddingLoss: Module {
  /// The distance that counts as far enough.
  public let margin: Double
  /// What becomes of the losses of the elements.
  public let reduction: LossReduction

  /// As torch's constructor.
  public init(margin: Double = 1, reduction: LossReduction = .mean) {
    self.margin = margin
    self.reduction = reduction
  }

  /// Distances, and 1 (alike) or −1 (different).
  public func callAsFunction(_ x: Tensor, _ target: Tensor) -> Tensor {
    x.hingeEmbeddingLoss(target, margin: margin, reduction: reduction)
  }

  public var configuration: String { "margin: \(margin), reduction: \(reduction)" }
}

/// `cosineEmbeddingLoss(_:_:)`. Torch's `nn.CosineEmbeddingLoss`.
public final class CosineEmbeddingLoss: Module {
  /// The distance that counts as far enough.
  public let margin: Double
  /// What becomes of the losses of the elements.
  public let reduction: LossReduction

  /// As torch's constructor.
  public init(margin: Double = 0, reduction: LossReduction = .mean) {
    self.margin = margin
    self.reduction = reduction
  }

  /// Vectors [N, D] or [D], and 1 (alike) or −1 (different) for each.
  public func callAsFunction(_ x: Tensor, _ other: Tensor, _ target: Tensor) -> Tensor {
    x.cosineEmbeddingLoss(other, target, margin: margin, reduction: reduction)
  }

  public var configuration: String { "margin: \(margin), reduction: \(reduction)" }
}

/// `tripletMarginLoss(_:_:)`. Torch's `nn.TripletMarginLoss`.
public final class TripletMarginLoss: Module {
  /// The distance that counts as far enough.
  public let margin: Double
  /// The order of the norm.
  public let p: Double
  /// Keeps denominators from 0.
  public let eps: Double
  /// Uses the nearer of anchor and positive (Balntas et al., 2016).
  public let swap: Bool
  /// What becomes of the losses of the elements.
  public let reduction: LossReduction

  /// As torch's constructor.
  public init(margin: Double = 1, p: Double = 2, eps: Double = 1e-6, swap: Bool = false, reduction: LossReduction = .mean) {
    self.margin = margin
    self.p = p
    self.eps = eps
    self.swap = swap
    self.reduction = reduction
  }

  /// Anchors, alike and different vectors: [N, D] or [D].
  public func callAsFunction(_ x: Tensor, _ positive: Tensor, _ negative: Tensor) -> Tensor {
    x.tripletMarginLoss(positive, negative, margin: margin, p: p, eps: eps, swap: swap, reduction: reduction)
  }

  public var configuration: String { "margin: \(margin), p: \(p), eps: \(eps), swap: \(swap), reduction: \(reduction)" }
}

/// `tripletMarginWithDistanceLoss(_:_:distance:)`. Torch's `nn.TripletMarginWithDistanceLoss`.
public final class TripletMarginWithDistanceLoss: Module {
  /// What measures how far two rows are apart.
  public let distance: @Sendable (Tensor, Tensor) -> Tensor
  /// The distance that counts as far enough.
  public let margin: Double
  /// Uses the nearer of anchor and positive (Balntas et al., 2016).
  public let swap: Bool
  /// What becomes of the losses of the elements.
  public let reduction: LossReduction

  /// - Parameter distance: How far the rows of two tensors are apart; a norm of order 2 by default.
  public init(
    distance: @escaping @Sendable (Tensor, Tensor) -> Tensor = { $0.pairwiseDistance($1) }, margin: Double = 1,
    swap: Bool = false, reduction: LossReduction = .mean
  ) {
    (self.distance, self.margin, self.swap, self.reduction) = (distance, margin, swap, reduction)
  }

  /// Anchors, alike and different things, as the distance takes them.
  public func callAsFunction(_ x: Tensor, _ positive: Tensor, _ negative: Tensor) -> Tensor {
    x.tripletMarginWithDistanceLoss(
      positive, negative, distance: distance, margin: margin, swap: swap, reduction: reduction)
  }

  public var configuration: String { "margin: \(margin), swap: \(swap), reduction: \(reduction)" }
}

/// `multiMarginLoss(_:)`. Torch's `nn.MultiMarginLoss`.
public final class MultiMarginLoss: Module {
  /// The exponent of the differences: 1 or 2.
  public let p: Int
  /// The distance that counts as far enough.
  public let margin: Double
  /// What each class counts: [classes]; nil for 1.
  public let weight: Buffer?
  /// What becomes of the losses of the elements.
  public let reduction: LossReduction

  /// As torch's constructor.
  public init(p: Int = 1, margin: Double = 1, weight: Tensor? = nil, reduction: LossReduction = .mean) {
    self.p = p
    self.margin = margin
    self.weight = weight.map { Buffer($0) }
    self.reduction = reduction
  }

  /// Scores [N, C] or [C], class numbers [N] or a number.
  public func callAsFunction(_ x: Tensor, _ target: Tensor) -> Tensor {
    x.multiMarginLoss(target, p: p, margin: margin, weight: weight?.tensor, reduction: reduction)
  }

  public var configuration: String { "p: \(p), margin: \(margin), reduction: \(reduction)" }
}

/// `multilabelMarginLoss(_:)`. Torch's `nn.MultiLabelMarginLoss`.
public final class MultiLabelMarginLoss: Module {
  /// What becomes of the losses of the elements.
  public let reduction: LossReduction

  /// As torch's constructor.
  public init(reduction: LossReduction = .mean) {
    self.reduction = reduction
  }

  /// Scores [N, C] or [C], class numbers of the same shape, of which those before the first −1 count.
  public func callAsFunction(_ x: Tensor, _ target: Tensor) -> Tensor {
    x.multilabelMarginLoss(target, reduction: reduction)
  }

  public var configuration: String { "reduction: \(reduction)" }
}

/// `multilabelSoftMarginLoss(_:)`. Torch's `nn.MultiLabelSoftMarginLoss`.
public final class MultiLabelSoftMarginLoss: Module {
  /// What each class counts: [classes]; nil for 1.
  public let weight: Buffer?
  /// What becomes of the losses of the elements.
  public let reduction: LossReduction

  /// `weight` is [C].
  public init(weight: Tensor? = nil, reduction: LossReduction = .mean) {
    self.weight = weight.map { Buffer($0) }
    self.reduction = reduction
  }

  /// Scores [N, C], and 0 or 1 for each.
  public func callAsFunction(_ x: Tensor, _ target: Tensor) -> Tensor {
    x.multilabelSoftMarginLoss(target, weight: weight?.tensor, reduction: reduction)
  }

  public var configuration: String { "reduction: \(reduction)" }
}

/// `softMarginLoss(_:)`. Torch's `nn.SoftMarginLoss`.
public final class SoftMarginLoss: Module {
  /// What becomes of the losses of the elements.
  public let reduction: LossReduction

  /// As torch's constructor.
  public init(reduction: LossReduction = .mean) {
    self.reduction = reduction
  }

  /// Scores, and 1 or −1 for each.
  public func callAsFunction(_ x: Tensor, _ target: Tensor) -> Tensor {
    x.softMarginLoss(target, reduction: reduction)
  }

  public var configuration: String { "reduction: \(reduction)" }
}

/// `ctcLoss(_:inputLengths:targetLengths:)`. Torch's `nn.CTCLoss`.
public final class CTCLoss: Module {
  /// The class that stands for no symbol.
  public let blank: Int
  /// What becomes of the losses of the elements.
  public let reduction: LossReduction
  /// Losses that are infinite, and their gradients, become 0.
  public let zeroInfinity: Bool

  /// As torch's constructor.
  public init(blank: Int = 0, reduction: LossReduction = .mean, zeroInfinity: Bool = false) {
    self.blank = blank
    self.reduction = reduction
    self.zeroInfinity = zeroInfinity
  }

  /// Log-probabilities [T, N, C] or [T, C]; targets [N, S], or those of all sequences in one row; the lengths of both.
  public func callAsFunction(_ x: Tensor, _ targets: Tensor, _ inputLengths: [Int], _ targetLengths: [Int]) -> Tensor {
    x.ctcLoss(
      targets, inputLengths: inputLengths, targetLengths: targetLengths, blank: blank, reduction: reduction,
      zeroInfinity: zeroInfinity)
  }

  public var configuration: String { "blank: \(blank), reduction: \(reduction), zeroInfinity: \(zeroInfinity)" }
}
