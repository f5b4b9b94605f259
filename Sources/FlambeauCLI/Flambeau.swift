import ArgumentParser

/// `flambeau`: trains, predicts and measures from the command line.
@main
struct FlambeauCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "flambeau", abstract: "Tensors, training and models in Swift.",
    subcommands: [
      Train.self, FineTune.self, Generate.self, Embed.self, Predict.self, Classify.self, Tokenize.self, Inspect.self,
      Convert.self, Devices.self, CheckGPU.self, Bench.self,
    ])
}
