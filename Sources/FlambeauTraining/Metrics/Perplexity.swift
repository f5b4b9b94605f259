import Flambeau

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// e to the mean cross entropy of the tokens: among how many equally likely tokens a language model would be as unsure.
public struct Perplexity: Sendable, Hashable, Codable {
  /// Labels that do not count, such as padding.
  public let ignoreIndex: Int
  private var crossEntropy = Mean()

  /// Targets of `ignoreIndex` do not count.
  public init(ignoreIndex: Int = -100) { self.ignoreIndex = ignoreIndex }

  /// - Parameters:
  ///   - logits: `[…, vocabulary]`.
  ///   - labels: `[…]`, int64 or uint8.
  public mutating func update(_ logits: Tensor, _ labels: Tensor, file: StaticString = #fileID, line: UInt = #line) {
    guard Labels.match(logits, labels, "Perplexity.update", file, line) else { return }
    noGrad {
      let sum = logits.reshape([-1, logits.shape[-1]]).crossEntropy(
        labels.reshape([-1]), ignoreIndex: ignoreIndex, reduction: .sum, file: file, line: line)
      let counted = labels.to(.int64).ne(Tensor(ignoreIndex, device: .cpu)).sum()
      if Context.current.isFailed { return }
      let tokens = counted.item()
      if tokens > 0 { update(crossEntropy: sum.item() / tokens, tokens: Int(tokens)) }
    }
  }

  /// Adds `tokens` tokens whose mean cross entropy is known already.
  public mutating func update(crossEntropy: Double, tokens: Int) {
    self.crossEntropy.update(crossEntropy, weight: Double(tokens))
  }

  /// NaN before the first token.
  public func compute() -> Double { exp(crossEntropy.compute()) }

  /// Begins anew.
  public mutating func reset() { crossEntropy.reset() }
}
