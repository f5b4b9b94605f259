import Flambeau

/// A softmax over many classes, of which rare ones are in clusters that are computed only where they occur (Grave et al., 2017).
/// Torch's `nn.AdaptiveLogSoftmaxWithLoss`.
///
/// Classes are numbered by falling frequency. The head scores the first `cutoffs[0]` of them and the clusters; cluster i sees the
/// input through a projection to inFeatures / divValue^(i + 1) numbers.
public final class AdaptiveLogSoftmaxWithLoss: Module {
  /// The layer of the frequent classes, and of the clusters.
  public let head: Linear
  /// The layers of each cluster.
  public let tail: [Sequential]
  /// Features of the input.
  public let inFeatures: Int
  /// How many classes there are.
  public let classCount: Int
  /// Where the clusters begin, and the number of classes.
  public let cutoffs: [Int]
  /// How much narrower each cluster is than the one before.
  public let divValue: Double

  /// - Parameter cutoffs: Where each cluster begins: rising numbers from 1 to `classCount` − 1.
  public init(
    _ inFeatures: Int, _ classCount: Int, _ cutoffs: [Int], divValue: Double = 4, headBias: Bool = false,
    dtype: DType = .float32, file: StaticString = #fileID, line: UInt = #line
  ) {
    var cutoffs = cutoffs
    let isRising = zip(cutoffs, cutoffs.dropFirst()).allSatisfy { $0 < $1 }
    if cutoffs.isEmpty || !isRising || cutoffs[0] < 1 || cutoffs.last! > classCount - 1 {
      let problem =
        "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each value is between 1 "
        + "and n_classes-1"
      Door.fail(TensorError(.argument, problem), in: "AdaptiveLogSoftmaxWithLoss", file: file, line: line)
      cutoffs = [Swift.max(classCount, 1)]
    } else {
      cutoffs.append(classCount)
    }
    (self.inFeatures, self.classCount, self.cutoffs, self.divValue) = (inFeatures, classCount, cutoffs, divValue)
    head = Linear(inFeatures, cutoffs[0] + cutoffs.count - 1, bias: headBias, dtype: dtype)
    var (tail, width): ([Sequential], Double) = ([], Double(inFeatures))
    for (start, end) in zip(cutoffs, cutoffs.dropFirst()) {
      width /= divValue
      tail.append(
        Sequential(
          Linear(inFeatures, Int(width), bias: false, dtype: dtype),
          Linear(Int(width), end - start, bias: false, dtype: dtype)))
    }
    self.tail = tail
  }

  /// - Parameters:
  ///   - x: [n, inFeatures] or [inFeatures].
  ///   - target: The classes, int64 [n] or [].
  /// - Returns: The log-probability of each target, and the mean of their negatives.
  public func callAsFunction(
    _ x: Tensor, _ target: Tensor, file: StaticString = #fileID, line: UInt = #line
  ) -> (output: Tensor, loss: Tensor) {
    if Context.current.isFailed { return (.zeros([]), .zeros([])) }
    let isBatched = target.ndim == 1
    if let problem = problem(x, target) {
      let nothing = Door.refuse(
        TensorError(.shape, problem), in: "AdaptiveLogSoftmaxWithLoss", target, file: file, line: line)
      return (nothing, nothing)
    }
    let (rows, classes) = (isBatched ? x : x.unsqueeze(0), isBatched ? target : target.unsqueeze(0))
    var places = classes
    var output = Tensor.zeros([rows.shape[0]], dtype: x.dtype, device: x.device)
    for (i, cluster) in tail.enumerated() {
      let found = ((classes .>= cutoffs[i]) & (classes .< cutoffs[i + 1])).nonzero().flatten()
      if found.count == 0 { continue }
      let inside = classes.indexSelect(dim: 0, index: found) - cutoffs[i]
      let scores = cluster(rows.indexSelect(dim: 0, index: found)).logSoftmax(dim: 1)
      output = output.indexCopy(dim: 0, index: found, source: scores.gather(dim: 1, index: inside.unsqueeze(1)).squeeze(1))
      places = places.indexFill(dim: 0, index: found, cutoffs[0] + i)
    }
    output = output + head(rows).logSoftmax(dim: 1).gather(dim: 1, index: places.unsqueeze(1)).squeeze(1)
    return (isBatched ? output : output.squeeze(0), -output.mean())
  }

  private func problem(_ x: Tensor, _ target: Tensor) -> String? {
    guard target.ndim <= 1 else { return "0D or 1D target tensor expected, multi-target not supported" }
    guard x.ndim == target.ndim + 1 else {
      return "\(target.ndim)D target tensor expects \(target.ndim + 1)D input tensors, but found inputs with sizes \(x.shape)."
    }
    guard target.ndim == 0 || x.shape[0] == target.shape[0] else {
      return "Input and target should have the same size in the batch dimension."
    }
    let (least, most) = target.count == 0 ? (0, 0) : (Int(target.min().item()), Int(target.max().item()))
    guard least >= 0 && most < classCount else {
      return "Target values should be in [0, \(classCount - 1)], but values in range [\(least), \(most)] were found. "
    }
    return nil
  }

  /// The log-probabilities of all classes: [n, classCount] for `x` of [n, inFeatures].
  public func logProb(_ x: Tensor) -> Tensor {
    let scores = head(x).logSoftmax(dim: 1)
    var parts = [scores.narrow(1, start: 0, length: cutoffs[0])]
    for (i, cluster) in tail.enumerated() {
      parts.append(cluster(x).logSoftmax(dim: 1) + scores.narrow(1, start: cutoffs[0] + i, length: 1))
    }
    return .cat(parts, dim: 1)
  }

  /// The class of the highest probability, of each row: where the head names none of its own, the best of all.
  public func predict(_ x: Tensor) -> Tensor {
    let first = head(x).argmax(dim: 1)
    return .where(first .< cutoffs[0], first, logProb(x).argmax(dim: 1))
  }

  public var configuration: String { "\(inFeatures), \(classCount), cutoffs: \(cutoffs.dropLast()), divValue: \(divValue)" }
}
