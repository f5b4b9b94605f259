/// What can stand in a tensor's subscript: `x[0, 1..., .newAxis, rows]`.
///
/// - An `Int` picks a position and drops the dimension; negative ones count from the end.
/// - A range keeps positions: `1..<3`, `0...2`, `2...`, `..<3`, `...(-2)`. Bounds may be negative, counted from the end, and
///   beyond the ends they are cut off, as in Python. Where Swift allows no such range (`1..<(-1)`), or for a step, there is
///   ``TensorIndex/slice(from:to:step:)``; `0...` or ``TensorIndex/all`` is Python's `:`.
/// - ``TensorIndex/ellipsis`` stands for the dimensions nobody names, ``TensorIndex/newAxis`` for a new one of size 1.
/// - An integer tensor, or an array of `Int`, picks positions in any order and number; several broadcast together.
/// - A boolean tensor, as long as the dimensions it stands for, picks where it is true.
///
/// Integers, ranges and new axes give views; tensors give copies.
public protocol TensorIndex: Sendable {
  /// What this index picks.
  var indexTerm: IndexTerm { get }
}

/// One term of a subscript.
public struct IndexTerm: TensorIndex {
  enum Content: Sendable {
    case position(Int)
    /// Python's slice; nil is an end.
    case slice(from: Int?, to: Int?, step: Int)
    case ellipsis
    case newAxis
    case tensor(Tensor)
  }

  let content: Content

  init(_ content: Content) { self.content = content }

  /// What it selects.
  public var indexTerm: IndexTerm { self }
}

extension TensorIndex where Self == IndexTerm {
  /// As many whole dimensions as the other terms leave; at most once. Python's `...`.
  public static var ellipsis: IndexTerm { IndexTerm(.ellipsis) }
  /// A new dimension of size 1. Python's `None`.
  public static var newAxis: IndexTerm { IndexTerm(.newAxis) }
  /// A whole dimension. Python's `:`.
  public static var all: IndexTerm { .slice() }

  /// Every `step`th position of a dimension, from `from` on, before `to`: Python's `from:to:step`.
  public static func slice(from: Int? = nil, to: Int? = nil, step: Int = 1) -> IndexTerm {
    IndexTerm(.slice(from: from, to: to, step: step))
  }
}

extension Int: TensorIndex {
  /// What it selects.
  public var indexTerm: IndexTerm { IndexTerm(.position(self)) }
}

extension Range: TensorIndex where Bound == Int {
  /// What it selects.
  public var indexTerm: IndexTerm { .slice(from: lowerBound, to: upperBound) }
}

extension ClosedRange: TensorIndex where Bound == Int {
  /// What it selects.
  public var indexTerm: IndexTerm { .slice(from: lowerBound, to: PartialRangeThrough(upperBound).end) }
}

extension PartialRangeFrom: TensorIndex where Bound == Int {
  /// What it selects.
  public var indexTerm: IndexTerm { .slice(from: lowerBound) }
}

extension PartialRangeUpTo: TensorIndex where Bound == Int {
  /// What it selects.
  public var indexTerm: IndexTerm { .slice(to: upperBound) }
}

extension PartialRangeThrough: TensorIndex where Bound == Int {
  /// What it selects.
  public var indexTerm: IndexTerm { .slice(to: end) }

  /// The position after the last; nil where that is the end of the dimension.
  fileprivate var end: Int? { upperBound == -1 || upperBound == .max ? nil : upperBound + 1 }
}

extension Array: TensorIndex where Element == Int {
  /// What it selects.
  public var indexTerm: IndexTerm { IndexTerm(.tensor(Tensor(self, device: .cpu))) }
}

extension Tensor: TensorIndex {
  /// What it selects.
  public var indexTerm: IndexTerm { IndexTerm(.tensor(self)) }
}
