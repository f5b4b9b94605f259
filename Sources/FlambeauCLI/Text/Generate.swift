import ArgumentParser
import Flambeau
import FlambeauFormats
import FlambeauModels
import FlambeauNN

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// `flambeau generate`: what a language model writes.
struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Let a language model go on with a text.",
    discussion: """
      The text appears as it is written. With the same seed it is the same text.

      Example: flambeau generate runs/shakespeare --prompt "ROMEO:" --count 400
      """)

  @Argument(help: ArgumentHelp("The folder that `flambeau train text` wrote.", valueName: "RUN_DIR"))
  var folder: String
  @Option(help: "What the text begins with; the start of a line by default.")
  var prompt: String?
  @Option(help: "The characters to write.")
  var count = 400
  @Option(help: "How freely characters are drawn: 0 takes the likeliest, 1 draws by their probabilities.")
  var temperature = 0.8
  @Option(help: ArgumentHelp("Draw only from the K likeliest.", valueName: "K"))
  var topK: Int?
  @Option(help: "Where the random numbers begin.")
  var seed: UInt64 = 0
  @Option(
    help: ArgumentHelp("Take the parameters from this checkpoint, instead of those at the end of the run.", valueName: "FILE"))
  var checkpoint: String?
  @Flag(help: "Print one JSON object instead of the text: prompt and text.")
  var json = false

  private struct Result: Encodable {
    let prompt, text: String
    let seed: UInt64
  }

  func validate() throws {
    if count < 1 { throw ValidationError("--count is \(count), but it must be at least 1") }
    if !(temperature >= 0 && temperature.isFinite) {
      throw ValidationError("--temperature is \(temperature), but it must be 0 or above")
    }
    if let topK, topK < 1 { throw ValidationError("--top-k is \(topK), but it must be at least 1") }
  }

  func run() throws {
    let record: RunRecord<TextSettings> = try RunFolder.record(of: folder, task: "text")
    let (model, codec) = (record.settings.model(), record.settings.codec)
    try model.loadStateDict(
      checkpoint.map { try Checkpoint.load($0, under: "model.state_dict.") } ?? Checkpoint.load("\(folder)/model.safetensors"))
    let start = try prompt.map(codec.encode) ?? codec.start
    let writer = TextWriter(model: model, codec: codec, temperature: temperature, topK: topK)
    if !json { print(prompt ?? "", terminator: "") }
    let text = withGenerator(Generator(seed: seed)) {
      writer.write(after: start.isEmpty ? codec.start : start, count: count) { piece in
        if json { return }
        print(piece, terminator: "")
        fflush(nil)
      }
    }
    print(json ? try JSONLines.line(Result(prompt: prompt ?? "", text: text, seed: seed)) : "")
  }
}
