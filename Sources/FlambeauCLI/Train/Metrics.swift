/// What a training run reports, a line of metrics.jsonl each.
enum Metric: Encodable {
  /// One batch: its number from 1 on, and its loss.
  case step(step: Int, epoch: Int, loss: Double, learningRate: Double)
  /// One round: a pass over the training images or some hundred steps on text, and the test afterwards.
  case epoch(EpochMetrics)

  private enum Key: String, CodingKey { case kind, step, epoch, loss, learningRate = "learning_rate" }

  func encode(to encoder: Encoder) throws {
    switch self {
    case .step(let step, let epoch, let loss, let learningRate):
      var line = encoder.container(keyedBy: Key.self)
      try line.encode("step", forKey: .kind)
      try line.encode(step, forKey: .step)
      try line.encode(epoch, forKey: .epoch)
      try line.encode(loss, forKey: .loss)
      try line.encode(learningRate, forKey: .learningRate)
    case .epoch(let metrics):
      try metrics.encode(to: encoder)
    }
  }
}

struct EpochMetrics: Codable, Sendable {
  var kind = "epoch"
  let epoch: Int
  /// The steps of the run so far.
  let step: Int
  let trainLoss: Double
  let trainAccuracy: Double
  let testLoss: Double
  let testAccuracy: Double
  let seconds: Double
  let samplesPerSecond: Double

  private enum CodingKeys: String, CodingKey {
    case kind, epoch, step, seconds
    case trainLoss = "train_loss"
    case trainAccuracy = "train_accuracy"
    case testLoss = "test_loss"
    case testAccuracy = "test_accuracy"
    case samplesPerSecond = "samples_per_second"
  }
}

/// The object that `--json` ends with.
struct Summary: Codable, Sendable {
  let dataset: String
  let testAccuracy: Double
  let testLoss: Double
  let trainLoss: Double
  let seconds: Double
  let samplesPerSecond: Double
  let parameters: Int
  let seed: UInt64
  let epochs: Int
  let steps: Int
  /// The step of the checkpoint that a resumed run began with; absent for a new run.
  let resumedFrom: Int?
  let interrupted: Bool

  private enum CodingKeys: String, CodingKey {
    case dataset, seconds, parameters, seed, epochs, steps, interrupted
    case resumedFrom = "resumed_from"
    case testAccuracy = "test_accuracy"
    case testLoss = "test_loss"
    case trainLoss = "train_loss"
    case samplesPerSecond = "samples_per_second"
  }
}
