import Flambeau
import FlambeauData
import FlambeauModels
import FlambeauNN

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A language model and how it learns.
struct TextPreset {
  var layers, heads, width, block: Int
  var dropout: Double
  var steps, batchSize, evalEvery, warmup: Int
  var learningRate: Double

  /// Some minutes on two cores.
  static let small = TextPreset(
    layers: 4, heads: 4, width: 128, block: 128, dropout: 0, steps: 2000, batchSize: 8, evalEvery: 250, warmup: 100,
    learningRate: 2e-3)
  /// nanoGPT's character model, 10.7 million parameters.
  static let baby = TextPreset(
    layers: 6, heads: 6, width: 384, block: 256, dropout: 0.2, steps: 5000, batchSize: 64, evalEvery: 250, warmup: 100,
    learningRate: 1e-3)

  static let named: KeyValuePairs<String, TextPreset> = ["small": small, "baby": baby]
}

/// How a run on text is set up, as nanoGPT sets it up: GPT-2 without biases, AdamW whose weight decay leaves vectors alone, a
/// warm-up and half a cosine, clipped gradients; the last tenth of the text is held out.
struct TextSettings: RunSettings {
  var task: String { "text" }
  let file: String
  /// Of the file's bytes, so that a run is not resumed on another text.
  let fingerprint: UInt64
  /// All characters of the text, in order.
  let vocabulary: String
  let layers, heads, width, block: Int
  let dropout: Double
  let steps, batchSize, evalEvery, warmup: Int
  let learningRate: Double

  private enum CodingKeys: String, CodingKey {
    case file, fingerprint, vocabulary, layers, heads, width, block, dropout, steps, warmup
    case batchSize = "batch_size"
    case evalEvery = "eval_every"
    case learningRate = "learning_rate"
  }

  private static let finalShare = 0.1
  private static let heldOutShare = 0.1
  private static let weightDecay = 0.1
  private static let clip = 1.0
  /// The most windows of the held-out text that a test reads.
  private static let testWindows = 1000

  init(file: String, _ preset: TextPreset) throws {
    self.file = file
    let bytes = try Self.read(file)
    fingerprint = Self.fingerprint(bytes)
    vocabulary = CharacterVocabulary(of: try Self.text(bytes, file).unicodeScalars).text
    (layers, heads, width, block) = (preset.layers, preset.heads, preset.width, preset.block)
    (dropout, steps, batchSize, evalEvery) = (preset.dropout, preset.steps, preset.batchSize, preset.evalEvery)
    (warmup, learningRate) = (preset.warmup, preset.learningRate)
  }

  struct Unusable: Error, CustomStringConvertible {
    let description: String
  }

  private static func read(_ file: String) throws -> Data {
    do { return try Data(contentsOf: URL(fileURLWithPath: file)) } catch {
      throw Unusable(description: "\(file) cannot be read as a text: is it there?")
    }
  }

  private static func text(_ bytes: Data, _ file: String) throws -> String {
    guard let text = String(validating: bytes, as: UTF8.self), !text.isEmpty else {
      throw Unusable(description: "\(file) is not a text in UTF-8")
    }
    return text
  }

  /// FNV-1a (Fowler, Noll and Vo, 1991).
  private static func fingerprint(_ bytes: Data) -> UInt64 {
    bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }

  func lesson() throws -> Lesson<TokenWindows> {
    let bytes = try Self.read(file)
    guard Self.fingerprint(bytes) == fingerprint else {
      throw Unusable(description: "\(file) is not the text that the run began with")
    }
    let codec = codec
    let tokens = Tensor(try codec.encode(Self.text(bytes, file)).map(Int64.init))
    let learned = tokens.count - Int(Double(tokens.count) * Self.heldOutShare)
    guard tokens.count - learned > block else {
      throw Unusable(
        description: "\(file) has \(tokens.count) characters, too few to hold out a tenth of them for windows of \(block): "
          + "give a longer text or a smaller --block")
    }
    let train = TokenWindows(tokens.narrow(0, start: 0, length: learned), length: block)
    let heldOut = tokens.narrow(0, start: learned, length: tokens.count - learned)
    let test = TokenWindows(heldOut, length: block, stride: max(block, heldOut.count / Self.testWindows))
    let model = model()
    let optimizer = optimizer(model)
    return Lesson(
      name: "text",
      summary: "\(learned) characters to learn, \(heldOut.count) to be judged by, \(codec.characters.count) different ones",
      unit: "tokens", model: model, optimizer: optimizer, schedule: schedule(optimizer),
      train: DataLoader(
        train, batchSize: batchSize, sampler: ReplacementSampler(population: train.count, count: batchSize * evalEvery)),
      test: DataLoader(test, batchSize: max(1, 4096 / block)), rounds: (steps + evalEvery - 1) / evalEvery, steps: steps,
      prepare: { $0 }, clip: Self.clip, about: ["dataset": "text"], title: { [steps] _, step in "step \(step)/\(steps)" },
      farewell: {
        let writer = TextWriter(model: model, codec: codec)
        return "\n" + withGenerator(Generator(seed: 0)) { writer.write(after: codec.start, count: 400) } + "\n"
      })
  }

  var codec: CharacterVocabulary { CharacterVocabulary(of: vocabulary.unicodeScalars) }

  func model() -> GPT2 {
    GPT2(
      GPT2.Config(
        vocabSize: vocabulary.unicodeScalars.count, nPositions: block, nEmbd: width, nLayer: layers, nHead: heads,
        dropout: dropout, bias: false, gelu: .none))
  }

  private func optimizer(_ model: GPT2) -> AdamW {
    let parameters = model.parameters()
    let optimizer = AdamW(
      parameters.filter { $0.shape.count > 1 }, lr: learningRate, betas: (0.9, 0.99), weightDecay: Self.weightDecay)
    optimizer.addParamGroup(parameters.filter { $0.shape.count <= 1 }) { $0.weightDecay = 0 }
    return optimizer
  }

  private func schedule(_ optimizer: AdamW) -> LambdaLR {
    LambdaLR(optimizer) { [steps, warmup] step in
      if step < warmup { return Double(step + 1) / Double(warmup + 1) }
      let done = min(Double(step - warmup) / Double(max(steps - warmup, 1)), 1)
      return Self.finalShare + (1 - Self.finalShare) * (1 + cos(Double.pi * done)) / 2
    }
  }
}
