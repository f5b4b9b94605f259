import CKernels

/// What batch normalisation keeps from batch to batch.
package struct RunningStatistics: Sendable {
  /// [channels], of a floating-point dtype.
  package let mean, variance: Tensor
  /// The batches so far, one int64.
  package let count: Tensor

  package init(mean: Tensor, variance: Tensor, count: Tensor) {
    (self.mean, self.variance, self.count) = (mean, variance, count)
  }

  /// Counts one more batch and moves the averages towards its statistics by `momentum`, or so that each batch weighs the same
  /// if that is nil: one step under `lock`, so that no concurrent batch is lost. In a failed error scope nothing happens.
  package func add(mean batchMean: Tensor, variance batchVariance: Tensor, momentum: Double?, under lock: Lock, operation: String)
  {
    let context = Context.current
    if context.isFailed { return }
    do throws(TensorError) {
      let device = batchMean.device
      for tensor in [mean, variance, count] {
        try tensor.body.checkWritable(context, recording: false)
        if tensor.device != device { throw .differentDevices(device, tensor.device) }
      }
      for (name, running, batch) in [("running_mean", mean, batchMean), ("running_var", variance, batchVariance)]
      where running.shape != batch.shape {
        throw .shape("\(name) should contain \(batch.count) elements not \(running.count)")
      }
      try advance(batchMean, batchVariance, momentum, under: lock)
      for tensor in [mean, variance, count] { tensor.body.storage.version.wrappingAdd(1, ordering: .relaxed) }
    } catch {
      _ = Door.refuse(error, operation, Few(), at: nil)
    }
  }

  private func advance(
    _ batchMean: Tensor, _ batchVariance: Tensor, _ momentum: Double?, under lock: Lock
  ) throws(TensorError) {
    lock.lock()
    defer { lock.unlock() }
    let total = count.body.elements
    try Backend.map(RunningStatistics.next, in: fb_i64, inputs: [total], into: [total])
    let (running, batch) = (
      [mean.body.elements, variance.body.elements], [batchMean.body.elements, batchVariance.body.elements]
    )
    if let momentum {
      try Backend.map(
        RunningStatistics.moved, in: fb_f64, inputs: running + batch, scalars: [Number(momentum)], into: running)
    } else {
      let each = total.laid(total.layout.broadcast(to: mean.shape)!)
      try Backend.map(RunningStatistics.averaged, in: fb_f64, inputs: running + batch + [each], into: running)
    }
  }

  private static let next = Program { x in x + 1 }
  /// Mean and variance that there were, the batch's and its share.
  private static let moved = Program(inputs: 4, scalars: 1) { x, s in [move(x[0], x[2], s[0]), move(x[1], x[3], s[0])] }
  /// Mean and variance that there were, the batch's, and how many batches there are with it.
  private static let averaged = Program(inputs: 5) { x, _ in [move(x[0], x[2], 1 / x[4]), move(x[1], x[3], 1 / x[4])] }

  private static func move(_ old: Scalar, _ new: Scalar, _ share: Scalar) -> Scalar { share * new + (1 - share) * old }
}
