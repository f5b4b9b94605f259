import Flambeau
import FlambeauData
import FlambeauFormats
import FlambeauNN
import FlambeauTraining

/// One run of a lesson: rounds of steps, each round followed by a test; checkpoints on the way.
final class Training<Settings: RunSettings> {
  private let lesson: Lesson<Settings.Source>
  private let record: RunRecord<Settings>
  private let options: TrainOptions
  private let folder: RunFolder
  private let checkpointer: Checkpointer
  /// Does nothing but for float16.
  private let scaler: GradScaler
  private let board: SummaryWriter?
  private let clock = ContinuousClock()
  private let resumedFrom: Int?
  private let device: Device
  private var position: RunPosition
  private var progress: Progress
  private var losses: [Double] = []
  /// The last batch, whose numbers are read when the next one is queued, so that a GPU is never without work.
  private var unread: (report: BatchReport, samples: Int, rate: Double)?

  /// Begins the run that `settings` describes, or goes on with the one that `--resume` names.
  init(task: String, _ options: TrainOptions, _ settings: () throws -> Settings) throws {
    if let threads = options.threads { threadCount = threads }
    self.options = options
    progress = Progress(isQuiet: options.json)
    record =
      if let run = options.resume { try RunFolder.record(of: run, task: task) } else {
        RunRecord(
          seed: options.seed ?? 0, amp: options.amp, device: options.place.chosen, settings: try settings())
      }
    device = options.place.device ?? record.device.flatMap(Device.init(name:)) ?? .cpu
    try device.checkIsThere()
    manualSeed(record.seed)
    let (setup, place) = (record.settings, device)
    lesson = try withTensorErrors { try setup.lesson(on: place) }
    folder =
      if let run = options.resume { try RunFolder(resuming: run) } else {
        try RunFolder(options.out ?? "runs/\(task)", of: record)
      }
    checkpointer = try Checkpointer(
      folder.checkpoints,
      ["optimizer": .optimizer(lesson.optimizer), "schedule": .schedule(lesson.schedule)])
    scaler = GradScaler(enabled: record.amp == .float16)
    if scaler.isEnabled { try checkpointer.add(.scaler(scaler), as: "scaler") }
    for (name, part) in lesson.parts ?? [("model", .model(lesson.model))] { try checkpointer.add(part, as: name) }
    let resumed = options.resume == nil ? nil : try checkpointer.resume(as: RunPosition.self)
    (position, resumedFrom) = (resumed?.metadata ?? RunPosition(), options.resume == nil ? nil : resumed?.step ?? 0)
    board = options.tensorboard ? try SummaryWriter(folder.events, purgeStep: resumedFrom.map { $0 + 1 }) : nil
    // Also when resuming: the run may have been killed before.
    try lesson.describe(folder.path)
    if options.resume == nil { return }
    if let state = position.loader { try lesson.train.load(state: state) }
    losses = try folder.rewindMetrics(to: position.metricsByteCount)
    for error in resumed?.damaged ?? [] { progress.say("set aside a damaged checkpoint: \(error)") }
    progress.say(resumed.map { "going on after \($0.path)" } ?? "no checkpoint was written, so the run begins anew")
  }

  func run() throws {
    Interrupt.listen()
    progress.say(
      "\(lesson.name): \(lesson.summary); \(lesson.parameterCount) parameters, "
        + (device == .cpu ? "\(threadCount) threads" : "\(device)"))
    let (start, before) = (clock.now, position.seconds)
    try learnProfiled()
    let seconds = before + (clock.now - start).seconds
    // Stopped within a round, whose end is in no checkpoint.
    if position.batch > 0 { try judge() }
    if let save = lesson.save {
      try save(folder.path)
    } else {
      try folder.save(lesson.model, about: lesson.about.merging(["seed": "\(record.seed)"]) { $1 })
    }
    try folder.write(
      curves: Curves.svg(title: "\(lesson.name), seed \(record.seed)", losses: losses, epochs: position.results))
    try report(seconds)
  }

  private func learnProfiled() throws {
    guard let file = options.profile else { return try learn() }
    // What cannot be written is said now, not after the training.
    try RunFolder.write("", to: file)
    let seen = try profile { try learn() }
    try RunFolder.write(seen.chromeTrace, to: file)
    progress.say(seen.table(byOperands: false, limits: device == .cpu ? try MachineLimits.measure() : nil))
  }

  private func learn() throws {
    while !position.isOver(lesson) && !Interrupt.isAsked { try learnRound() }
  }

  private func learnRound() throws {
    lesson.model.train()
    if position.batch < lesson.train.count { try learnBatches(from: clock.now) }
    if Interrupt.isAsked && position.batch < lesson.train.count && position.step < lesson.steps { return try save() }
    try judge()
    position.endRound()
    try save(score: position.results.last?.testLoss)
  }

  /// The round's batches from the one on where the run stands.
  private func learnBatches(from start: ContinuousClock.Instant) throws {
    let before = position.roundSeconds
    var batches = lesson.train.makeIterator()
    while position.step < lesson.steps, let batch = try withTensorErrors({ batches.next() }) {
      try withTensorErrors { try step(batch) }
      position.roundSeconds = before + (clock.now - start).seconds
      show()
      if Interrupt.isAsked { break }
      if let every = options.checkpointEvery, position.step % every == 0 { try save() }
    }
    try readReport()
  }

  /// A batch where the model is.
  private func moved(_ batch: (Tensor, Tensor)) -> (inputs: Tensor, targets: Tensor) {
    (batch.0.to(device, nonBlocking: true), batch.1.to(device, nonBlocking: true))
  }

  private func step(_ batch: (Tensor, Tensor)) throws {
    let (inputs, targets) = moved(batch)
    let rate = lesson.optimizer.rates[0].lr
    let (logits, loss) = autocast(record.amp?.dtype ?? .bfloat16, enabled: record.amp != nil) {
      let logits = lesson.model(lesson.prepare(inputs))
      return (logits, logits.reshape([-1, logits.shape[-1]]).crossEntropy(targets.reshape([-1])))
    }
    lesson.optimizer.zeroGrad()
    scaler.scale(loss).backward()
    scaler.unscale_(lesson.optimizer)
    let norm = lesson.clip.map { clipGradNorm_(lesson.parameters, maxNorm: $0) }
    scaler.step(lesson.optimizer)
    scaler.update()
    lesson.schedule.step()
    let shownNorm = board == nil ? nil : norm ?? Tensor(gradNorm(lesson.parameters)).to(device)
    let report = BatchReport(loss: loss, logits: logits, targets: targets, gradientNorm: shownNorm)
    try readReport()
    unread = (report, targets.count, rate)
    position.step += 1
    position.batch += 1
  }

  /// Notes what the last batch came to, if that is not done yet.
  private func readReport() throws {
    guard let (report, samples, rate) = unread else { return }
    unread = nil
    let numbers = try withTensorErrors { report.read() }
    position.loss.update(numbers.loss, weight: Double(samples))
    position.accuracy.update(correct: numbers.correct, count: numbers.counted)
    losses.append(numbers.loss)
    try folder.append(.step(step: losses.count, epoch: position.round, loss: numbers.loss, learningRate: rate))
    guard let board, let norm = numbers.gradientNorm else { return }
    for (tag, value) in [("train/loss", numbers.loss), ("train/learning_rate", rate), ("train/gradient_norm", norm)] {
      try board.addScalar(tag, value, step: losses.count)
    }
  }

  /// - Parameter score: The test loss of the model as it is; nil where it was not tested.
  private func save(score: Double? = nil) throws {
    try readReport()
    position.metricsByteCount = try folder.flushMetrics()
    position.loader = lesson.train.state()
    try checkpointer.save(step: position.step, score: score, metadata: position)
  }

  /// Holds the model against the data that it does not learn from, and reports the round.
  private func judge() throws {
    lesson.model.eval()
    var (loss, accuracy) = (Mean(), Accuracy())
    try withTensorErrors {
      noGrad {
        let reports = lesson.test.map { batch in
          let (inputs, targets) = moved(batch)
          let logits = lesson.model(lesson.prepare(inputs))
          let loss = logits.reshape([-1, logits.shape[-1]]).crossEntropy(targets.reshape([-1]))
          return (BatchReport(loss: loss, logits: logits, targets: targets), samples: Double(targets.count))
        }
        for (report, samples) in reports {
          let numbers = report.read()
          loss.update(numbers.loss, weight: samples)
          accuracy.update(correct: numbers.correct, count: numbers.counted)
        }
      }
    }
    let metrics = EpochMetrics(
      epoch: position.round, step: position.step, trainLoss: position.loss.compute(), trainAccuracy: position.accuracy.compute(),
      testLoss: loss.compute(), testAccuracy: accuracy.compute(), seconds: position.roundSeconds,
      samplesPerSecond: position.rate)
    position.results.append(metrics)
    try folder.append(.epoch(metrics))
    try show(metrics)
    progress.finish(metrics, title: title, unit: lesson.unit)
  }

  private func show(_ metrics: EpochMetrics) throws {
    guard let board else { return }
    try board.addScalar("test/loss", metrics.testLoss, step: position.step)
    try board.addScalar("test/accuracy", metrics.testAccuracy, step: position.step)
    for (name, parameter) in lesson.model.namedParameters() {
      try board.addHistogram("parameters/\(name)", parameter.tensor, step: position.step)
    }
    try board.flush()
  }

  private var title: String { lesson.title(position.round, position.step) }

  private func show() {
    // The first batch of a round is read after the second.
    if position.loss.weight == 0 { return }
    progress.show(
      title: title, done: position.batch, total: lesson.train.count, loss: position.loss.compute(),
      accuracy: position.accuracy.compute(), rate: position.rate, unit: lesson.unit)
  }

  private func report(_ seconds: Double) throws {
    guard let last = position.results.last else { return }
    let results = position.results
    let summary = Summary(
      dataset: lesson.name, testAccuracy: last.testAccuracy, testLoss: last.testLoss, trainLoss: last.trainLoss, seconds: seconds,
      samplesPerSecond: results.map(\.samplesPerSecond).reduce(0, +) / Double(results.count),
      parameters: lesson.parameterCount, seed: record.seed, epochs: results.count, steps: position.step,
      resumedFrom: resumedFrom, interrupted: Interrupt.isAsked)
    if options.json { return print(try JSONLines.line(summary)) }
    if let farewell = lesson.farewell, !Interrupt.isAsked { print(try withTensorErrors(farewell)) }
    print(
      "\(Interrupt.isAsked ? "stopped" : "done") after \(seconds.fixed(1)) s: test loss \(last.testLoss.fixed(4)), accuracy "
        + "\(last.testAccuracy.percent); model, metrics and curves are in \(folder.path)"
        + (Interrupt.isAsked ? "; --resume \(folder.path) goes on" : ""))
  }
}

/// Where a run stands: with the checkpoint's model, optimizer, schedule and generator, all of it.
struct RunPosition: Codable {
  var step = 0
  /// From 1.
  var round = 1
  /// The batches of this round that are learned.
  var batch = 0
  /// Where the loader of the training data stands; nil before the first batch.
  var loader: DataLoaderState?
  var roundSeconds = 0.0
  var loss = Mean()
  var accuracy = Accuracy()
  var results: [EpochMetrics] = []
  var metricsByteCount = 0

  /// What the rounds so far took.
  var seconds: Double { results.reduce(roundSeconds) { $0 + $1.seconds } }
  var rate: Double { loss.weight / roundSeconds }

  func isOver(_ lesson: Lesson<some Dataset>) -> Bool { step >= lesson.steps || round > lesson.rounds }

  mutating func endRound() {
    round += 1
    (batch, roundSeconds) = (0, 0)
    loss.reset()
    accuracy.reset()
  }
}
