import ArgumentParser
import Flambeau
import FlambeauData
import FlambeauFormats
import FlambeauModels
import FlambeauNN
import FlambeauText
import FlambeauTraining

/// `flambeau finetune`: a language model goes on learning.
struct FineTune: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "finetune",
    abstract: "Let a language model go on learning, on a text of your own.",
    discussion: """
      With --lora only small maps beside the linear layers are trained; they are written as adapter_model.safetensors with its \
      config, which PEFT reads, and added to the weights in model.safetensors. The run's folder is a model that `flambeau generate` takes.

      Example: flambeau finetune gpt2 --file diary.txt --lora 8 --steps 300
      """)

  @Argument(
    help: ArgumentHelp(
      "The model's folder: config.json, tokenizer.json and the weights, or what `flambeau train text` wrote; needed unless resuming.",
      valueName: "DIR"))
  var model: String?
  @Option(help: ArgumentHelp("The text, UTF-8; needed unless resuming.", valueName: "FILE"))
  var file: String?
  @Option(
    help: ArgumentHelp(
      "Train maps of this rank beside the linear layers, instead of all parameters.",
      valueName: "RANK"))
  var lora: Int?
  @Option(help: "Tokens of a window; at most the model's context.") var block: Int?
  @Option(help: "Steps of the run.") var steps: Int?
  @Option(help: "Windows of text a step.") var batchSize: Int?
  @Option(help: "Steps between tests.") var evalEvery: Int?
  @Option(name: .customLong("lr"), help: "The highest learning rate, after the warm-up.")
  var learningRate: Double?
  @OptionGroup var options: TrainOptions

  private var counts: KeyValuePairs<String, Int?> {
    [
      "--lora": lora, "--block": block, "--steps": steps, "--batch-size": batchSize,
      "--eval-every": evalEvery,
    ]
  }

  func validate() throws {
    try options.refuse(["DIR": model != nil, "--file": file != nil, "--lr": learningRate != nil])
    for (name, value) in counts {
      guard let value else { continue }
      try options.refuse([name: true])
      if value < 1 { throw ValidationError("\(name) is \(value), but it must be at least 1") }
    }
    if let learningRate, !(learningRate > 0) {
      throw ValidationError("--lr is \(learningRate), but it must be above 0")
    }
    if options.resume != nil { return }
    if model == nil {
      throw ValidationError("DIR is missing: the folder of the model to begin with")
    }
    if file == nil { throw ValidationError("--file is missing: the text to learn") }
  }

  func run() throws {
    try Training(task: "finetune", options) {
      let steps = steps ?? 300
      return FineTuneSettings(
        model: model!, file: try RememberedText(file!), rank: lora,
        plan: TextPlan(
          block: block ?? 128, steps: steps, batchSize: batchSize ?? 4, evalEvery: evalEvery ?? 100,
          warmup: steps / 20,
          learningRate: learningRate ?? (lora == nil ? 5e-5 : 5e-4)))
    }.run()
  }
}

/// How a run is set up in which a language model goes on learning.
struct FineTuneSettings: RunSettings {
  /// The folder of the model to begin with.
  let model: String
  let file: RememberedText
  /// Of the trained maps; nil where all parameters are trained.
  let rank: Int?
  let plan: TextPlan

  var task: String { "finetune" }

  /// The linear layers of attention, by the model's names.
  private static func targets(_ model: any CausalLanguageModel) -> [String] {
    model is GPT2 ? ["c_attn", "attn.c_proj"] : ["q_proj", "k_proj", "v_proj", "o_proj"]
  }

  func lesson(on device: Device) throws -> Lesson<TokenWindows> {
    let language = try LanguageModel(model, on: device)
    let network = language.model
    guard plan.block <= network.contextLength else {
      throw RememberedText.Unusable(
        description:
          "--block is \(plan.block), but the model's context is \(network.contextLength) tokens")
    }
    let lora = rank.map { rank in
      LoRA(network, rank: rank, alpha: 2 * Double(rank), targets: Self.targets(network))
    }
    let (base, files) = (model, [LanguageModel.config, LanguageModel.tokenizer])
    return try plan.lesson(
      task, try language.tokenizer.tokens(of: file.text()), of: file.path, network,
      trained: lora?.parameters() ?? network.parameters(),
      parts: lora.map { [("lora", .model($0))] },
      describe: { folder in
        for name in files { try RunFolder.copy("\(base)/\(name)", to: "\(folder)/\(name)") }
      },
      save: { folder in
        if let lora {
          try Checkpoint.save(lora.stateDict(), to: "\(folder)/adapter_model.safetensors")
          try RunFolder.write(lora.adapterConfig, to: "\(folder)/adapter_config.json")
          lora.merge()
        }
        defer { lora?.unmerge() }
        try TextPlan.save(network, to: folder)
      }, farewell: { try language.sample() })
  }
}
