import Flambeau
import FlambeauData
import FlambeauFormats
import FlambeauNN

/// One run: AdamW under a one-cycle schedule, cross entropy, a test after every epoch.
final class Training {
  private let task: ImageTask
  private let options: TrainOptions
  private let folder: RunFolder
  private let model: Sequential
  private let optimizer: AdamW
  private let schedule: OneCycleLR
  private let loader: DataLoader<TensorDataset>
  private let epochs: Int
  private let clock = ContinuousClock()
  private var progress: Progress
  private var losses: [Double] = []
  private var results: [EpochMetrics] = []

  init(_ task: ImageTask, _ options: TrainOptions, data: String?) throws {
    if let threads = options.threads { threadCount = threads }
    self.task = task
    self.options = options
    epochs = options.epochs ?? task.epochs
    progress = Progress(isQuiet: options.json)
    manualSeed(options.seed)
    model = task.network()
    loader = DataLoader(task.train, batchSize: options.batchSize ?? task.batchSize, shuffle: true)
    let rate = options.learningRate ?? task.learningRate
    optimizer = AdamW(model.parameters(), lr: rate)
    schedule = OneCycleLR(optimizer, maxLr: rate, totalSteps: epochs * loader.count)
    folder = try RunFolder(
      options.out ?? "runs/\(task.name)", about: ["dataset": task.name, "data": data ?? "", "seed": "\(options.seed)"])
  }

  func run() throws {
    Interrupt.listen()
    progress.say(
      "\(task.name): \(task.train.count) images to learn, \(task.test.count) to be judged by; "
        + "\(model.parameters().reduce(0) { $0 + $1.tensor.count }) parameters, \(threadCount) threads")
    let start = clock.now
    try learnProfiled()
    let seconds = (clock.now - start).seconds
    try folder.save(model)
    try folder.write(
      curves: Curves.svg(title: "\(task.name), seed \(options.seed)", losses: losses, epochs: results))
    try report(seconds)
  }

  private func learnProfiled() throws {
    guard let file = options.profile else { return try learn() }
    // What cannot be written is said now, not after the training.
    try RunFolder.write("", to: file)
    let seen = try profile { try learn() }
    try RunFolder.write(seen.chromeTrace, to: file)
    progress.say(seen.table(byOperands: false, limits: try MachineLimits.measure()))
  }

  private func learn() throws {
    for epoch in 1...epochs where !Interrupt.isAsked { try learn(epoch) }
  }

  private func learn(_ epoch: Int) throws {
    model.train()
    let start = clock.now
    var (seen, correct, lossSum, done) = (0, 0, 0.0, 0)
    for (images, labels) in loader {
      let rate = optimizer.rates[0].lr
      let logits = model(task.prepare(images))
      let loss = logits.crossEntropy(labels)
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      schedule.step()
      let value = loss.item()
      losses.append(value)
      try folder.append(.step(step: losses.count, epoch: epoch, loss: value, learningRate: rate))
      done += 1
      seen += labels.count
      lossSum += value * Double(labels.count)
      correct += logits.correct(labels)
      progress.show(
        epoch: epoch, of: epochs, done: done, total: loader.count, loss: lossSum / Double(seen),
        accuracy: Double(correct) / Double(seen), rate: Double(seen) / (clock.now - start).seconds)
      if Interrupt.isAsked { break }
    }
    let seconds = (clock.now - start).seconds
    let test = judge()
    let metrics = EpochMetrics(
      epoch: epoch, trainLoss: lossSum / Double(seen), trainAccuracy: Double(correct) / Double(seen), testLoss: test.loss,
      testAccuracy: test.accuracy, seconds: seconds, samplesPerSecond: Double(seen) / seconds)
    results.append(metrics)
    try folder.append(.epoch(metrics))
    progress.finish(metrics, of: epochs)
  }

  /// Loss and accuracy on the images that are held out.
  private func judge() -> (loss: Double, accuracy: Double) {
    model.eval()
    var (lossSum, correct) = (0.0, 0)
    noGrad {
      for (images, labels) in DataLoader(task.test, batchSize: 500) {
        let logits = model(task.prepare(images))
        lossSum += logits.crossEntropy(labels).item() * Double(labels.count)
        correct += logits.correct(labels)
      }
    }
    return (lossSum / Double(task.test.count), Double(correct) / Double(task.test.count))
  }

  private func report(_ seconds: Double) throws {
    guard let last = results.last else { return }
    let summary = Summary(
      dataset: task.name, testAccuracy: last.testAccuracy, trainLoss: last.trainLoss, seconds: seconds,
      samplesPerSecond: results.map(\.samplesPerSecond).reduce(0, +) / Double(results.count),
      parameters: model.parameters().reduce(0) { $0 + $1.tensor.count }, seed: options.seed, epochs: results.count,
      interrupted: Interrupt.isAsked)
    if options.json {
      print(try JSONLines.line(summary))
    } else {
      print(
        "\(Interrupt.isAsked ? "stopped" : "done") after \(seconds.fixed(1)) s: test accuracy \(last.testAccuracy.percent); "
          + "model, metrics and curves are in \(folder.path)")
    }
  }
}

extension Tensor {
  /// How many rows have their greatest logit at their label.
  func correct(_ labels: Tensor) -> Int { noGrad { Int(argmax(dim: 1).eq(labels).sum().item()) } }
}
