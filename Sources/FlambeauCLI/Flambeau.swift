import ArgumentParser
import Flambeau

/// `flambeau`: trains, predicts and measures from the command line.
@main
struct FlambeauCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "flambeau", abstract: "Tensors, training and models in Swift.",
    subcommands: [
      Train.self, FineTune.self, Generate.self, Embed.self, Predict.self, Classify.self, Tokenize.self, Inspect.self,
      Convert.self, Devices.self, CheckGPU.self, Bench.self,
    ])

  /// Errors of tensors, such as memory that is not there, end a command as others do: with a sentence and exit code 1.
  static func main() async {
    do {
      try await withTensorErrors {
        var command = try parseAsRoot()
        if var command = command as? any AsyncParsableCommand { try await command.run() } else { try command.run() }
      }
    } catch {
      exit(withError: error)
    }
  }
}
