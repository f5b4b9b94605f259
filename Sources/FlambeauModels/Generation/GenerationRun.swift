import Flambeau
import FlambeauNN

/// Rows of tokens that grow by one a step.
final class GenerationRun<Model: CausalLanguageModel> {
  private let model: Model
  private let options: GenerationOptions
  private let cache: KeyValueCache
  private let generator: Generator?
  private let promptCounts: [Int]
  private let width: Int
  /// Prompts and what was added.
  private(set) var rows: [[Int]]
  private var isFinished: [Bool]
  private var steps = 0
  private let mostSteps: Int

  /// Nil for what `problem` refuses.
  init?(_ model: Model, _ prompts: [[Int]], _ options: GenerationOptions, _ file: StaticString, _ line: UInt) {
    if let problem = Self.problem(model, prompts, options) {
      Door.fail(TensorError(.argument, problem), in: "generate", file: file, line: line)
      return nil
    }
    let counts = prompts.map(\.count)
    let widest = counts.max()!
    let most = Swift.min(options.maxNewTokens, model.contextLength - widest + 1)
    (self.model, self.options, rows) = (model, options, prompts)
    (promptCounts, width, mostSteps) = (counts, widest, most)
    isFinished = prompts.map { _ in most <= 0 }
    cache = model.makeCache(
      batch: prompts.count, capacity: Swift.min(widest + Swift.max(most, 1) - 1, model.contextLength),
      padding: counts.map { widest - $0 })
    generator = options.seed.map { Generator(seed: $0) }
  }

  private static func problem(_ model: Model, _ prompts: [[Int]], _ options: GenerationOptions) -> String? {
    if let refusal = options.refusal { return refusal }
    if prompts.isEmpty { return "there is no prompt" }
    for prompt in prompts {
      if prompt.isEmpty { return "a prompt should have at least one token, such as the model's begin of text" }
      if prompt.count > model.contextLength {
        return "a prompt of \(prompt.count) tokens is longer than the model's context of \(model.contextLength)"
      }
      if let stray = prompt.first(where: { $0 < 0 || $0 >= model.vocabSize }) {
        return "a prompt has the token \(stray), but the model's are 0 ..< \(model.vocabSize)"
      }
    }
    return nil
  }

  /// The next token of each row, nil for rows that have ended; nil when all have.
  func step() -> [Int?]? {
    guard isFinished.contains(false), !Context.current.isFailed else { return nil }
    let drawn = noGrad {
      let logits = model.nextLogits(input, cache).to(.float32)
      let filtered = options.filtered(logits, after: rows)
      if options.temperature == 0 { return filtered.argmax(dim: -1).array(of: Int.self) }
      return filtered.softmax(dim: -1).multinomial(1, generator: generator).array(of: Int.self)
    }
    guard drawn.count == rows.count else { return nil }
    steps += 1
    return rows.indices.map { row in
      if isFinished[row] { return nil }
      rows[row].append(drawn[row])
      isFinished[row] = steps == mostSteps || options.ends(rows[row][promptCounts[row]...])
      return drawn[row]
    }
  }

  /// What the model has not read yet. Rows that have ended go on with what is there, unread.
  private var input: Tensor {
    if steps > 0 { return Tensor(rows.map { $0[$0.count - 1] }, shape: [rows.count, 1], device: cache.device) }
    return Tensor(
      rows.flatMap { Array(repeating: 0, count: width - $0.count) + $0 }, shape: [rows.count, width], device: cache.device)
  }

  /// What was added to the prompts.
  var added: [[Int]] { zip(rows, promptCounts).map { Array($0[$1...]) } }
}

extension CausalLanguageModel {
  /// The tokens that follow `prompt`, at most `options.maxNewTokens` and as many as the context has room for. What ended them, a
  /// stop token or a stop sequence, is the last of them. Hugging Face's `generate`.
  public func generate(
    _ prompt: [Int], _ options: GenerationOptions = GenerationOptions(), file: StaticString = #fileID, line: UInt = #line
  ) -> [Int] {
    generate(batch: [prompt], options, file: file, line: line).first ?? []
  }

  /// The tokens that follow each of several prompts, which are read side by side; prompts may differ in length.
  public func generate(
    batch prompts: [[Int]], _ options: GenerationOptions = GenerationOptions(), file: StaticString = #fileID,
    line: UInt = #line
  ) -> [[Int]] {
    guard let run = GenerationRun(self, prompts, options, file, line) else { return prompts.map { _ in [] } }
    while run.step() != nil {}
    return run.added
  }

  /// The tokens that follow `prompt` one by one, as they are made. The sequence ends early when its task is cancelled.
  ///
  ///     for await token in model.stream(prompt, GenerationOptions(temperature: 0.7, topP: 0.9)) { … }
  public func stream(_ prompt: [Int], _ options: GenerationOptions = GenerationOptions()) -> TokenStream<Self> {
    TokenStream(model: self, prompt: prompt, options: options)
  }
}

/// Tokens as a model makes them. Each loop over it begins anew.
public struct TokenStream<Model: CausalLanguageModel>: AsyncSequence, Sendable {
  let model: Model
  let prompt: [Int]
  let options: GenerationOptions

  /// The tokens one by one.
  public func makeAsyncIterator() -> Iterator {
    Iterator(run: GenerationRun(model, [prompt], options, #fileID, #line))
  }

  /// Makes a token when the next is asked for.
  public struct Iterator: AsyncIteratorProtocol {
    let run: GenerationRun<Model>?

    public mutating func next() async -> Int? {
      if Task.isCancelled { return nil }
      return run?.step()?.first ?? nil
    }
  }
}
