import Flambeau

/// How tokens are chosen and when to stop.
public struct GenerationOptions: Sendable {
  /// Tokens after the prompt, at most.
  public var maxNewTokens: Int
  /// Logits are divided by it before a token is drawn; 0 takes the most likely one.
  public var temperature: Double
  /// Only so many most likely tokens may be drawn.
  public var topK: Int?
  /// Only the fewest most likely tokens that have this probability together may be drawn (Holtzman et al., 2019).
  public var topP: Double?
  /// Only tokens may be drawn that have at least this share of the most likely one's probability (Nguyen et al., 2024).
  public var minP: Double?
  /// Positive logits of tokens that were there are divided by it, negative ones multiplied (Keskar et al., 2019).
  public var repetitionPenalty: Double
  /// A row ends with the first of these, such as a model's end of text.
  public var stopTokens: Set<Int>
  /// A row ends when its new tokens end with one of these.
  public var stopSequences: [[Int]]
  /// Of the draws; nil for the generator in use.
  public var seed: UInt64?

  /// Greedy by default: the most likely token, 128 times.
  public init(
    maxNewTokens: Int = 128, temperature: Double = 0, topK: Int? = nil, topP: Double? = nil, minP: Double? = nil,
    repetitionPenalty: Double = 1, stopTokens: Set<Int> = [], stopSequences: [[Int]] = [], seed: UInt64? = nil
  ) {
    (self.maxNewTokens, self.temperature, self.topK, self.topP, self.minP) = (maxNewTokens, temperature, topK, topP, minP)
    (self.repetitionPenalty, self.stopTokens, self.stopSequences) = (repetitionPenalty, stopTokens, stopSequences)
    self.seed = seed
  }

  /// The sentence that refuses these options; nil if they are right.
  var refusal: String? {
    if maxNewTokens < 0 { return "maxNewTokens should not be negative, but is \(maxNewTokens)" }
    if !(temperature >= 0 && temperature.isFinite) { return "temperature should be 0 or above, but is \(temperature)" }
    if let topK, topK < 1 { return "topK should be at least 1, but is \(topK)" }
    if let topP, !(topP > 0 && topP <= 1) { return "topP should be above 0 and at most 1, but is \(topP)" }
    if let minP, !(minP >= 0 && minP <= 1) { return "minP should be between 0 and 1, but is \(minP)" }
    if !(repetitionPenalty > 0 && repetitionPenalty.isFinite) {
      return "repetitionPenalty should be above 0, but is \(repetitionPenalty)"
    }
    return stopSequences.contains { $0.isEmpty } ? "an empty stop sequence would end everything at once" : nil
  }

  /// Whether new tokens that end like this are the last.
  func ends(_ tokens: ArraySlice<Int>) -> Bool {
    guard let last = tokens.last else { return false }
    return stopTokens.contains(last) || stopSequences.contains { tokens.suffix($0.count).elementsEqual($0) }
  }

  /// The logits [n, vocabSize] that tokens are drawn by, −∞ where none may be: penalty, temperature, top-k, top-p and min-p,
  /// in the order of Hugging Face's `generate`.
  ///
  /// - Parameter rows: The tokens before, of each row.
  public func filtered(_ logits: Tensor, after rows: [[Int]]) -> Tensor {
    var logits = logits
    if repetitionPenalty != 1 { logits = Self.penalised(logits, rows, repetitionPenalty) }
    if temperature == 0 { return logits }
    if temperature != 1 { logits = logits / temperature }
    let count = logits.shape[-1]
    if let topK, topK < count {
      logits = logits.maskedFill(logits .< logits.topK(topK).values.narrow(-1, start: topK - 1, length: 1), -.infinity)
    }
    if let topP, topP < 1 {
      let (sorted, places) = logits.sort()
      let unlikely = sorted.softmax(dim: -1).cumsum(dim: -1) .<= 1 - topP
      // The most likely one stays.
      _ = unlikely.narrow(-1, start: count - 1, length: 1).fill_(0)
      logits = logits.maskedFill(unlikely.scatter(dim: -1, index: places, source: unlikely), -.infinity)
    }
    if let minP, minP > 0 {
      let shares = logits.softmax(dim: -1)
      logits = logits.maskedFill(shares .< shares.amax(dim: -1, keepDim: true) * minP, -.infinity)
    }
    return logits
  }

  private static func penalised(_ logits: Tensor, _ rows: [[Int]], _ penalty: Double) -> Tensor {
    let seen = rows.map { Array(Set($0)) }
    guard let most = seen.map(\.count).max(), most > 0, seen.allSatisfy({ !$0.isEmpty }) else { return logits }
    // Shorter rows name a token again, which changes nothing.
    let index = Tensor(
      seen.flatMap { $0 + Array(repeating: $0[0], count: most - $0.count) }, shape: [rows.count, most], device: logits.device)
    let old = logits.gather(dim: 1, index: index)
    return logits.scatter(dim: 1, index: index, source: .where(old .< 0, old * penalty, old / penalty))
  }
}
