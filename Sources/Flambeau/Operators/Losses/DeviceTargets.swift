/// The class each of some rows should have, and what it counts, on the GPU where the logits live: nothing is waited for. A class that is
/// none of the logits' is reported by the next call that waits.
struct DeviceTargets {
  /// int64, in the targets' shape; 0 where ignored.
  let classes: Tensor
  /// The weight of each row's class; 0 where ignored. float32, or float64 for such logits.
  let weights: Tensor
  private let isIgnored: Tensor
  /// What each class counts.
  private let classWeights: Tensor
  private let isWeighted: Bool

  /// What all rows count.
  var total: Tensor { weights.sum() }

  /// - Parameters:
  ///   - x: [n, classes, …] or [classes].
  ///   - target: [n, …] or [].
  ///   - weight: [classes].
  ///   - dtype: What the weights have to be of; the logits' by default.
  init(_ x: TensorBody, _ target: Tensor, weight: Tensor?, _ ignoreIndex: Int, dtype: DType? = nil) throws(TensorError) {
    let count = x.layout.shape.at(x.layout.rank == 1 ? 0 : 1)
    try ClassTargets.check(x.layout.shape, target.body)
    if let weight { try ClassTargets.checkWeights(weight.body, count, dtype ?? x.dtype) }
    let dtype = x.dtype.computeClass.dtype
    isWeighted = weight != nil
    (classes, weights, isIgnored, classWeights) = noGrad {
      let whole = target.to(.int64)
      let isIgnored = whole .== ignoreIndex
      let classes = Tensor.where(isIgnored, 0, whole)
      let each = weight?.to(dtype) ?? .ones([count], dtype: dtype, device: x.device)
      let found = each.indexSelect(dim: 0, index: classes.flatten()).reshape(classes.shape)
      return (classes, Tensor.where(isIgnored, 0.0, found), isIgnored, each)
    }
  }

  /// The row `cross_entropy` on a GPU.
  func crossEntropy(_ x: TensorBody, _ at: CrossEntropyArguments) throws(TensorError) -> Value {
    let smoothing: RowProgram.Smoothing = at.smoothing == 0 ? .none : isWeighted ? .weighted : .even
    let pass = CrossEntropyPass(shape: x.layout.shape, smoothing: smoothing)
    let total = at.reduction == .mean ? total : nil
    let (peaks, spreads) = noGrad {
      // Rows that count nothing have no gradient, also where all do.
      let divisor = total.map { Tensor.where($0 .== 0, 1.0, $0) }
      let peaks = weights * (1 - at.smoothing)
      let spread = at.smoothing / Double(classWeights.count)
      let spreads = Tensor.where(isIgnored, 0.0, weights.onesLike() * spread)
      return divisor.map { (peaks / $0, spreads / $0) } ?? (peaks, spreads)
    }
    let (losses, slope) = try pass.run(
      x, at, classes: classes.value(), peaks: peaks.value(), spreads: spreads.value(),
      weights: smoothing == .weighted ? classWeights.value() : nil)
    var loss = try pass.reduced(losses, at, at.readsHalves ? .float32 : x.dtype, targetShape: classes.shape)
    if let total {
      let sum = Tensor(TensorBody(loss))
      loss = try noGrad { Tensor.where(total .== 0, .nan, sum) }.value()
    }
    if let slope { loss.auxiliaries = [slope] }
    return loss
  }
}

extension Tensor {
  /// Its elements, densely.
  fileprivate func value() throws(TensorError) -> Value {
    let body = try sound().body.contiguousBody()
    return Value(body.storage, body.layout, body.dtype)
  }
}
