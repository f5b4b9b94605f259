import ArgumentParser
import Flambeau
import FlambeauModels

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// `flambeau generate`: what a language model writes.
struct Generate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Let a language model go on with a text.",
    discussion: """
      The text appears as it is written. With the same seed it is the same text. DIR is what `flambeau train text` or `finetune` \
      wrote, or holds a GPT-2, LLaMA or Qwen of Hugging Face's: config.json, tokenizer.json and the weights.

      Example: flambeau generate runs/shakespeare --prompt "ROMEO:" --count 400
      """)

  @Argument(help: ArgumentHelp("The model's folder.", valueName: "DIR"))
  var folder: String
  @Option(help: "What the text begins with; by default whatever begins a text.")
  var prompt: String?
  @Option(help: "The most tokens to write.")
  var count = 200
  @Option(
    help: "How freely tokens are drawn: 0 takes the likeliest, 1 draws by their probabilities.")
  var temperature = 0.8
  @Option(help: ArgumentHelp("Draw only from the K likeliest.", valueName: "K"))
  var topK: Int?
  @Option(
    help: ArgumentHelp(
      "Draw only from the likeliest that have the probability P together.", valueName: "P"))
  var topP: Double?
  @Option(
    help: ArgumentHelp(
      "Draw only from those with at least the share P of the likeliest one's probability.",
      valueName: "P"))
  var minP: Double?
  @Option(help: "Above 1, tokens that were there become less likely.")
  var repetitionPenalty = 1.0
  @Option(
    help: ArgumentHelp("End before this text; may be given several times.", valueName: "TEXT"))
  var stop: [String] = []
  @Option(help: "Where the random numbers begin.")
  var seed: UInt64 = 0
  @Option(
    help: ArgumentHelp(
      "Take the parameters from this checkpoint of a training run, instead of those in DIR.",
      valueName: "FILE"))
  var checkpoint: String?
  @OptionGroup var place: DeviceOption
  @Flag(help: "Print one JSON object instead of the text: prompt, text, tokens, seed.")
  var json = false

  private struct Result: Encodable {
    let prompt, text: String
    let tokens: [Int]
    let seed: UInt64
  }

  func validate() throws {
    if count < 1 { throw ValidationError("--count is \(count), but it must be at least 1") }
    if !(temperature >= 0 && temperature.isFinite) {
      throw ValidationError("--temperature is \(temperature), but it must be 0 or above")
    }
    if let topK, topK < 1 { throw ValidationError("--top-k is \(topK), but it must be at least 1") }
    for (name, value) in [("--top-p", topP), ("--min-p", minP)] {
      if let value, !(value > 0 && value <= 1) {
        throw ValidationError("\(name) is \(value), but it must be above 0 and at most 1")
      }
    }
    if !(repetitionPenalty > 0 && repetitionPenalty.isFinite) {
      throw ValidationError("--repetition-penalty is \(repetitionPenalty), but it must be above 0")
    }
    if stop.contains("") {
      throw ValidationError("--stop is empty, which would end every text at once")
    }
  }

  func run() async throws { try await withTensorErrors { try await generate() } }

  private func generate() async throws {
    let language = try LanguageModel(folder, checkpoint: checkpoint, on: place.chosen)
    var tokens = try prompt.map { try language.tokenizer.tokens(of: $0) } ?? []
    if tokens.isEmpty { tokens = language.start }
    // A folder's files may not fit each other.
    let known = 0..<language.model.vocabSize
    if let other = tokens.first(where: { !known.contains($0) }) {
      throw LanguageModel.Unusable(
        description: "the text begins with the token \(other), but the model's are \(known)")
    }
    let options = GenerationOptions(
      maxNewTokens: count, temperature: temperature, topK: topK, topP: topP, minP: minP,
      repetitionPenalty: repetitionPenalty,
      stopTokens: language.ends)
    var writer = TextWriter(
      language, after: tokens, options, stops: stop)
    if !json { print(prompt ?? "", terminator: "") }
    let isQuiet = json
    try await withGenerator(Generator(seed: seed)) {
      try await writer.write { piece in
        if isQuiet { return }
        print(piece, terminator: "")
        fflush(nil)
      }
    }
    print(
      json
        ? try JSONLines.line(
          Result(prompt: prompt ?? "", text: writer.text, tokens: writer.tokens, seed: seed)) : "")
  }
}
