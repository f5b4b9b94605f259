import Flambeau
import FlambeauModels
import FlambeauText

/// A text that a language model is writing, further than its context if need be.
struct TextWriter {
  private let language: LanguageModel
  private let options: GenerationOptions
  private let prompt: [Int]
  private var decoder: DecodeStream
  private var stopped: StoppedText
  private var isOver = false
  /// The tokens that were written.
  private(set) var tokens: [Int] = []

  /// - Parameters:
  ///   - options: `maxNewTokens` may be more than the context holds.
  ///   - stops: The text ends before the first of these.
  init(
    _ language: LanguageModel, after prompt: [Int], _ options: GenerationOptions,
    stops: [String] = []
  ) {
    (self.language, self.options, self.prompt) = (language, options, prompt)
    decoder = language.tokenizer.decodeStream()
    stopped = StoppedText(stops: stops)
  }

  var text: String { stopped.certain }

  /// Writes to the end with tokens from the current generator; `each` gets the text as soon as it is certain.
  mutating func write(each: (String) -> Void) async throws { try await write(language.model, each) }

  private mutating func write(_ model: some CausalLanguageModel, _ each: (String) -> Void)
    async throws
  {
    while let (context, options) = next(model) {
      for await token in model.stream(context, options) {
        try take(token, each)
        if isOver { break }
      }
    }
    try finish(each)
  }

  /// The same without a look at what becomes of it meanwhile.
  mutating func write() throws { try write(language.model) }

  private mutating func write(_ model: some CausalLanguageModel) throws {
    while let (context, options) = next(model) {
      for token in model.generate(context, options) where !isOver { try take(token) { _ in } }
    }
    try finish { _ in }
  }

  /// What the model goes on with: where its context is full, the last half of that. Nil when all is written.
  private func next(_ model: some CausalLanguageModel) -> (
    context: [Int], options: GenerationOptions
  )? {
    if isOver || tokens.count >= options.maxNewTokens || Context.current.isFailed { return nil }
    var options = options
    options.maxNewTokens -= tokens.count
    let length = tokens.isEmpty ? model.contextLength : max(model.contextLength / 2, 1)
    return (Array((prompt + tokens).suffix(length)), options)
  }

  private mutating func take(_ token: Int, _ each: (String) -> Void) throws {
    isOver = options.stopTokens.contains(token)
    if isOver { return }
    tokens.append(token)
    give(stopped.append(try decoder.append(token)), each)
    isOver = stopped.isStopped
  }

  private mutating func finish(_ each: (String) -> Void) throws {
    give(stopped.append(try decoder.finish()), each)
    give(stopped.finish(), each)
  }

  private func give(_ piece: String, _ each: (String) -> Void) { if !piece.isEmpty { each(piece) } }
}

/// A text that ends before the first of some stops. What may be the beginning of one is held back until it is known.
struct StoppedText {
  let stops: [String]
  private(set) var certain = ""
  private(set) var isStopped = false
  private var held = ""

  init(stops: [String]) { self.stops = stops }

  /// What became certain.
  mutating func append(_ piece: String) -> String {
    if isStopped { return "" }
    held += piece
    let first = stops.compactMap { held.firstRange(of: $0)?.lowerBound }.min()
    isStopped = first != nil
    return release(
      first.map { held.distance(from: held.startIndex, to: $0) } ?? held.count - longestBeginning)
  }

  /// What was held back, because no stop followed.
  mutating func finish() -> String { isStopped ? "" : release(held.count) }

  /// The most characters at the end that begin a stop.
  private var longestBeginning: Int {
    stops.map { stop in (0..<stop.count).last { held.hasSuffix(stop.prefix($0)) } ?? 0 }.max() ?? 0
  }

  private mutating func release(_ count: Int) -> String {
    let piece = String(held.prefix(count))
    held.removeFirst(count)
    certain += piece
    return piece
  }
}
