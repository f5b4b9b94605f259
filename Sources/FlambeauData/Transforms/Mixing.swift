import Flambeau

/// Every image of a batch blended with the one before it, and their labels likewise (Zhang et al., 2018).
///
///     for (images, labels) in loader {
///       let (images, targets) = mixUp(images, labels)
///       let loss = model(images).crossEntropy(targets)
public struct MixUp: Sendable {
  /// How many classes there are.
  public let classes: Int
  /// Of the Beta distribution which the share of the other image comes from.
  public let alpha: Double

  /// Targets of `classes` classes; the share is drawn from Beta(alpha, alpha).
  public init(classes: Int, alpha: Double = 1) {
    self.classes = classes
    self.alpha = alpha
  }

  /// - Parameters:
  ///   - images: `[count, channels, height, width]`, of floating point.
  ///   - labels: `[count]`, of whole numbers below ``classes``.
  /// - Returns: Images, and the probabilities `[count, classes]` of each class.
  public func callAsFunction(_ images: Tensor, _ labels: Tensor) -> (images: Tensor, targets: Tensor) {
    let share = Draw.beta(alpha)
    return (Mixing.blend(images, share), Mixing.blend(labels.oneHot(classes).to(.float32), share))
  }
}

/// A rectangle of every image of a batch taken from the one before it, and their labels in proportion (Yun et al., 2019).
public struct CutMix: Sendable {
  /// How many classes there are.
  public let classes: Int
  /// Of the Beta distribution which the share of the rectangle comes from.
  public let alpha: Double

  /// Targets of `classes` classes; the area kept is drawn from Beta(alpha, alpha).
  public init(classes: Int, alpha: Double = 1) {
    self.classes = classes
    self.alpha = alpha
  }

  /// - Parameters:
  ///   - images: `[count, channels, height, width]`.
  ///   - labels: `[count]`, of whole numbers below ``classes``.
  /// - Returns: Images, and the probabilities `[count, classes]` of each class.
  public func callAsFunction(_ images: Tensor, _ labels: Tensor) -> (images: Tensor, targets: Tensor) {
    let share = Draw.beta(alpha)
    guard images.ndim == 4 else { return (Mixing.blend(images, 1), Mixing.blend(labels.oneHot(classes).to(.float32), 1)) }
    let (height, width) = (images.shape[-2], images.shape[-1])
    let (x, y) = (Draw.below(width), Draw.below(height))
    let half = 0.5 * (1 - share).squareRoot()
    let (reachX, reachY) = (Int(half * Double(width)), Int(half * Double(height)))
    let columns = max(x - reachX, 0)..<min(x + reachX, width)
    let rows = max(y - reachY, 0)..<min(y + reachY, height)
    let kept = 1 - Double(columns.count * rows.count) / Double(width * height)
    var mixed = images
    if !rows.isEmpty && !columns.isEmpty {
      let others = images.roll(1, dim: 0).narrow(-2, start: rows.lowerBound, length: rows.count)
        .narrow(-1, start: columns.lowerBound, length: columns.count)
      mixed = Images.erase(
        images, top: rows.lowerBound, left: columns.lowerBound, height: rows.count, width: columns.count, value: others)
    }
    return (mixed, Mixing.blend(labels.oneHot(classes).to(.float32), kept))
  }
}

private enum Mixing {
  /// Each row by `share` itself, by the rest the one before it.
  static func blend(_ rows: Tensor, _ share: Double) -> Tensor { rows.roll(1, dim: 0) * (1 - share) + rows * share }
}
