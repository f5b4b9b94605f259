import Flambeau

// Gates, shrinking functions and softmaxes as layers.

/// `glu(dim:)`. Torch's `nn.GLU`.
public final class GLU: HookableLayer {
  /// The dimension it goes over.
  public let dim: Int
  /// As torch's constructor.
  public init(dim: Int = -1) { self.dim = dim }
  public func forward(_ x: Tensor) -> Tensor { x.glu(dim: dim) }
  public var configuration: String { "dim: \(dim)" }
}

/// `hardshrink(lambda:)`. Torch's `nn.Hardshrink`.
public final class Hardshrink: HookableLayer {
  /// Numbers up to this magnitude become 0.
  public let lambda: Double
  /// As torch's constructor.
  public init(lambda: Double = 0.5) { self.lambda = lambda }
  public func forward(_ x: Tensor) -> Tensor { x.hardshrink(lambda: lambda) }
  public var configuration: String { "lambda: \(lambda)" }
}

/// `softshrink(lambda:)`. Torch's `nn.Softshrink`.
public final class Softshrink: HookableLayer {
  /// Numbers up to this magnitude become 0.
  public let lambda: Double
  /// As torch's constructor.
  public init(lambda: Double = 0.5) { self.lambda = lambda }
  public func forward(_ x: Tensor) -> Tensor { x.softshrink(lambda: lambda) }
  public var configuration: String { "lambda: \(lambda)" }
}

/// `tanhshrink()`. Torch's `nn.Tanhshrink`.
public final class Tanhshrink: HookableLayer {
  /// As torch's constructor.
  public init() {}
  public func forward(_ x: Tensor) -> Tensor { x.tanhshrink() }
}

/// `softmin(dim:)`. Torch's `nn.Softmin`.
public final class Softmin: HookableLayer {
  /// The dimension it goes over.
  public let dim: Int
  /// As torch's constructor.
  public init(dim: Int) { self.dim = dim }
  public func forward(_ x: Tensor) -> Tensor { x.softmin(dim: dim) }
  public var configuration: String { "dim: \(dim)" }
}

/// `rrelu(lower:upper:training:)`: slopes are drawn while training, and their mean in evaluation. Torch's `nn.RReLU`.
public final class RReLU: HookableLayer {
  /// The least slope.
  public let lower: Double
  /// The greatest slope.
  public let upper: Double
  let mode = Mode()
  /// As torch's constructor.
  public init(lower: Double = 1 / 8, upper: Double = 1 / 3) { (self.lower, self.upper) = (lower, upper) }
  public func forward(_ x: Tensor) -> Tensor { x.rrelu(lower: lower, upper: upper, training: mode.isTraining) }
  public var configuration: String { "lower: \(lower), upper: \(upper)" }
}

/// The softmax over the channels of [n, c, h, w] or [c, h, w]. Torch's `nn.Softmax2d`.
public final class Softmax2d: HookableLayer {
  /// As torch's constructor.
  public init() {}
  public func forward(_ x: Tensor) -> Tensor {
    guard x.ndim == 3 || x.ndim == 4 || Context.current.isFailed else {
      return Door.refuse(
        TensorError(.shape, "Softmax2d: expected input to be 3D or 4D, got \(x.ndim)D instead"), in: "Softmax2d", x)
    }
    return x.softmax(dim: -3)
  }
}
