// The activations, written over their operand.
extension Tensor {
  /// ``relu()`` in place. Torch's `relu_`.
  @discardableResult
  public func relu_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.activations.relu.write(self, at: CallSite(file, line))
  }

  /// ``silu()`` in place. Torch's `silu` with `inplace`.
  @discardableResult
  public func silu_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.activations.silu.write(self, at: CallSite(file, line))
  }

  /// ``mish()`` in place. Torch's `mish` with `inplace`.
  @discardableResult
  public func mish_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.activations.mish.write(self, at: CallSite(file, line))
  }

  /// ``hardsigmoid()`` in place. Torch's `hardsigmoid` with `inplace`.
  @discardableResult
  public func hardsigmoid_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.activations.hardsigmoid.write(self, at: CallSite(file, line))
  }

  /// ``hardswish()`` in place. Torch's `hardswish` with `inplace`.
  @discardableResult
  public func hardswish_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.activations.hardswish.write(self, at: CallSite(file, line))
  }

  /// ``selu()`` in place. Torch's `selu_`.
  @discardableResult
  public func selu_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.activations.selu.write(self, at: CallSite(file, line))
  }

  /// ``relu6()`` in place. Torch's `relu6` with `inplace`.
  @discardableResult
  public func relu6_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.activations.hardtanh.write(Few(self), .with(0, 6), at: CallSite(file, line))
  }

  /// ``leakyReLU(negativeSlope:)`` in place. Torch's `leaky_relu_`.
  @discardableResult
  public func leakyReLU_(negativeSlope: Double = 0.01, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.activations.leakyReLU.write(Few(self), .with(negativeSlope), at: CallSite(file, line))
  }

  /// ``elu(alpha:)`` in place. Torch's `elu_`.
  @discardableResult
  public func elu_(alpha: Double = 1, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.activations.elu.write(Few(self), .with(alpha), at: CallSite(file, line))
  }

  /// ``celu(alpha:)`` in place. Torch's `celu_`.
  @discardableResult
  public func celu_(alpha: Double = 1, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.activations.celu.write(Few(self), .with(alpha), at: CallSite(file, line))
  }

  /// ``threshold(_:value:)`` in place. Torch's `threshold_`.
  @discardableResult
  public func threshold_(_ threshold: Double, value: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.activations.threshold.write(Few(self), .with(threshold, value), at: CallSite(file, line))
  }

  /// ``hardtanh(min:max:file:line:)`` in place. Torch's `hardtanh_`.
  @discardableResult
  public func hardtanh_(
    min: Double = -1, max: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { ops.activations.hardtanh.write(Few(self), .with(min, max), at: CallSite(file, line)) }

  /// ``rrelu(lower:upper:training:file:line:)`` in place. Torch's `rrelu_`.
  @discardableResult
  public func rrelu_(
    lower: Double = 1 / 8, upper: Double = 1 / 3, training: Bool = false, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    if !training { return leakyReLU_(negativeSlope: (lower + upper) / 2, file: file, line: line) }
    return mul_(leakage(lower, upper), file: file, line: line)
  }
}
