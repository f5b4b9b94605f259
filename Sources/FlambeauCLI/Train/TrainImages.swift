import ArgumentParser
import Flambeau
import FlambeauData
import FlambeauNN

/// What training on images takes besides.
struct ImageOptions: ParsableArguments {
  @Option(help: "Passes over the training images.")
  var epochs: Int?
  @Option(help: "Images a step.")
  var batchSize: Int?
  @Option(name: .customLong("lr"), help: "The highest learning rate of the one-cycle schedule.")
  var learningRate: Double?

  func validate() throws {
    if let epochs, epochs < 1 { throw ValidationError("--epochs is \(epochs), but a run has at least 1") }
    if let batchSize, batchSize < 2 {
      throw ValidationError("--batch-size is \(batchSize), but batch norm needs at least 2 images")
    }
    if let learningRate, !(learningRate > 0) { throw ValidationError("--lr is \(learningRate), but it must be above 0") }
  }

  func refuse(with options: TrainOptions) throws {
    try options.refuse(["--epochs": epochs != nil, "--batch-size": batchSize != nil, "--lr": learningRate != nil])
  }
}

struct TrainDigits: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "digits", abstract: "Learn the 1,797 handwritten digits inside the program.",
    discussion: "Example: flambeau train digits --epochs 15")

  @OptionGroup var images: ImageOptions
  @OptionGroup var options: TrainOptions

  func validate() throws { try images.refuse(with: options) }

  func run() throws { try Training(task: "digits", options) { ImageSettings(.digits(), nil, images) }.run() }
}

struct TrainMNIST: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mnist", abstract: "Learn MNIST from its four idx files.",
    discussion: "Example: flambeau train mnist --data ~/mnist")

  @Option(
    help: ArgumentHelp("The folder with the files, such as train-images-idx3-ubyte.gz; needed unless resuming.", valueName: "DIR")
  )
  var data: String?
  @OptionGroup var images: ImageOptions
  @OptionGroup var options: TrainOptions

  func validate() throws {
    try images.refuse(with: options)
    try options.refuse(["--data": data != nil])
    if data == nil && options.resume == nil { throw ValidationError("--data is missing: the folder with MNIST's four files") }
  }

  func run() throws {
    try Training(task: "mnist", options) { ImageSettings(try .mnist(folder: data!), data, images) }.run()
  }
}

/// How a run on images is set up.
struct ImageSettings: RunSettings {
  let task: String
  /// MNIST's folder.
  let data: String?
  let epochs: Int
  let batchSize: Int
  let learningRate: Double

  init(_ task: ImageTask, _ data: String?, _ options: ImageOptions) {
    self.task = task.name
    self.data = data
    epochs = options.epochs ?? task.epochs
    batchSize = options.batchSize ?? task.batchSize
    learningRate = options.learningRate ?? task.learningRate
  }

  func lesson(on device: Device) throws -> Lesson<TensorDataset> {
    let task = try ImageTask.named(task, data: data)!
    let model = task.network().to(device)
    let train = DataLoader(task.train, batchSize: batchSize, shuffle: true, pinMemory: device.kind == .cuda)
    let optimizer = AdamW(model.parameters(), lr: learningRate)
    let steps = epochs * train.count
    return Lesson(
      name: task.name, summary: "\(task.train.count) images to learn, \(task.test.count) to be judged by", unit: "images",
      model: model, optimizer: optimizer,
      schedule: OneCycleLR(optimizer, maxLr: learningRate, totalSteps: steps), train: train,
      test: DataLoader(task.test, batchSize: 500), rounds: epochs, steps: steps, prepare: task.prepare, clip: nil,
      about: ["dataset": task.name, "data": data ?? ""], title: { [epochs] round, _ in "epoch \(round)/\(epochs)" }, farewell: nil
    )
  }
}
