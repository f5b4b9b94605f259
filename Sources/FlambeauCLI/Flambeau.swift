import ArgumentParser

/// `flambeau`: trains, predicts and measures from the command line.
@main
struct FlambeauCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "flambeau", abstract: "Tensors, training and models in Swift.",
    subcommands: [Train.self, Predict.self, Inspect.self, Convert.self, Tokenize.self, Devices.self, Bench.self])
}
