/// Losses that ask for distance between scores, made of other rows as torch makes them.
struct MarginLosses: Sendable {
  private static let three: [SampleOperand] = [.real([3, 4]), .real([3, 4]), .real([3, 4])]

  let composites: [Sample] = [
    Sample("F.margin_ranking_loss(a, b, c, 0.3)", MarginLosses.three) { $0[0].marginRankingLoss($0[1], $0[2], margin: 0.3) },
    Sample("F.margin_ranking_loss(a, b, c, reduction='none')", MarginLosses.three) {
      $0[0].marginRankingLoss($0[1], $0[2], reduction: .none)
    },
    Sample("F.hinge_embedding_loss(a, torch.ones_like(b), reduction='none')", [.real([3, 4]), .real([3, 4])]) {
      $0[0].hingeEmbeddingLoss($0[1].onesLike(), reduction: .none)
    },
    Sample("F.hinge_embedding_loss(a, b.sign().detach(), 2.5)", [.real([3, 4]), .real([3, 4]).withoutGradient]) {
      $0[0].hingeEmbeddingLoss($0[1].sign().detach(), margin: 2.5)
    },
    Sample("F.cosine_embedding_loss(a, b, torch.tensor([1, -1, 1]), 0.1)", [.real([3, 4], 0.5...2), .real([3, 4], 0.5...2)]) {
      $0[0].cosineEmbeddingLoss($0[1], Tensor([1, -1, 1] as [Int64]), margin: 0.1)
    },
    Sample("F.cosine_embedding_loss(a, b, torch.tensor(-1), -1, reduction='none')", [.real([4], 0.5...2), .real([4], 0.5...2)]) {
      $0[0].cosineEmbeddingLoss($0[1], Tensor(-1 as Int64), margin: -1, reduction: .none)
    },
    Sample("F.triplet_margin_loss(a, b, c)", MarginLosses.three) { $0[0].tripletMarginLoss($0[1], $0[2]) },
    Sample("F.triplet_margin_loss(a, b, c, 5, 3, swap=True, reduction='none')", MarginLosses.three) {
      $0[0].tripletMarginLoss($0[1], $0[2], margin: 5, p: 3, swap: true, reduction: .none)
    },
    Sample("F.triplet_margin_with_distance_loss(a, b, c, margin=4, reduction='sum')", MarginLosses.three) {
      $0[0].tripletMarginWithDistanceLoss($0[1], $0[2], margin: 4, reduction: .sum)
    },
    Sample("F.multi_margin_loss(a, torch.tensor([1, 0, 3]))", [.real([3, 4])]) {
      $0[0].multiMarginLoss(Tensor([1, 0, 3] as [Int64]))
    },
    Sample(
      "F.multi_margin_loss(a, torch.tensor([1, 0, 3]), 2, 1.5, b, reduction='none')",
      [
        .real([3, 4]), .real([4], 0.5...2).withoutGradient,
      ]
    ) {
      $0[0].multiMarginLoss(Tensor([1, 0, 3] as [Int64]), p: 2, margin: 1.5, weight: $0[1], reduction: .none)
    },
    Sample("F.multi_margin_loss(a, torch.tensor(2), reduction='sum')", [.real([4])]) {
      $0[0].multiMarginLoss(Tensor(2 as Int64), reduction: .sum)
    },
    Sample("F.multilabel_margin_loss(a, torch.tensor(\(MarginLosses.labels)))", [.real([3, 4])]) {
      $0[0].multilabelMarginLoss(Tensor(MarginLosses.labels))
    },
    Sample("F.multilabel_margin_loss(a, torch.tensor([2, 0, -1, 1]), reduction='sum')", [.real([4])]) {
      $0[0].multilabelMarginLoss(Tensor([2, 0, -1, 1] as [Int64]), reduction: .sum)
    },
    Sample("F.multilabel_soft_margin_loss(a, b)", [.real([3, 4]), .real([3, 4], 0...1)]) {
      $0[0].multilabelSoftMarginLoss($0[1])
    },
    Sample("F.multilabel_soft_margin_loss(a, b, c, reduction='none')", [.real([3, 4]), .real([3, 4], 0...1), .real([4])]) {
      $0[0].multilabelSoftMarginLoss($0[1], weight: $0[2], reduction: .none)
    },
    Sample("F.soft_margin_loss(a, b)", [.real([3, 4]), .real([3, 4]).withoutGradient]) { $0[0].softMarginLoss($0[1]) },
  ]

  private static let labels: [[Int64]] = [[1, 2, -1, 3], [2, -1, 0, 0], [0, 1, 2, 3]]
}

extension LossReduction {
  /// Of losses that are there already.
  func callAsFunction(_ losses: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    switch self {
    case .none: losses
    case .sum: losses.sum(file: file, line: line)
    case .mean: losses.mean(file: file, line: line)
    }
  }
}

extension Tensor {
  /// max(0, −target (self − other) + margin): which of two scores is to be larger. Torch's `margin_ranking_loss`.
  ///
  /// - Parameter target: 1 where this tensor's score is to be the larger one, −1 where the other's.
  public func marginRankingLoss(
    _ other: Tensor, _ target: Tensor, margin: Double = 0, reduction: LossReduction = .mean,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checkedOperands("margin_ranking_loss", [other, target], CallSite(file, line)) { layout throws(TensorError) in
      if let autocast = AutocastMethod("margin_ranking_loss", on: self) {
        return try autocast(self, other, target) {
          $0[0]!.marginRankingLoss($0[1]!, $0[2]!, margin: margin, reduction: reduction, file: file, line: line)
        }
      }
      guard layout.rank == other.ndim && layout.rank == target.ndim else {
        throw .shape(
          "margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: \(layout.shape), "
            + "input2: \(other.shape), target: \(target.shape) ")
      }
      return reduction((-target * (self - other) + margin).clamp(min: 0.0))
    }
  }

  /// The distance itself where `target` is 1, max(0, margin − distance) where it is −1. Torch's `hinge_embedding_loss`.
  public func hingeEmbeddingLoss(
    _ target: Tensor, margin: Double = 1, reduction: LossReduction = .mean, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    checkedOperands("hinge_embedding_loss", [target], CallSite(file, line)) { _ throws(TensorError) in
      if let autocast = AutocastMethod("hinge_embedding_loss", on: self) {
        return try autocast(self, target) {
          $0[0]!.hingeEmbeddingLoss($0[1]!, margin: margin, reduction: reduction, file: file, line: line)
        }
      }
      let far = dtype.isFloatingPoint ? (margin - self).clamp(min: 0.0) : (Int(margin) - self).clamp(min: 0)
      return reduction(Tensor.where(target .!= 1, far, 0) + Tensor.where(target .!= -1, self, 0))
    }
  }

  /// 1 − the cosine similarity with `other` where `target` is 1, max(0, similarity − margin) where it is −1. Torch's
  /// `cosine_embedding_loss`.
  ///
  /// - Parameters:
  ///   - other: [n, d] as this tensor, or [d].
  ///   - target: [n], or [].
  public func cosineEmbeddingLoss(
    _ other: Tensor, _ target: Tensor, margin: Double = 0, reduction: LossReduction = .mean,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checkedOperands("cosine_embedding_loss", [other, target], CallSite(file, line)) { layout throws(TensorError) in
      if let autocast = AutocastMethod("cosine_embedding_loss", on: self) {
        return try autocast(self, other, target) {
          $0[0]!.cosineEmbeddingLoss($0[1]!, $0[2]!, margin: margin, reduction: reduction, file: file, line: line)
        }
      }
      let dim = target.ndim
      guard dim <= 1 else { throw .shape("0D or 1D target tensor expected, multi-target not supported") }
      guard layout.rank == dim + 1, other.ndim == dim + 1 else {
        throw .shape(
          "\(dim)D target tensor expects \(dim + 1)D input tensors, but found inputs with sizes \(layout.shape) and "
            + "\(other.shape).")
      }
      let products = (self * other).sum(dim: dim)
      let squares = ((self * self).sum(dim: dim) + 1e-12, (other * other).sum(dim: dim) + 1e-12)
      let cosine = products / (squares.0 * squares.1).sqrt()
      let far = (cosine - margin).clamp(min: 0.0)
      return reduction(Tensor.where(target .== 1, 1 - cosine, 0) + Tensor.where(target .== -1, far, 0))
    }
  }

  /// max(0, distance to `positive` − distance to `negative` + margin). Torch's `triplet_margin_loss`.
  ///
  /// - Parameters:
  ///   - p: Which norm of differences is their distance.
  ///   - eps: Added to differences.
  ///   - swap: Where the positive is nearer to the negative than this tensor, that distance counts (Balntas et al., 2016).
  public func tripletMarginLoss(
    _ positive: Tensor, _ negative: Tensor, margin: Double = 1, p: Double = 2, eps: Double = 1e-6, swap: Bool = false,
    reduction: LossReduction = .mean, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    triplet("triplet_margin_loss", positive, negative, margin, swap, reduction, CallSite(file, line)) {
      $0.pairwiseDistance($1, p: p, eps: eps)
    }
  }

  /// ``tripletMarginLoss(_:_:margin:p:eps:swap:reduction:file:line:)`` with any distance. Torch's
  /// `triplet_margin_with_distance_loss`.
  ///
  /// - Parameter distance: ``pairwiseDistance(_:p:eps:keepDim:file:line:)`` by default.
  public func tripletMarginWithDistanceLoss(
    _ positive: Tensor, _ negative: Tensor, distance: (Tensor, Tensor) -> Tensor = { $0.pairwiseDistance($1) },
    margin: Double = 1, swap: Bool = false, reduction: LossReduction = .mean, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    triplet("triplet_margin_with_distance_loss", positive, negative, margin, swap, reduction, CallSite(file, line), distance)
  }

  private func triplet(
    _ name: String, _ positive: Tensor, _ negative: Tensor, _ margin: Double, _ swap: Bool, _ reduction: LossReduction,
    _ site: CallSite, _ distance: (Tensor, Tensor) -> Tensor
  ) -> Tensor {
    checkedOperands(name, [positive, negative], site) { layout throws(TensorError) in
      if let autocast = AutocastMethod(name, on: self) {
        return try autocast(self, positive, negative) {
          $0[0]!.triplet(name, $0[1]!, $0[2]!, margin, swap, reduction, site, distance)
        }
      }
      guard margin > 0 else { throw .argument("margin must be greater than 0, got \(margin)") }
      guard layout.rank == positive.ndim && layout.rank == negative.ndim else {
        throw .shape(
          "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: anchor "
            + "\(layout.rank)D, positive \(positive.ndim)D, and negative \(negative.ndim)D inputs")
      }
      let near = distance(self, positive)
      var far = distance(self, negative)
      if swap { far = far.minimum(distance(positive, negative)) }
      return reduction((margin + near - far).clamp(min: 0.0))
    }
  }

  /// The mean over the classes of max(0, margin − score of the target + score)ᵖ, the target's own left out. Torch's
  /// `multi_margin_loss`.
  ///
  /// - Parameters:
  ///   - target: Classes [n] for scores [n, classes], or [] for [classes]; int64.
  ///   - p: 1 or 2.
  ///   - weight: What each class counts, [classes].
  public func multiMarginLoss(
    _ target: Tensor, p: Int = 1, margin: Double = 1, weight: Tensor? = nil, reduction: LossReduction = .mean,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checkedOperands("multi_margin_loss", [target] + (weight.map { [$0] } ?? []), CallSite(file, line)) {
      layout throws(TensorError) in
      if let autocast = AutocastMethod("multi_margin_loss", on: self) {
        return try autocast(self, target, weight) {
          $0[0]!.multiMarginLoss(
            $0[1]!, p: p, margin: margin, weight: $0[2], reduction: reduction, file: file, line: line)
        }
      }
      guard p == 1 || p == 2 else { throw .argument("only p == 1 and p == 2 supported") }
      guard layout.rank == 1 || layout.rank == 2, layout.shape.last! > 0 else {
        throw .shape("Expected non-empty vector or matrix with optional 0-dim batch size, but got: \(layout.shape)")
      }
      try Losses.checkScores(dtype, "multi_margin_loss_cpu_kernel")
      guard target.dtype == .int64 else {
        throw .dtype("expected scalar type Long but found \(target.dtype.torchScalarName)")
      }
      let (count, rows) = (layout.shape.last!, layout.rank == 2 ? layout.shape.at(0) : 1)
      guard target.ndim <= 1, target.count == rows else {
        throw .shape("inconsistent target size, expected \(rows) but got \(target.shape)")
      }
      if let weight, weight.shape != [count] {
        throw .shape("inconsistent weight size, expected \(count) but got \(weight.shape)")
      }
      try Losses.checkNoGradient(weight, "multi_margin_loss")
      let classes = target.reshape([rows, 1])
      try classes.checkPositions(below: count, in: "multi_margin_loss") { "target out of range\($0)" }
      let scores = reshape([rows, count])
      let own = scores.gather(dim: 1, index: classes)
      var short = (margin - own + scores).clamp(min: 0.0)
      if p == 2 { short = short * short }
      if let weight { short = short * weight.indexSelect(dim: 0, index: classes.reshape([rows])).reshape([rows, 1]) }
      let others = Tensor.ones([rows, count], dtype: .bool, device: device).scatter(dim: 1, index: classes, 0)
      let losses = Tensor.where(others, short, 0).sum(dim: 1) / Double(count)
      return reduction(reduction == .none && layout.rank == 1 ? losses.reshape(target.shape) : losses)
    }
  }

  /// The mean over the classes of max(0, 1 − score of a target + score of what is none), summed. Torch's
  /// `multilabel_margin_loss`.
  ///
  /// - Parameter target: The classes of each row, from its start up to the first −1; int64, of this shape.
  public func multilabelMarginLoss(
    _ target: Tensor, reduction: LossReduction = .mean, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checkedOperands("multilabel_margin_loss", [target], CallSite(file, line)) { layout throws(TensorError) in
      if let autocast = AutocastMethod("multilabel_margin_loss", on: self) {
        return try autocast(self, target) { $0[0]!.multilabelMarginLoss($0[1]!, reduction: reduction, file: file, line: line) }
      }
      guard layout.rank == 1 || layout.rank == 2, layout.shape.last! > 0 else {
        throw .shape("Expected non-empty vector or matrix with optional 0-dim batch size, but got: \(layout.shape)")
      }
      guard target.shape == layout.shape else {
        throw .shape("inconsistent size \(target.shape) for target, expected \(layout.shape)")
      }
      try Losses.checkScores(dtype, "multilabel_margin_loss_forward_out_frame")
      guard target.dtype == .int64 else {
        throw .dtype("expected scalar type Long but found \(target.dtype.torchScalarName)")
      }
      let (count, rows) = (layout.shape.last!, layout.rank == 2 ? layout.shape.at(0) : 1)
      let places = target.reshape([rows, count])
      // How many ends of the list there are up to a place, itself included.
      let isEnd = (places .< 0).to(.int64), ends = isEnd.cumsum(dim: 1), isTarget = ends .== 0
      try (places .< count).logicalAnd((places .>= -1).logicalOr(ends .> isEnd)).all()
        .orThrow(.index("argument #2 'target' is out of range"), in: "multilabel_margin_loss")
      // Places behind the end lead to a class that is none.
      let isNone = Tensor.ones([rows, count + 1], dtype: .bool, device: device)
        .scatter(dim: 1, index: Tensor.where(isTarget, places, count), 0).narrow(1, start: 0, length: count)
      let scores = reshape([rows, count])
      let own = scores.gather(dim: 1, index: Tensor.where(isTarget, places, 0))
      let short = (1 - own.unsqueeze(2) + scores.unsqueeze(1)).clamp(min: 0.0)
      let losses = Tensor.where(isTarget.unsqueeze(2).logicalAnd(isNone.unsqueeze(1)), short, 0).sum(dim: [1, 2]) / Double(count)
      return reduction(reduction == .none && layout.rank == 1 ? losses.reshape([]) : losses)
    }
  }

  /// The mean over the classes of the cross entropy of each, targets from 0 to 1. Torch's `multilabel_soft_margin_loss`.
  ///
  /// - Parameters:
  ///   - target: Of this shape, [*, classes].
  ///   - weight: What each class counts, [classes].
  public func multilabelSoftMarginLoss(
    _ target: Tensor, weight: Tensor? = nil, reduction: LossReduction = .mean, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    checkedOperands("multilabel_soft_margin_loss", [target], CallSite(file, line)) { layout throws(TensorError) in
      guard layout.rank > 0 else { throw .dimensionRange(-1, rank: 0) }
      var losses = -(target * logSigmoid() + (1 - target) * (-self).logSigmoid())
      if let weight { losses = losses * weight }
      return reduction(losses.sum(dim: -1) / Double(layout.shape.last!))
    }
  }

  /// log(1 + exp(−target · self)), targets 1 or −1. Torch's `soft_margin_loss`.
  public func softMarginLoss(
    _ target: Tensor, reduction: LossReduction = .mean, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checkedOperands("soft_margin_loss", [target], CallSite(file, line)) { _ throws(TensorError) in
      if let autocast = AutocastMethod("soft_margin_loss", on: self) {
        return try autocast(self, target) { $0[0]!.softMarginLoss($0[1]!, reduction: reduction, file: file, line: line) }
      }
      guard dtype.isFloatingPoint else {
        throw .dtype("result type Float can't be cast to the desired output type \(dtype.torchScalarName)")
      }
      return reduction((-target * self).exp().log1p())
    }
  }

  /// `checked` with further operands, any of which may be poisoned.
  func checkedOperands(
    _ name: String, _ others: [Tensor], _ site: CallSite, _ body: (Layout) throws(TensorError) -> Tensor
  ) -> Tensor {
    for other in others {
      if let poison = other.body.poison { return Door.poisoned(by: poison, .current) }
    }
    return checked(name, at: site, body)
  }
}

extension Losses {
  static func checkScores(_ dtype: DType, _ kernel: String) throws(TensorError) {
    guard dtype.isFloatingPoint else { throw .dtype("\"\(kernel)\" not implemented for '\(dtype.torchScalarName)'") }
  }
}
