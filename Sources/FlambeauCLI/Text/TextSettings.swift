import Flambeau
import FlambeauData
import FlambeauModels
import FlambeauNN
import FlambeauText

/// A language model and how it learns.
struct TextPreset {
  var layers, heads, width: Int
  var dropout: Double
  var plan: TextPlan

  /// Two minutes on two cores.
  static let small = TextPreset(
    layers: 4, heads: 4, width: 128, dropout: 0,
    plan: TextPlan(
      block: 64, steps: 3000, batchSize: 8, evalEvery: 500, warmup: 100, learningRate: 2e-3))
  /// The sizes of nanoGPT's character model, 10.7 million parameters.
  static let baby = TextPreset(
    layers: 6, heads: 6, width: 384, dropout: 0.2,
    plan: TextPlan(
      block: 256, steps: 5000, batchSize: 64, evalEvery: 250, warmup: 100, learningRate: 1e-3))

  static let named: KeyValuePairs<String, TextPreset> = ["small": small, "baby": baby]
}

/// How a run is set up in which a GPT-2 learns a text from nothing.
struct TextSettings: RunSettings {
  let file: RememberedText
  /// A tokenizer.json; nil for characters as tokens.
  let tokenizer: RememberedText?
  let layers, heads, width: Int
  let dropout: Double
  let plan: TextPlan

  var task: String { "text" }

  init(file: String, tokenizer: String?, _ preset: TextPreset) throws {
    self.file = try RememberedText(file)
    self.tokenizer = try tokenizer.map(RememberedText.init)
    (layers, heads, width, dropout, plan) = (
      preset.layers, preset.heads, preset.width, preset.dropout, preset.plan
    )
  }

  func lesson(on device: Device) throws -> Lesson<TokenWindows> {
    let text = try file.text()
    let json = try tokenizer?.text() ?? CharacterTokenizer.json(of: text)
    let coder = try Tokenizer(json: Array(json.utf8), file: tokenizer?.path ?? file.path)
    let config = GPT2.Config(
      vocabSize: coder.vocabularySize, nPositions: plan.block, nEmbd: width, nLayer: layers,
      nHead: heads, dropout: dropout)
    let model = GPT2(config).to(device)
    return try plan.lesson(
      task, try coder.tokens(of: text), of: file.path, model, trained: model.parameters(),
      describe: { folder in
        try RunFolder.write(
          try JSONLines.line(PublishedConfig(config)) + "\n",
          to: "\(folder)/\(LanguageModel.config)")
        try RunFolder.write(json + "\n", to: "\(folder)/\(LanguageModel.tokenizer)")
      },
      farewell: { try LanguageModel(model: model, tokenizer: coder, start: [0], ends: []).sample() }
    )
  }
}

/// Hugging Face's config.json of a GPT-2.
private struct PublishedConfig: Encodable {
  let model_type = "gpt2"
  let architectures = ["GPT2LMHeadModel"]
  let activation_function = "gelu_new"
  let vocab_size, n_positions, n_embd, n_layer, n_head: Int
  let resid_pdrop, embd_pdrop, attn_pdrop: Double
  /// There is no token that begins or ends a text.
  let bos_token_id: Int? = nil
  let eos_token_id: Int? = nil

  init(_ config: GPT2.Config) {
    (vocab_size, n_positions, n_embd) = (config.vocabSize, config.nPositions, config.nEmbd)
    (n_layer, n_head) = (config.nLayer, config.nHead)
    (resid_pdrop, embd_pdrop, attn_pdrop) = (config.dropout, config.dropout, config.dropout)
  }
}
