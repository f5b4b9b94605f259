import ArgumentParser
import Flambeau

/// `flambeau train`: learns a data set of images.
struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train an image classifier.", subcommands: [TrainDigits.self, TrainMNIST.self])
}

struct TrainOptions: ParsableArguments {
  @Option(help: "Passes over the training images.")
  var epochs: Int?
  @Option(help: "Images a step.")
  var batchSize: Int?
  @Option(name: .customLong("lr"), help: "The highest learning rate of the one-cycle schedule.")
  var learningRate: Double?
  @Option(help: "Where the random numbers begin; the same seed gives the same run.")
  var seed: UInt64 = 0
  @Option(help: "Threads; all cores by default.")
  var threads: Int?
  @Option(help: ArgumentHelp("The run folder; runs/NAME by default.", valueName: "DIR"))
  var out: String?
  @Option(
    help: ArgumentHelp("Write a Chrome trace of every operation, and print what took longest.", valueName: "FILE"))
  var profile: String?
  @Flag(help: "Print one JSON object at the end and nothing else.")
  var json = false

  func validate() throws {
    if let epochs, epochs < 1 { throw ValidationError("--epochs is \(epochs), but a run has at least 1") }
    if let batchSize, batchSize < 2 {
      throw ValidationError("--batch-size is \(batchSize), but batch norm needs at least 2 images")
    }
    if let learningRate, !(learningRate > 0) { throw ValidationError("--lr is \(learningRate), but it must be above 0") }
    if let threads, threads < 1 { throw ValidationError("--threads is \(threads), but there must be at least 1") }
  }
}

struct TrainDigits: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "digits", abstract: "Learn the 1,797 handwritten digits inside the program.")

  @OptionGroup var options: TrainOptions

  func run() throws { try Training(.digits(), options, data: nil).run() }
}

struct TrainMNIST: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mnist", abstract: "Learn MNIST from its four idx files.")

  @Option(help: ArgumentHelp("The folder with the files, such as train-images-idx3-ubyte.gz.", valueName: "DIR"))
  var data: String
  @OptionGroup var options: TrainOptions

  func run() throws { try Training(try .mnist(folder: data), options, data: data).run() }
}
