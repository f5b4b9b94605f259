import Flambeau

/// How often each class was taken for each: what precision, recall and F1 are computed from.
///
///     var confusion = ConfusionMatrix(classes: 10)
///     for (images, labels) in loader { confusion.update(model(images), labels) }
///     print(confusion.f1(.macro))
public struct ConfusionMatrix: Sendable, Hashable, Codable {
  /// How the scores of classes become one.
  public enum Average: Sendable, CaseIterable {
    /// Each class counts the same; scikit-learn's `macro`. A class that neither occurs nor is predicted does not count.
    case macro
    /// Each sample counts the same: the accuracy.
    case micro
    /// Each class counts as much as it has samples.
    case weighted
  }

  /// How many classes there are.
  public let classes: Int
  /// `[classes × classes]` row by row: the row is the true class, the column what it was taken for.
  public private(set) var counts: [Int]

  /// A matrix of zeros for `classes` classes.
  public init(classes: Int, file: StaticString = #fileID, line: UInt = #line) {
    self.classes = max(classes, 1)
    counts = Array(repeating: 0, count: self.classes * self.classes)
    if classes < 1 {
      let problem = "there must be at least 1 class, but got classes=\(classes)"
      Door.fail(TensorError(.argument, problem), in: "ConfusionMatrix", file: file, line: line)
    }
  }

  /// The samples of class `truth` that were taken for `guess`.
  public subscript(truth: Int, guess: Int) -> Int { counts[truth * classes + guess] }

  /// - Parameters:
  ///   - logits: `[…, classes]`, of which the greatest counts.
  ///   - labels: `[…]`, from 0 to `classes - 1`; anything else is an error.
  public mutating func update(_ logits: Tensor, _ labels: Tensor, file: StaticString = #fileID, line: UInt = #line) {
    guard Labels.match(logits, labels, "ConfusionMatrix.update", file, line) else { return }
    update(guesses: noGrad { logits.argmax(dim: -1) }, labels, file: file, line: line)
  }

  /// - Parameter guesses: The classes that were chosen, of the labels' shape.
  public mutating func update(
    guesses: Tensor, _ labels: Tensor, file: StaticString = #fileID, line: UInt = #line
  ) {
    if Context.current.isFailed { return }
    func refuse(_ kind: TensorError.Kind, _ problem: String) {
      Door.fail(TensorError(kind, problem), in: "ConfusionMatrix.update", file: file, line: line)
    }
    guard guesses.shape == labels.shape, !guesses.dtype.isFloatingPoint, !labels.dtype.isFloatingPoint else {
      return refuse(
        .shape,
        "expected guesses and labels of one shape, whole numbers, but got \(guesses.dtype) \(guesses.shape) and "
          + "\(labels.dtype) \(labels.shape)")
    }
    for (guess, truth) in zip(guesses.array(of: Int.self), labels.array(of: Int.self)) {
      guard (0..<classes).contains(guess), (0..<classes).contains(truth) else {
        return refuse(.index, "label \(truth), guess \(guess): one of them is no class from 0 to \(classes - 1)")
      }
      counts[truth * classes + guess] += 1
    }
  }

  /// Begins anew.
  public mutating func reset() { counts = Array(repeating: 0, count: classes * classes) }

  /// How many were counted.
  public var total: Int { counts.reduce(0, +) }

  /// NaN before the first sample.
  public var accuracy: Double { Double((0..<classes).reduce(0) { $0 + self[$1, $1] }) / Double(total) }

  /// The samples of each class.
  public var support: [Int] { (0..<classes).map { truth in (0..<classes).reduce(0) { $0 + self[truth, $1] } } }

  /// How often each class was chosen.
  private var chosen: [Int] { (0..<classes).map { guess in (0..<classes).reduce(0) { $0 + self[$1, guess] } } }

  /// Of those taken for a class, the share that is of it, for each class; 0 where it was never chosen.
  public var precision: [Double] { scores(over: chosen) }

  /// Of those of a class, the share that was taken for it, for each class; 0 where it has no samples.
  public var recall: [Double] { scores(over: support) }

  /// The harmonic mean of precision and recall for each class; 0 where both are.
  public var f1: [Double] { scores(over: zip(chosen, support).map(+), times: 2) }

  /// The share of guesses of a class that are right.
  public func precision(_ average: Average) -> Double { averaged(precision, average) }
  /// The share of a class that is found.
  public func recall(_ average: Average) -> Double { averaged(recall, average) }
  /// The harmonic mean of precision and recall.
  public func f1(_ average: Average) -> Double { averaged(f1, average) }

  private func scores(over counts: [Int], times factor: Double = 1) -> [Double] {
    (0..<classes).map { counts[$0] == 0 ? 0 : factor * Double(self[$0, $0]) / Double(counts[$0]) }
  }

  private func averaged(_ scores: [Double], _ average: Average) -> Double {
    let weights: [Int]
    switch average {
    case .micro: return accuracy
    case .macro: weights = zip(support, chosen).map { $0 + $1 > 0 ? 1 : 0 }
    case .weighted: weights = support
    }
    return zip(scores, weights).reduce(0) { $0 + $1.0 * Double($1.1) } / Double(weights.reduce(0, +))
  }
}
