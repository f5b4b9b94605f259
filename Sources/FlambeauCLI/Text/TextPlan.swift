import Flambeau
import FlambeauData
import FlambeauFormats
import FlambeauModels
import FlambeauNN
import FlambeauTraining

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// How a language model learns a text, as nanoGPT does: AdamW whose weight decay leaves vectors alone, a warm-up and half a
/// cosine, clipped gradients; the last tenth of the text is held out.
struct TextPlan: Codable {
  /// Tokens of a window.
  var block: Int
  var steps, batchSize, evalEvery, warmup: Int
  var learningRate: Double

  private enum CodingKeys: String, CodingKey {
    case block, steps, warmup
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

  /// The lesson in which `trained` parameters of `model` learn `tokens`.
  ///
  /// - Parameters:
  ///   - parts: What a checkpoint keeps of the model; all of it by default.
  ///   - describe: Writes what makes the run's folder one of ``LanguageModel``, but for the weights.
  ///   - save: Writes the weights.
  func lesson(
    _ name: String, _ tokens: [Int], of file: String, _ model: any CausalLanguageModel,
    trained: [Parameter],
    parts: [(name: String, part: CheckpointPart)]? = nil,
    describe: @escaping (_ folder: String) throws -> Void,
    save: ((_ folder: String) throws -> Void)? = nil, farewell: @escaping () throws -> String
  ) throws -> Lesson<TokenWindows> {
    let learned = tokens.count - Int(Double(tokens.count) * Self.heldOutShare)
    guard tokens.count - learned > block else {
      throw RememberedText.Unusable(
        description:
          "\(file) has \(tokens.count) tokens, too few to hold out a tenth of them for windows of \(block): give a "
          + "longer text or a smaller --block")
    }
    let all = Tensor(tokens.map(Int64.init))
    let heldOut = all.narrow(0, start: learned, length: tokens.count - learned)
    let train = TokenWindows(all.narrow(0, start: 0, length: learned), length: block)
    let test = TokenWindows(
      heldOut, length: block, stride: max(block, heldOut.count / Self.testWindows))
    let optimizer = AdamW(
      trained.filter { $0.shape.count > 1 }, lr: learningRate, betas: (0.9, 0.99),
      weightDecay: Self.weightDecay)
    optimizer.addParamGroup(trained.filter { $0.shape.count <= 1 }) { $0.weightDecay = 0 }
    return Lesson(
      name: name, summary: "\(learned) tokens to learn, \(heldOut.count) to be judged by",
      unit: "tokens", model: model,
      optimizer: optimizer, schedule: schedule(optimizer),
      train: DataLoader(
        train, batchSize: batchSize,
        sampler: RandomSampler(count: train.count, replacement: true, numSamples: batchSize * evalEvery)),
      test: DataLoader(test, batchSize: max(1, 4096 / block)),
      rounds: (steps + evalEvery - 1) / evalEvery, steps: steps,
      prepare: { $0 }, clip: Self.clip, about: [:],
      title: { [steps] _, step in "step \(step)/\(steps)" },
      farewell: { "\n" + (try farewell()) + "\n" }, trained: trained, parts: parts,
      describe: describe,
      save: save ?? { try Self.save(model, to: $0) })
  }

  /// The weights as Hugging Face names them.
  static func save(_ model: any CausalLanguageModel, to folder: String) throws {
    var state = model.stateDict()
    // Tied to the embedding of the tokens.
    if model is GPT2 { state["lm_head.weight"] = nil }
    try Safetensors.save(
      state.dictionary, metadata: ["format": "pt"], to: "\(folder)/\(LanguageModel.weights)")
  }

  private func schedule(_ optimizer: AdamW) -> LambdaLR {
    LambdaLR(optimizer) { [steps, warmup] step in
      if step < warmup { return Double(step + 1) / Double(warmup + 1) }
      let done = min(Double(step - warmup) / Double(max(steps - warmup, 1)), 1)
      return Self.finalShare + (1 - Self.finalShare) * (1 + cos(Double.pi * done)) / 2
    }
  }
}
