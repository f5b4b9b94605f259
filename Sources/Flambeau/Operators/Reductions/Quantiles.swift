/// Between which elements a quantile lies, and what it is there.
public enum QuantileInterpolation: Sendable {
  /// In proportion.
  case linear
  /// The lower neighbour.
  case lower
  /// The higher neighbour.
  case higher
  /// The mean of both neighbours.
  case midpoint
  /// The nearer neighbour.
  case nearest
}

/// Shares and means of elements, and norms held below a bound; made of other rows.
struct Quantiles: Sendable {
  let composites: [Sample] = [
    Sample("a.quantile(0.4)", [.real([3, 4])]) { $0[0].quantile(0.4) },
    Sample("a.quantile(0.5, 1, keepdim=True)", [.real([3, 4])]) { $0[0].quantile(0.5, dim: 1, keepDim: true) },
    Sample("a.quantile(torch.tensor([0.1, 0.75, 1], dtype=a.dtype), 0)", [.real([4, 3])]) {
      $0[0].quantile(Tensor([0.1, 0.75, 1]).to($0[0].dtype), dim: 0)
    },
    Sample("a.quantile(0.3, -1, interpolation='lower')", [.real([2, 5])]) {
      $0[0].quantile(0.3, dim: -1, interpolation: .lower)
    },
    Sample("a.quantile(0.3, -1, interpolation='higher')", [.real([2, 5])]) {
      $0[0].quantile(0.3, dim: -1, interpolation: .higher)
    },
    Sample("a.quantile(0.3, -1, interpolation='midpoint')", [.real([2, 5])]) {
      $0[0].quantile(0.3, dim: -1, interpolation: .midpoint)
    },
    Sample("a.quantile(0.3, -1, interpolation='nearest')", [.real([2, 5])]) {
      $0[0].quantile(0.3, dim: -1, interpolation: .nearest)
    },
    Sample("a.quantile(0.6, 0)", [.real([])]) { $0[0].quantile(0.6, dim: 0) },
    Sample("(a.detach() * 3).round().log().nanquantile(0.4, 1)", [.real([2, 6])]) {
      ($0[0].detach() * 3).round().log().nanQuantile(0.4, dim: 1)
    },
    Sample("a.nanquantile(torch.tensor([0.2, 0.9], dtype=a.dtype))", [.real([2, 3])]) {
      $0[0].nanQuantile(Tensor([0.2, 0.9]).to($0[0].dtype))
    },
    Sample("(a * 3).round().log().nanmean()", [.real([3, 4], 0.2...2)]) { ($0[0] * 3).round().log().nanMean() },
    Sample("a.nanmean((0, 2), keepdim=True)", [.real([3, 4, 2])]) { $0[0].nanMean(dim: [0, 2], keepDim: true) },
    .several("a.aminmax()", [.real([3, 4])]) { pair($0[0].aminmax()) },
    .several("a.aminmax(dim=1, keepdim=True)", [.real([3, 4])]) { pair($0[0].aminmax(dim: 1, keepDim: true)) },
    Sample("a.renorm(2, 0, 1)", [.real([3, 4])]) { $0[0].renorm(2, dim: 0, maxNorm: 1) },
    Sample("a.renorm(1, -1, 2.5)", [.real([3, 4, 2])]) { $0[0].renorm(1, dim: -1, maxNorm: 2.5) },
    Sample("a.clone().renorm_(2, 1, 0.5)", [.real([3, 4])]) { $0[0].clone().renorm_(2, dim: 1, maxNorm: 0.5) },
    Sample("torch.dist(a, b)", [.real([3, 4]), .real([4])]) { $0[0].dist($0[1]) },
    Sample("torch.dist(a, b, 1)", [.real([3]), .real([3])]) { $0[0].dist($0[1], p: 1) },
    Sample("torch.cov(a)", [.real([3, 4])]) { $0[0].cov() },
    Sample("torch.cov(a, correction=0)", [.real([5])]) { $0[0].cov(correction: 0) },
    Sample(
      "torch.cov(a, fweights=torch.tensor([1, 2, 0, 1]), aweights=b)", [.real([3, 4]), .real([4], 0.5...2).withoutGradient]
    ) {
      $0[0].cov(frequencies: Tensor([1, 2, 0, 1]), weights: $0[1])
    },
    Sample("torch.corrcoef(a)", [.real([3, 5])]) { $0[0].corrcoef() },
  ]

  /// The pair as the samples have it.
  private static func pair(_ results: (min: Tensor, max: Tensor)) -> [Tensor] { [results.min, results.max] }
}

extension Tensor {
  /// The element below which the share `q` of the elements lies, along `dim` or of all: between two of them by
  /// `interpolation`. NaN where there is one. float32 and float64 only. Torch's `quantile`.
  public func quantile(
    _ q: Double, dim: Int? = nil, keepDim: Bool = false, interpolation: QuantileInterpolation = .linear,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    quantile(Tensor(q, device: .cpu), true, dim, keepDim, interpolation, ignoresNaN: false, CallSite(file, line))
  }

  /// For each of the shares `q` the element below which it lies, as a new first dimension; `q` is a vector or a scalar of this
  /// dtype. Torch's `quantile`.
  public func quantile(
    _ q: Tensor, dim: Int? = nil, keepDim: Bool = false, interpolation: QuantileInterpolation = .linear,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { quantile(q, false, dim, keepDim, interpolation, ignoresNaN: false, CallSite(file, line)) }

  /// ``quantile(_:dim:keepDim:interpolation:file:line:)-(Double,_,_,_,_,_)`` of the elements that are not NaN. Torch's
  /// `nanquantile`.
  public func nanQuantile(
    _ q: Double, dim: Int? = nil, keepDim: Bool = false, interpolation: QuantileInterpolation = .linear,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    quantile(Tensor(q, device: .cpu), true, dim, keepDim, interpolation, ignoresNaN: true, CallSite(file, line))
  }

  /// The quantiles of what is not NaN. Torch's `nanquantile`.
  public func nanQuantile(
    _ q: Tensor, dim: Int? = nil, keepDim: Bool = false, interpolation: QuantileInterpolation = .linear,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { quantile(q, false, dim, keepDim, interpolation, ignoresNaN: true, CallSite(file, line)) }

  private func quantile(
    _ q: Tensor, _ isNumber: Bool, _ dim: Int?, _ keepDim: Bool, _ interpolation: QuantileInterpolation, ignoresNaN: Bool,
    _ site: CallSite
  ) -> Tensor {
    let name = ignoresNaN ? "nanquantile" : "quantile"
    return checked(name, with: q, at: site) { layout throws(TensorError) in
      if let autocast = AutocastMethod(name, on: self) {
        return try autocast(self, q) {
          $0[0]!.quantile($0[1]!, isNumber, dim, keepDim, interpolation, ignoresNaN: ignoresNaN, site)
        }
      }
      guard layout.elementCount > 0 else { throw .shape("\(name)() input tensor must be non-empty") }
      guard q.ndim <= 1 else { throw .shape("\(name)() q must be a scalar or 1D tensor") }
      guard dtype == .float32 || dtype == .float64 else {
        throw .dtype("\(name)() input tensor must be either float or double dtype")
      }
      guard isNumber || q.dtype == dtype else {
        throw .dtype("\(name)() q tensor must be same dtype as the input tensor")
      }
      let range =
        isNumber ? "q must be in the range [0, 1] but got \(q.item(as: Double.self))" : "q values must be in the range [0, 1]"
      try (q.detach() .>= 0).logicalAnd(q.detach() .<= 1).all().orThrow(.argument("\(name)() \(range)"), in: name)
      let place = try dim.map { dim throws(TensorError) in try layout.dimension(dim) }
      let lines = place.map { layout.rank == 0 ? reshape([1]) : moveDim($0, -1) } ?? flatten()
      let kept = Shape(
        keepDim
          ? (0..<layout.rank).map { place == nil || $0 == place ? 1 : layout.shape.at($0) } : Array(lines.shape.dropLast()))
      let results = lines.quantiles(
        q.to(isNumber ? device : q.device, dtype: dtype).flatten(), interpolation, ignoresNaN: ignoresNaN)
      return q.ndim == 0 ? results.squeeze(-1).reshape(kept) : results.moveDim(-1, 0).reshape(Shape([q.count] + kept))
    }
  }

  /// Of each line of the last dimension, whose place the shares take.
  private func quantiles(_ q: Tensor, _ interpolation: QuantileInterpolation, ignoresNaN: Bool) -> Tensor {
    let sorted = sort().values
    let isNumber = detach().isNaN().logicalNot()
    var ranks: Tensor
    if ignoresNaN {
      let last = isNumber.sum(dim: -1, keepDim: true).to(dtype) - 1
      ranks = q * last
      ranks = ranks.maskedFill(ranks.detach() .< 0, 0)
    } else {
      // The last is NaN where there is one.
      let last = shape.at(ndim - 1) - 1
      ranks = (q * Double(last)).expand(Shape(shape.dropLast() + [q.count]))
      ranks = ranks.maskedFill(isNumber.all(dim: -1, keepDim: true).logicalNot(), last)
    }
    switch interpolation {
    case .lower: ranks = ranks.floor()
    case .higher: ranks = ranks.ceil()
    case .nearest: ranks = ranks.round()
    case .linear, .midpoint: break
    }
    let below = ranks.detach().to(.int64)
    let values = sorted.gather(dim: -1, index: below)
    guard interpolation == .linear || interpolation == .midpoint else { return values }
    let above = sorted.gather(dim: -1, index: ranks.detach().ceil().to(.int64))
    return interpolation == .midpoint ? values.lerp(above, 0.5) : values.lerp(above, ranks - below.to(dtype))
  }

  /// The mean of the elements that are not NaN, of all or over the dimensions `dim`. Floating point only. Torch's `nanmean`.
  public func nanMean(
    dim: [Int]? = nil, keepDim: Bool = false, dtype: DType? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("nanmean", at: CallSite(file, line)) { _ throws(TensorError) in
      guard self.dtype.isFloatingPoint else {
        throw .dtype(
          "nanmean(): expected input to have floating point or complex dtype but got \(self.dtype.torchScalarName)")
      }
      let count = detach().isNaN().logicalNot().sum(dim: dim, keepDim: keepDim)
      return nanSum(dim: dim, keepDim: keepDim, dtype: dtype, file: file, line: line) / count
    }
  }

  /// The mean over one dimension of the elements that are not NaN.
  public func nanMean(
    dim: Int, keepDim: Bool = false, dtype: DType? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { nanMean(dim: [dim], keepDim: keepDim, dtype: dtype, file: file, line: line) }

  /// The smallest and the largest elements, along `dim` or of all; gradients are split evenly over equal elements. Torch's
  /// `aminmax`.
  public func aminmax(
    dim: Int? = nil, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> (min: Tensor, max: Tensor) {
    var largest: Tensor?
    let smallest = checked("aminmax", at: CallSite(file, line)) { layout throws(TensorError) in
      if let dim {
        let place = try layout.dimension(dim)
        guard layout.rank == 0 || layout.shape.at(place) > 0 else {
          throw .index("aminmax: Expected reduction dim \(place) to have non-zero size.")
        }
      } else {
        guard layout.elementCount > 0 else {
          throw .shape("aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity.")
        }
      }
      largest = amax(dim: dim.map { [$0] }, keepDim: keepDim)
      return amin(dim: dim.map { [$0] }, keepDim: keepDim)
    }
    return (smallest, largest ?? smallest)
  }

  /// Every slice of dimension `dim` whose norm of order `p` is above `maxNorm`, made shorter to have it. Torch's `renorm`.
  public func renorm(
    _ p: Double, dim: Int, maxNorm: Double, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("renorm", at: CallSite(file, line)) { _ throws(TensorError) in
      if let autocast = AutocastMethod("renorm", on: self) {
        return try autocast(self) { $0[0]!.renorm(p, dim: dim, maxNorm: maxNorm, file: file, line: line) }
      }
      return self * (try scales(p, dim, maxNorm))
    }
  }

  /// ``renorm(_:dim:maxNorm:file:line:)`` in place. Torch's `renorm_`.
  @discardableResult
  public func renorm_(
    _ p: Double, dim: Int, maxNorm: Double, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("renorm_", at: CallSite(file, line)) { _ throws(TensorError) in
      // Of a copy, which the write leaves as it is for the gradient.
      copy_(clone().renorm(p, dim: dim, maxNorm: maxNorm, file: file, line: line), file: file, line: line)
    }
  }

  private func scales(_ p: Double, _ dim: Int, _ maxNorm: Double) throws(TensorError) -> Tensor {
    guard p > 0 else { throw .argument("renorm: non-positive-norm not supported") }
    let bound = Int(exactly: maxNorm).map { "\($0)" } ?? "\(maxNorm)"
    guard maxNorm >= 0 else { throw .argument("renorm: expected maxnorm to be >= 0 but got \(bound)") }
    guard ndim > 1 else { throw .shape("renorm: input needs at least 2 dimensions, got \(ndim) dimensions") }
    let place = try body.layout.dimension(dim)
    let others = (0..<ndim).filter { $0 != place }
    let norms = (dtype.isHalf ? to(.float32) : self).norm(p, dim: others, keepDim: true)
    let scales = Tensor.where(norms .> maxNorm, maxNorm / (norms + 1e-7), norms.onesLike())
    return scales.to(dtype)
  }

  /// The norm of order `p` of the difference. Torch's `dist`.
  public func dist(_ other: Tensor, p: Double = 2, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    (self - other).norm(p, file: file, line: line)
  }

  /// The covariances of variables, which are rows, over observations, which are columns: [rows, rows], or the variance of a
  /// vector. Torch's `cov`.
  ///
  /// - Parameters:
  ///   - correction: What is taken from the number of observations.
  ///   - frequencies: How often each observation counts: a vector of whole numbers.
  ///   - weights: How much each observation counts: a vector of real numbers.
  public func cov(
    correction: Int = 1, frequencies: Tensor? = nil, weights: Tensor? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    checked("cov", at: CallSite(file, line)) { layout throws(TensorError) in
      guard layout.rank <= 2 else {
        throw .shape(
          "cov(): expected input to have two or fewer dimensions but got an input with \(layout.rank) dimensions")
      }
      guard dtype != .bool else { throw .dtype("cov(): bool dtype is not supported for input") }
      let rows = layout.rank < 2 ? reshape([1, layout.elementCount]) : self
      let count = rows.shape.at(1)
      let factor = try Tensor.observations(frequencies, weights, count)
      let total = factor.map { $0.sum() } ?? Tensor(count, device: .cpu)
      let average = factor.map { (rows * $0).sum(dim: 1) / total } ?? rows.sum(dim: 1) / total
      var norm: Tensor
      if let frequencies, let weights, correction != 0 {
        norm = total - (frequencies * weights * weights).sum() / total * correction
      } else if let weights, correction != 0 {
        norm = total - (weights * weights).sum() / total * correction
      } else {
        norm = total - correction
      }
      norm = norm.clamp(min: 0)
      let centred = rows - average.unsqueeze(1)
      let products = centred.mm((factor.map { (centred * $0) } ?? centred).T)
      return (products / norm).squeeze()
    }
  }

  private static func observations(
    _ frequencies: Tensor?, _ weights: Tensor?, _ count: Int
  ) throws(TensorError) -> Tensor? {
    for (name, tensor) in [("fweights", frequencies), ("aweights", weights)] {
      guard let tensor else { continue }
      guard tensor.ndim <= 1 else {
        throw .shape(
          "cov(): expected \(name) to have one or fewer dimensions but got \(name) with \(tensor.ndim) dimensions")
      }
      guard tensor.count == count else {
        throw .shape(
          "cov(): expected \(name) to have the same numel as there are observations in the input but got \(tensor.count) != "
            + "\(count)")
      }
      guard tensor.dtype.isFloatingPoint == (name == "aweights"), tensor.dtype != .bool else {
        throw .dtype(
          name == "aweights"
            ? "cov(): expected aweights to have floating point dtype but got aweights with \(tensor.dtype.torchScalarName) "
              + "dtype"
            : "cov(): expected fweights to have integral dtype but got fweights with \(tensor.dtype.torchScalarName) dtype")
      }
      try (tensor.detach() .>= 0).all().orThrow(.argument("cov(): \(name) cannot be negative"), in: "cov")
    }
    if let weights, weights.count > 0 {
      try (weights.detach().sum() .!= 0).orThrow(.argument("cov(): weights sum to zero, can't be normalized"), in: "cov")
    }
    guard let frequencies else { return weights }
    return weights.map { frequencies * $0 } ?? frequencies
  }

  /// Pearson's correlations of variables, which are rows, over observations, which are columns. Torch's `corrcoef`.
  public func corrcoef(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    checked("corrcoef", at: CallSite(file, line)) { layout throws(TensorError) in
      guard layout.rank <= 2 else {
        throw .shape(
          "corrcoef(): expected input to have two or fewer dimensions but got an input with \(layout.rank) dimensions")
      }
      let covariances = cov(file: file, line: line)
      if covariances.ndim == 0 { return covariances / covariances }
      let deviations = covariances.diagonal().sqrt()
      return (covariances / deviations.unsqueeze(1) / deviations.unsqueeze(0)).clamp(min: -1, max: 1)
    }
  }
}
