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
      for tensor in [mean, variance, count] { try tensor.body.checkWritable(context, recording: false) }
      let (means, variances) = (
        try Average("running_mean", mean, batchMean), try Average("running_var", variance, batchVariance)
      )
      let batches = try Value(Layout([]), .int64)
      lock.withLock {
        count.body.elements.copyOnProcessor(to: batches.elements)
        let number = batches.storage.pointer.assumingMemoryBound(to: Int64.self)
        number.pointee += 1
        batches.elements.copyOnProcessor(to: count.body.elements)
        let share = momentum ?? 1 / Double(number.pointee)
        means.move(by: share)
        variances.move(by: share)
      }
      for tensor in [mean, variance, count] { tensor.body.storage.version.wrappingAdd(1, ordering: .relaxed) }
    } catch {
      _ = Door.refuse(error, operation, Few(), at: nil)
    }
  }
}

/// A running vector beside the batch's, with the memory to compute in.
private struct Average {
  private let running: TensorBody
  private let batch: [Double]
  private let wide: Value

  init(_ name: String, _ running: Tensor, _ batch: Tensor) throws(TensorError) {
    self.running = running.body
    self.batch = try batch.body.numbers()
    guard running.shape == [self.batch.count] else {
      throw .shape("\(name) should contain \(self.batch.count) elements not \(running.count)")
    }
    wide = try Value(Layout(running.shape), .float64)
  }

  func move(by share: Double) {
    running.elements.copyOnProcessor(to: wide.elements)
    let numbers = wide.storage.pointer.assumingMemoryBound(to: Double.self)
    for i in batch.indices { numbers[i] = share * batch[i] + (1 - share) * numbers[i] }
    wide.elements.copyOnProcessor(to: running.elements)
  }
}
