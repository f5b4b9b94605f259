/// Negative log likelihoods of counts and of normal numbers, made of other rows as torch makes them.
struct LikelihoodLosses: Sendable {
  let composites: [Sample] = [
    Sample("F.poisson_nll_loss(a, b)", [.real([3, 4]), .real([3, 4])]) { $0[0].poissonNllLoss($0[1]) },
    Sample("F.poisson_nll_loss(a, b, full=True, reduction='none')", [.real([3, 4]), .real([3, 4], 1.5...4)]) {
      $0[0].poissonNllLoss($0[1], full: true, reduction: .none)
    },
    Sample("F.poisson_nll_loss(a, b, log_input=False, reduction='sum')", [.real([3, 4], 0.5...2), .real([3, 4])]) {
      $0[0].poissonNllLoss($0[1], logInput: false, reduction: .sum)
    },
    Sample("F.gaussian_nll_loss(a, b, c)", [.real([3, 4]), .real([3, 4]), .real([3], 0.5...2)]) {
      $0[0].gaussianNllLoss($0[1], variance: $0[2])
    },
    Sample("F.gaussian_nll_loss(a, b, c, True, 0.1, 'none')", [.real([3, 4]), .real([3, 4]), .real([3, 1], 0.5...2)]) {
      $0[0].gaussianNllLoss($0[1], variance: $0[2], full: true, eps: 0.1, reduction: .none)
    },
    // Below the bound differences do not see the gradient that torch gives.
    Sample("F.gaussian_nll_loss(a, b, c, eps=1.5)", [.real([3, 4]), .real([3, 4]), .real([3, 4], 0.5...2).withoutGradient]) {
      $0[0].gaussianNllLoss($0[1], variance: $0[2], eps: 1.5)
    },
    Sample("F.gaussian_nll_loss(a, b, 0.7, reduction='sum')", [.real([3, 4]), .real([3, 4])]) {
      $0[0].gaussianNllLoss($0[1], variance: 0.7, reduction: .sum)
    },
  ]
}

extension Tensor {
  /// exp(self) − target · self: how unlikely counts are under the rates whose logarithm this is. Torch's `poisson_nll_loss`.
  ///
  /// - Parameters:
  ///   - logInput: False where this is the rates themselves; the loss is self − target · log(self + eps).
  ///   - full: With Stirling's approximation of log(target!) for targets above 1.
  public func poissonNllLoss(
    _ target: Tensor, logInput: Bool = true, full: Bool = false, eps: Double = 1e-8, reduction: LossReduction = .mean,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checkedOperands("poisson_nll_loss", [target], CallSite(file, line)) { _ throws(TensorError) in
      if let autocast = AutocastMethod("poisson_nll_loss", on: self) {
        return try autocast(self, target) {
          $0[0]!.poissonNllLoss($0[1]!, logInput: logInput, full: full, eps: eps, reduction: reduction, file: file, line: line)
        }
      }
      var losses = logInput ? exp() - target * self : self - target * (self + eps).log()
      if full {
        let stirling = target * target.log() - target + 0.5 * (target * (2 * Double.pi)).log()
        losses = losses + stirling.maskedFill(target .<= 1, 0.0)
      }
      return reduction(losses)
    }
  }

  /// ½ (log v + (self − target)² / v): how unlikely `target` is under normal distributions of this mean and the variance v.
  /// Torch's `gaussian_nll_loss`.
  ///
  /// - Parameters:
  ///   - variance: Not negative; of this shape, without the last dimension, or with one dimension of size 1.
  ///   - full: With the constant ½ log 2π.
  ///   - eps: The least variance; below it none has a gradient of its own.
  public func gaussianNllLoss(
    _ target: Tensor, variance: Tensor, full: Bool = false, eps: Double = 1e-6, reduction: LossReduction = .mean,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checkedOperands("gaussian_nll_loss", [target, variance], CallSite(file, line)) { layout throws(TensorError) in
      let (shape, given) = (layout.shape, variance.shape)
      var each = variance
      try (variance .< 0).any().logicalNot().orThrow(.argument("var has negative entry/entries"), in: "gaussian_nll_loss")
      if given != shape {
        let stretched = shape.count == given.count ? (0..<shape.count).filter { shape.at($0) != given.at($0) } : []
        if Shape(shape.dropLast()) == given {
          each = variance.unsqueeze(-1)
        } else if stretched.reduce(0, { $0 + given.at($1) }) != 1 {
          throw .shape("var is of incorrect size")
        }
      }
      guard each.dtype.isFloatingPoint else {
        throw .dtype("result type Float can't be cast to the desired output type \(each.dtype.torchElementName)")
      }
      // The bound changes the value, not the gradient.
      each = each + noGrad { each.clamp(min: eps) - each }
      let miss = self - target
      let losses = 0.5 * (each.log() + miss * miss / each)
      return reduction(full ? losses + 0.5 * logarithmOfTwoPi : losses)
    }
  }

  /// ``gaussianNllLoss(_:variance:full:eps:reduction:file:line:)-(_,Tensor,_,_,_,_,_)`` with one variance for all.
  public func gaussianNllLoss(
    _ target: Tensor, variance: Double, full: Bool = false, eps: Double = 1e-6, reduction: LossReduction = .mean,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    gaussianNllLoss(
      target, variance: .full(shape, variance, dtype: dtype.isFloatingPoint ? dtype : .float32, device: device), full: full,
      eps: eps,
      reduction: reduction, file: file, line: line)
  }
}

/// log 2π.
private let logarithmOfTwoPi = 1.8378770664093454835606594728112
