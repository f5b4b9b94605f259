import ArgumentParser
import Flambeau

/// `flambeau train`: learns images or text.
struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train an image classifier or a language model.",
    discussion: """
      A run leaves its model, metrics, curves and checkpoints in a folder, and can be resumed: a run that was killed, at whatever \
      moment, ends with the same model, to the bit, as one that never was. Ctrl-C saves and stops; a second one stops at once.

      Example: flambeau train digits --out runs/mine
               flambeau train digits --resume runs/mine
      """,
    subcommands: [TrainDigits.self, TrainMNIST.self, TrainPhotos.self, TrainText.self])
}

/// What `--amp` names.
enum MixedPrecision: String, Codable, ExpressibleByArgument, CaseIterable {
  case bfloat16, float16

  var dtype: DType { self == .bfloat16 ? .bfloat16 : .float16 }
}

/// What every kind of training takes.
struct TrainOptions: ParsableArguments {
  @Option(help: "Where the random numbers begin, 0 by default; the same seed gives the same run.")
  var seed: UInt64?
  @Option(help: "Threads; all cores by default. The results are the same for any number.")
  var threads: Int?
  @OptionGroup var place: DeviceOption
  @Option(help: ArgumentHelp("The run folder; runs/NAME by default.", valueName: "DIR"))
  var out: String?
  @Option(help: ArgumentHelp("Go on with the run in this folder, set up as it was.", valueName: "DIR"))
  var resume: String?
  @Option(
    help: ArgumentHelp(
      "Mixed precision: products and convolutions compute in bfloat16 or float16, all else, and the model, in float32.",
      valueName: "DTYPE"))
  var amp: MixedPrecision?
  @Option(help: ArgumentHelp("Write a checkpoint every N steps, besides those after each test.", valueName: "N"))
  var checkpointEvery: Int?
  @Option(
    help: ArgumentHelp("Write a Chrome trace of every operation, and print what took longest.", valueName: "FILE"))
  var profile: String?
  @Flag(help: "Write TensorBoard's event files into the run folder: tensorboard --logdir DIR.")
  var tensorboard = false
  @Flag(help: "Print one JSON object at the end and nothing else.")
  var json = false

  func validate() throws {
    if let threads, threads < 1 { throw ValidationError("--threads is \(threads), but there must be at least 1") }
    if let checkpointEvery, checkpointEvery < 1 {
      throw ValidationError("--checkpoint-every is \(checkpointEvery), but it must be at least 1 step")
    }
    try refuse(["--seed": seed != nil, "--out": out != nil, "--amp": amp != nil])
  }

  /// With `--resume`, an error for the first option that is there but belongs to the run that goes on.
  func refuse(_ given: KeyValuePairs<String, Bool>) throws {
    if resume != nil, let option = given.first(where: \.value)?.key {
      throw ValidationError("\(option) cannot be given with --resume: the run goes on as it was set up")
    }
  }
}
