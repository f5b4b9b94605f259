import Flambeau

/// The dimensions from `startDim` to `endDim` as one; by default all but the batch's. Torch's `nn.Flatten`.
public final class Flatten: HookableLayer {
  /// The first dimension that is joined.
  public let startDim: Int
  /// The last dimension that is joined.
  public let endDim: Int

  /// Negative dimensions count from the last.
  public init(startDim: Int = 1, endDim: Int = -1) { (self.startDim, self.endDim) = (startDim, endDim) }

  public func forward(_ x: Tensor) -> Tensor {
    if Context.current.isFailed { return x }
    let rank = Swift.max(x.ndim, 1)
    let (start, end) = (startDim < 0 ? startDim + rank : startDim, endDim < 0 ? endDim + rank : endDim)
    for (dim, place) in [(startDim, start), (endDim, end)] where !(0..<rank).contains(place) {
      let problem = "Dimension out of range (expected to be in range of [\(-rank), \(rank - 1)], but got \(dim))"
      return Door.refuse(TensorError(.index, problem), in: "flatten", x)
    }
    guard start <= end else {
      let problem = "flatten() has invalid args: start_dim cannot come after end_dim"
      return Door.refuse(TensorError(.argument, problem), in: "flatten", x)
    }
    let sizes = x.ndim == 0 ? [1] : Array(x.shape)
    return x.reshape(Shape(sizes[..<start] + [sizes[start...end].reduce(1, *)] + sizes[(end + 1)...]))
  }

  public var configuration: String { "startDim: \(startDim), endDim: \(endDim)" }
}
