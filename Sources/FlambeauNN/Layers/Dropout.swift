import Flambeau

/// While training: each element is 0 with the probability `p`, the others are divided by 1 − p (Srivastava et al., 2014).
/// Torch's `nn.Dropout`.
public final class Dropout: HookableLayer {
  /// The probability of a zero.
  public let p: Double
  let mode = Mode()

  /// As torch's constructor.
  public init(_ p: Double = 0.5, file: StaticString = #fileID, line: UInt = #line) {
    Dropout.check(p, "Dropout", file, line)
    self.p = p
  }

  public func forward(_ x: Tensor) -> Tensor { x.dropout(p, training: mode.isTraining) }

  /// It changes what it gets.
  var isActive: Bool { p > 0 && mode.isTraining }
  public var configuration: String { "\(p)" }

  static func check(_ p: Double, _ name: String, _ file: StaticString, _ line: UInt) {
    if p >= 0 && p <= 1 { return }
    let problem = "dropout probability has to be between 0 and 1, but got \(p)"
    Door.fail(TensorError(.argument, problem), in: name, file: file, line: line)
  }
}

/// ``Dropout`` of whole channels of [n, c, *] (Tompson et al., 2014). Torch's `nn.Dropout2d`.
public final class Dropout2d: HookableLayer {
  /// The probability of a zero.
  public let p: Double
  let mode = Mode()

  /// As torch's constructor.
  public init(_ p: Double = 0.5, file: StaticString = #fileID, line: UInt = #line) {
    Dropout.check(p, "Dropout2d", file, line)
    self.p = p
  }

  public func forward(_ x: Tensor) -> Tensor { x.featureDropout(p, training: mode.isTraining) }
  public var configuration: String { "\(p)" }
}
