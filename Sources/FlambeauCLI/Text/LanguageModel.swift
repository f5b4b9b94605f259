import Flambeau
import FlambeauFormats
import FlambeauModels
import FlambeauNN
import FlambeauText

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A language model and its tokenizer, as a folder of Hugging Face's files holds them; `flambeau train text` writes such folders.
struct LanguageModel {
  static let (config, tokenizer, weights) = ("config.json", "tokenizer.json", "model.safetensors")

  let model: any CausalLanguageModel
  let tokenizer: Tokenizer
  /// What a text begins with where nothing else is given.
  let start: [Int]
  /// The tokens that end a text.
  let ends: Set<Int>

  init(model: any CausalLanguageModel, tokenizer: Tokenizer, start: [Int], ends: Set<Int>) {
    (self.model, self.tokenizer, self.start, self.ends) = (model, tokenizer, start, ends)
  }

  /// Some lines that the model writes, the same ones each time.
  func sample() throws -> String {
    let options = GenerationOptions(maxNewTokens: 300, temperature: 0.8, stopTokens: ends)
    var writer = TextWriter(self, after: start, options)
    try withGenerator(Generator(seed: 0)) { try writer.write() }
    return writer.text
  }

  struct Unusable: Error, CustomStringConvertible {
    let description: String
  }

  private struct Head: Decodable {
    let model_type: String?
    let bos_token_id: Int?
    let eos_token_id: OneOrMore?
  }

  /// `2` or `[2, 3]`.
  private enum OneOrMore: Decodable {
    case these([Int])
    init(from decoder: any Decoder) throws {
      let value = try decoder.singleValueContainer()
      self = .these(try (try? value.decode([Int].self)) ?? [value.decode(Int.self)])
    }
  }

  /// Reads the model in `folder`: a GPT-2, LLaMA or Qwen.
  ///
  /// - Parameter checkpoint: A checkpoint of a training run, whose parameters are taken instead of those in the folder.
  init(_ folder: String, checkpoint: String? = nil, on device: Device) throws {
    let file = "\(folder)/\(Self.config)"
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: file)) else {
      throw Unusable(
        description:
          "\(file) cannot be read: a language model's folder holds \(Self.config), \(Self.tokenizer) and its weights"
      )
    }
    func decoded<Value: Decodable>(_ type: Value.Type) throws -> Value {
      do { return try JSONDecoder().decode(type, from: data) } catch let error as DecodingError {
        throw Unusable(description: "\(file): \(error.sentence)")
      }
    }
    let head = try decoded(Head.self)
    tokenizer = try Tokenizer(contentsOf: "\(folder)/\(Self.tokenizer)")
    let state =
      try checkpoint.map { try Checkpoint.load($0, under: "model.state_dict.") }
      ?? Checkpoint.load(try Self.weights(in: folder))
    switch head.model_type {
    case "gpt2":
      let model = GPT2(try decoded(GPT2.Config.self))
      try model.loadStateDict(state.forGPT2())
      self.model = model
    case "llama", "qwen2", "qwen3":
      let model = LLaMA(try decoded(LLaMA.Config.self))
      try model.loadStateDict(try state.forLLaMA())
      self.model = model
    case let other:
      throw Unusable(
        description:
          "\(file): model_type is \(other ?? "missing"); those that can be run are gpt2, llama, qwen2 and qwen3"
      )
    }
    model.to(device)
    if case .these(let tokens)? = head.eos_token_id { ends = Set(tokens) } else { ends = [] }
    start = [head.bos_token_id ?? ends.min() ?? 0]
  }

  static func weights(in folder: String) throws -> String {
    let names = [weights, weights + ".index.json", "pytorch_model.bin"]
    guard
      let name = names.first(where: { FileManager.default.fileExists(atPath: "\(folder)/\($0)") })
    else {
      throw Unusable(
        description: "\(folder) holds no weights: there is none of \(names.joined(separator: ", "))"
      )
    }
    return "\(folder)/\(name)"
  }
}

extension DecodingError {
  /// What is wrong and where, without the words of the decoder.
  var sentence: String {
    let context: Context
    switch self {
    case .typeMismatch(_, let at), .valueNotFound(_, let at), .keyNotFound(_, let at),
      .dataCorrupted(let at):
      context = at
    @unknown default: return "\(self)"
    }
    let path = context.codingPath.map(\.stringValue).joined(separator: ".")
    return (path.isEmpty ? "" : "\(path): ") + context.debugDescription
  }
}
