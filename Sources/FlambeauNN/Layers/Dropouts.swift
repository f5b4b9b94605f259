import Flambeau

/// ``Dropout`` of whole channels of [n, c, l] or [c, l]. Torch's `nn.Dropout1d`.
public final class Dropout1d: HookableLayer {
  /// The probability of a zero.
  public let p: Double
  let mode = Mode()

  /// As torch's constructor.
  public init(_ p: Double = 0.5, file: StaticString = #fileID, line: UInt = #line) {
    Dropout.check(p, "Dropout1d", file, line)
    self.p = p
  }

  public func forward(_ x: Tensor) -> Tensor { x.channelsDropped(p, mode, ranks: 2, "Dropout1d") }
  public var configuration: String { "\(p)" }
}

/// ``Dropout`` of whole channels of [n, c, d, h, w] or [c, d, h, w]. Torch's `nn.Dropout3d`.
public final class Dropout3d: HookableLayer {
  /// The probability of a zero.
  public let p: Double
  let mode = Mode()

  /// As torch's constructor.
  public init(_ p: Double = 0.5, file: StaticString = #fileID, line: UInt = #line) {
    Dropout.check(p, "Dropout3d", file, line)
    self.p = p
  }

  public func forward(_ x: Tensor) -> Tensor { x.channelsDropped(p, mode, ranks: 4, "Dropout3d") }
  public var configuration: String { "\(p)" }
}

/// While training: `alphaDropout(_:training:)`, which keeps mean and variance of what ``SELU`` makes. Torch's `nn.AlphaDropout`.
public final class AlphaDropout: HookableLayer {
  /// The probability of a drop.
  public let p: Double
  let mode = Mode()

  /// As torch's constructor.
  public init(_ p: Double = 0.5, file: StaticString = #fileID, line: UInt = #line) {
    Dropout.check(p, "AlphaDropout", file, line)
    self.p = p
  }

  public func forward(_ x: Tensor) -> Tensor { x.alphaDropout(p, training: mode.isTraining) }
  public var configuration: String { "\(p)" }
}

/// ``AlphaDropout`` of whole channels of [n, c, *]. Torch's `nn.FeatureAlphaDropout`.
public final class FeatureAlphaDropout: HookableLayer {
  /// The probability of a drop.
  public let p: Double
  let mode = Mode()

  /// As torch's constructor.
  public init(_ p: Double = 0.5, file: StaticString = #fileID, line: UInt = #line) {
    Dropout.check(p, "FeatureAlphaDropout", file, line)
    self.p = p
  }

  public func forward(_ x: Tensor) -> Tensor { x.featureAlphaDropout(p, training: mode.isTraining) }
  public var configuration: String { "\(p)" }
}

extension Tensor {
  /// Feature dropout of one sample of `ranks` dimensions, or of a batch.
  fileprivate func channelsDropped(_ p: Double, _ mode: Mode, ranks: Int, _ name: String) -> Tensor {
    guard ndim == ranks || ndim == ranks + 1 || Context.current.isFailed else {
      return Door.refuse(
        TensorError(.shape, "Expected \(ranks)D or \(ranks + 1)D input, but received a \(ndim)D input"), in: name, self)
    }
    let batch = ndim == ranks ? unsqueeze(0) : self
    let result = batch.featureDropout(p, training: mode.isTraining)
    return ndim == ranks ? result.squeeze(0) : result
  }
}
