import ArgumentParser
import Flambeau

/// `flambeau train text`: a language model of the text in a file.
struct TrainText: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "text", abstract: "Train a language model, a GPT-2, on a text file.",
    discussion: """
      The last tenth of the text is held out to judge the model by. At the end a sample of what the model writes is printed; \
      `flambeau generate DIR` writes more. The run's folder is a model in Hugging Face's layout.

      Example: flambeau train text --file tinyshakespeare.txt --out runs/shakespeare
      """)

  @Option(help: ArgumentHelp("The text, UTF-8; needed unless resuming.", valueName: "FILE"))
  var file: String?
  @Option(
    help: """
      What the options below begin with: small (4 layers, 4 heads, 128 wide, 64 tokens of context) or baby, nanoGPT's \
      (6, 6, 384, 256).
      """)
  var preset: String?
  @Option(help: ArgumentHelp("A tokenizer.json for the tokens; by default each character is one.", valueName: "FILE"))
  var tokenizer: String?
  @Option(help: "Transformer blocks.") var layers: Int?
  @Option(help: "Attention heads; they divide the width.") var heads: Int?
  @Option(help: "The width of the residual stream.") var width: Int?
  @Option(help: "The tokens that the model sees.") var block: Int?
  @Option(help: "The share of activations set to 0 while training.") var dropout: Double?
  @Option(help: "Steps of the run.") var steps: Int?
  @Option(help: "Windows of text a step.") var batchSize: Int?
  @Option(help: "Steps between tests.") var evalEvery: Int?
  @Option(name: .customLong("lr"), help: "The highest learning rate, after the warm-up.") var learningRate: Double?
  @OptionGroup var options: TrainOptions

  private static let counts:
    [(name: String, given: KeyPath<TrainText, Int?> & Sendable, chosen: WritableKeyPath<TextPreset, Int> & Sendable)] = [
      ("--layers", \.layers, \.layers), ("--heads", \.heads, \.heads), ("--width", \.width, \.width),
      ("--block", \.block, \.plan.block), ("--steps", \.steps, \.plan.steps), ("--batch-size", \.batchSize, \.plan.batchSize),
      ("--eval-every", \.evalEvery, \.plan.evalEvery),
    ]

  func validate() throws {
    try options.refuse([
      "--file": file != nil, "--tokenizer": tokenizer != nil, "--preset": preset != nil, "--dropout": dropout != nil,
      "--lr": learningRate != nil,
    ])
    for option in Self.counts {
      guard let value = self[keyPath: option.given] else { continue }
      try options.refuse([option.name: true])
      if value < 1 { throw ValidationError("\(option.name) is \(value), but it must be at least 1") }
    }
    if file == nil && options.resume == nil { throw ValidationError("--file is missing: the text to learn") }
    if let preset, !TextPreset.named.contains(where: { $0.key == preset }) {
      throw ValidationError("--preset is \(preset), but it must be one of \(TextPreset.named.map(\.key).joined(separator: ", "))")
    }
    if let dropout, !(0..<1).contains(dropout) {
      throw ValidationError("--dropout is \(dropout), but it must be from 0 to below 1")
    }
    if let learningRate, !(learningRate > 0) { throw ValidationError("--lr is \(learningRate), but it must be above 0") }
    let chosen = chosen
    if chosen.width % chosen.heads != 0 {
      throw ValidationError("--width is \(chosen.width), but it must be a multiple of the \(chosen.heads) heads")
    }
  }

  private var chosen: TextPreset {
    var chosen = TextPreset.named.first { $0.key == preset }?.value ?? .small
    for option in Self.counts { if let value = self[keyPath: option.given] { chosen[keyPath: option.chosen] = value } }
    chosen.dropout = dropout ?? chosen.dropout
    chosen.plan.learningRate = learningRate ?? chosen.plan.learningRate
    chosen.plan.warmup = min(chosen.plan.warmup, chosen.plan.steps / 10)
    return chosen
  }

  func run() throws { try Training(task: "text", options) { try TextSettings(file: file!, tokenizer: tokenizer, chosen) }.run() }
}
