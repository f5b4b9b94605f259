import Flambeau

/// Makes the running statistics of all batch normalisations in `model` again: means over the batches that `pass` runs through it,
/// which trains meanwhile and records nothing. For averaged parameters, whose statistics training has not seen. Torch's
/// `optim.swa_utils.update_bn`.
///
///     average.withAverages {
///       updateBN(model) { for (x, _) in loader { _ = model(x) } }
///     }
public func updateBN(_ model: some Module, _ pass: () throws -> Void) rethrows {
  let layers = model.modules().compactMap { $0 as? any BatchNormLayer }.filter { $0.runningMean != nil }
  if layers.isEmpty || Context.current.isFailed { return }
  let modes = model.trainingModes
  defer {
    for layer in layers { layer.mode.isCumulative = false }
    model.trainingModes = modes
  }
  model.train()
  try noGrad {
    for layer in layers {
      layer.mode.isCumulative = true
      layer.runningMean?.tensor.zero_()
      layer.runningVar?.tensor.fill_(1)
      layer.numBatchesTracked?.tensor.zero_()
    }
    try pass()
  }
}
