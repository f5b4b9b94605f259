import Flambeau

/// The share of rows whose label is among the `topK` greatest logits; of equal logits the first counts as the greatest.
public struct Accuracy: Sendable, Hashable, Codable {
  /// Among how many guesses the target has to be.
  public let topK: Int
  /// Rows with this label do not count; torch's `ignore_index`.
  public let ignoreIndex: Int

  /// How many were right.
  public private(set) var correct = 0
  /// How many examples counted.
  public private(set) var count = 0

  /// Right if among the `topK` likeliest; targets of `ignoreIndex` do not count.
  public init(topK: Int = 1, ignoreIndex: Int = -100) {
    self.topK = topK
    self.ignoreIndex = ignoreIndex
  }

  /// - Parameters:
  ///   - logits: `[…, classes]`, or anything that rises with a class's probability.
  ///   - labels: `[…]`, whole numbers.
  public mutating func update(_ logits: Tensor, _ labels: Tensor, file: StaticString = #fileID, line: UInt = #line) {
    guard let tally = tally(logits, labels, "Accuracy.update", file, line) else { return }
    let numbers = tally.array(of: Int64.self)
    if Context.current.isFailed { return }
    update(correct: Int(numbers[0]), count: Int(numbers[1]))
  }

  /// Adds `count` rows of which `correct` are known to be right already.
  public mutating func update(correct: Int, count: Int) {
    self.correct += correct
    self.count += count
  }

  /// How many rows are right and how many count: `[2]`, int64, where the logits are. Nothing waits for them there; once they are
  /// here, ``update(correct:count:)`` adds them.
  public func tally(_ logits: Tensor, _ labels: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    tally(logits, labels, "Accuracy.tally", file, line) ?? .zeros([2], dtype: .int64)
  }

  private func tally(
    _ logits: Tensor, _ labels: Tensor, _ operation: String, _ file: StaticString, _ line: UInt
  ) -> Tensor? {
    guard Labels.match(logits, labels, operation, file, line) else { return nil }
    return noGrad {
      let best =
        topK == 1
        ? logits.argmax(dim: -1, keepDim: true, file: file, line: line)
        : logits.topK(topK, sorted: false, file: file, line: line).indices
      let expected = labels.to(.int64).unsqueeze(-1)
      let counted = expected.ne(Tensor(ignoreIndex, device: .cpu))
      return .stack([best.eq(expected).logicalAnd(counted).sum(), counted.sum()])
    }
  }

  /// NaN before the first row.
  public func compute() -> Double { Double(correct) / Double(count) }

  /// Begins anew.
  public mutating func reset() { self = Accuracy(topK: topK, ignoreIndex: ignoreIndex) }
}

enum Labels {
  /// Whether `labels` has one element a row of `logits`; reports it if not.
  static func match(_ logits: Tensor, _ labels: Tensor, _ operation: String, _ file: StaticString, _ line: UInt) -> Bool {
    if Context.current.isFailed { return false }
    let fits = logits.ndim > 0 && labels.shape == Shape(logits.shape.dropLast()) && !labels.dtype.isFloatingPoint
    if !fits {
      let problem =
        "expected logits [..., classes] and labels [...] of whole numbers, but got \(logits.dtype) \(logits.shape) and "
        + "\(labels.dtype) \(labels.shape)"
      Door.fail(TensorError(.shape, problem), in: operation, file: file, line: line)
    }
    return fits
  }
}
