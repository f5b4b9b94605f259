import Flambeau

// Functions of each element as layers.

/// `relu()`. Torch's `nn.ReLU`.
public final class ReLU: HookableLayer {
  /// As torch's constructor.
  public init() {}
  public func forward(_ x: Tensor) -> Tensor { x.relu() }
}

/// `relu6()`. Torch's `nn.ReLU6`.
public final class ReLU6: HookableLayer {
  /// As torch's constructor.
  public init() {}
  public func forward(_ x: Tensor) -> Tensor { x.relu6() }
}

/// `leakyReLU(negativeSlope:)`. Torch's `nn.LeakyReLU`.
public final class LeakyReLU: HookableLayer {
  /// The slope of negative numbers.
  public let negativeSlope: Double
  /// As torch's constructor.
  public init(negativeSlope: Double = 0.01) { self.negativeSlope = negativeSlope }
  public func forward(_ x: Tensor) -> Tensor { x.leakyReLU(negativeSlope: negativeSlope) }
  public var configuration: String { "negativeSlope: \(negativeSlope)" }
}

/// `prelu(_:)` with learned slopes, one for all channels or one for each; they start at `initial`. Torch's `nn.PReLU`.
public final class PReLU: HookableLayer {
  /// The slopes of negative numbers: one, or one a channel.
  public let weight: Parameter
  /// As torch's constructor.
  public init(_ parameterCount: Int = 1, initial: Double = 0.25, dtype: DType = .float32) {
    weight = Parameter(.full([parameterCount], initial, dtype: dtype))
  }
  public func forward(_ x: Tensor) -> Tensor { x.prelu(weight.tensor) }
  public var configuration: String { "\(weight.count)" }
}

/// `elu(alpha:)`. Torch's `nn.ELU`.
public final class ELU: HookableLayer {
  /// The scale of negative numbers.
  public let alpha: Double
  /// As torch's constructor.
  public init(alpha: Double = 1) { self.alpha = alpha }
  public func forward(_ x: Tensor) -> Tensor { x.elu(alpha: alpha) }
  public var configuration: String { "alpha: \(alpha)" }
}

/// `celu(alpha:)`. Torch's `nn.CELU`.
public final class CELU: HookableLayer {
  /// The scale of negative numbers.
  public let alpha: Double
  /// As torch's constructor.
  public init(alpha: Double = 1) { self.alpha = alpha }
  public func forward(_ x: Tensor) -> Tensor { x.celu(alpha: alpha) }
  public var configuration: String { "alpha: \(alpha)" }
}

/// `selu()`. Torch's `nn.SELU`.
public final class SELU: HookableLayer {
  /// As torch's constructor.
  public init() {}
  public func forward(_ x: Tensor) -> Tensor { x.selu() }
}

/// `gelu(approximate:)`. Torch's `nn.GELU`.
public final class GELU: HookableLayer {
  /// Exact, or by tanh.
  public let approximate: GELUApproximation
  /// As torch's constructor.
  public init(approximate: GELUApproximation = .none) { self.approximate = approximate }
  public func forward(_ x: Tensor) -> Tensor { x.gelu(approximate: approximate) }
  public var configuration: String { "approximate: \(approximate)" }
}

/// `silu()`. Torch's `nn.SiLU`.
public final class SiLU: HookableLayer {
  /// As torch's constructor.
  public init() {}
  public func forward(_ x: Tensor) -> Tensor { x.silu() }
}

/// `mish()`. Torch's `nn.Mish`.
public final class Mish: HookableLayer {
  /// As torch's constructor.
  public init() {}
  public func forward(_ x: Tensor) -> Tensor { x.mish() }
}

/// `sigmoid()`. Torch's `nn.Sigmoid`.
public final class Sigmoid: HookableLayer {
  /// As torch's constructor.
  public init() {}
  public func forward(_ x: Tensor) -> Tensor { x.sigmoid() }
}

/// `logSigmoid()`. Torch's `nn.LogSigmoid`.
public final class LogSigmoid: HookableLayer {
  /// As torch's constructor.
  public init() {}
  public func forward(_ x: Tensor) -> Tensor { x.logSigmoid() }
}

/// `tanh()`. Torch's `nn.Tanh`.
public final class Tanh: HookableLayer {
  /// As torch's constructor.
  public init() {}
  public func forward(_ x: Tensor) -> Tensor { x.tanh() }
}

/// `softplus(beta:threshold:)`. Torch's `nn.Softplus`.
public final class Softplus: HookableLayer {
  /// How steep it is.
  public let beta: Double
  /// The point where the function changes.
  public let threshold: Double
  /// As torch's constructor.
  public init(beta: Double = 1, threshold: Double = 20) { (self.beta, self.threshold) = (beta, threshold) }
  public func forward(_ x: Tensor) -> Tensor { x.softplus(beta: beta, threshold: threshold) }
  public var configuration: String { "beta: \(beta), threshold: \(threshold)" }
}

/// `softsign()`. Torch's `nn.Softsign`.
public final class Softsign: HookableLayer {
  /// As torch's constructor.
  public init() {}
  public func forward(_ x: Tensor) -> Tensor { x.softsign() }
}

/// `hardtanh(min:max:)`. Torch's `nn.Hardtanh`.
public final class Hardtanh: HookableLayer {
  /// The least value.
  public let min: Double
  /// The greatest value.
  public let max: Double
  /// As torch's constructor.
  public init(min: Double = -1, max: Double = 1) { (self.min, self.max) = (min, max) }
  public func forward(_ x: Tensor) -> Tensor { x.hardtanh(min: min, max: max) }
  public var configuration: String { "min: \(min), max: \(max)" }
}

/// `hardsigmoid()`. Torch's `nn.Hardsigmoid`.
public final class Hardsigmoid: HookableLayer {
  /// As torch's constructor.
  public init() {}
  public func forward(_ x: Tensor) -> Tensor { x.hardsigmoid() }
}

/// `hardswish()`. Torch's `nn.Hardswish`.
public final class Hardswish: HookableLayer {
  /// As torch's constructor.
  public init() {}
  public func forward(_ x: Tensor) -> Tensor { x.hardswish() }
}

/// `threshold(_:value:)`. Torch's `nn.Threshold`.
public final class Threshold: HookableLayer {
  /// The point where the function changes.
  public let threshold: Double
  /// What is put in.
  public let value: Double
  /// As torch's constructor.
  public init(_ threshold: Double, value: Double) { (self.threshold, self.value) = (threshold, value) }
  public func forward(_ x: Tensor) -> Tensor { x.threshold(threshold, value: value) }
  public var configuration: String { "\(threshold), value: \(value)" }
}

/// `softmax(dim:)`. Torch's `nn.Softmax`.
public final class Softmax: HookableLayer {
  /// The dimension it goes over.
  public let dim: Int
  /// As torch's constructor.
  public init(dim: Int) { self.dim = dim }
  public func forward(_ x: Tensor) -> Tensor { x.softmax(dim: dim) }
  public var configuration: String { "dim: \(dim)" }
}

/// `logSoftmax(dim:)`. Torch's `nn.LogSoftmax`.
public final class LogSoftmax: HookableLayer {
  /// The dimension it goes over.
  public let dim: Int
  /// As torch's constructor.
  public init(dim: Int) { self.dim = dim }
  public func forward(_ x: Tensor) -> Tensor { x.logSoftmax(dim: dim) }
  public var configuration: String { "dim: \(dim)" }
}
