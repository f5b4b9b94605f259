// The functions of one number, written over their operand.
extension Tensor {
  /// ``abs()`` in place. Torch's `abs_`.
  @discardableResult
  public func abs_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.abs.write(self, at: CallSite(file, line))
  }

  /// ``sign()`` in place. Torch's `sign_`.
  @discardableResult
  public func sign_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.sign.write(self, at: CallSite(file, line))
  }

  /// ``floor()`` in place. Torch's `floor_`.
  @discardableResult
  public func floor_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.floor.write(self, at: CallSite(file, line))
  }

  /// ``ceil()`` in place. Torch's `ceil_`.
  @discardableResult
  public func ceil_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.ceil.write(self, at: CallSite(file, line))
  }

  /// ``round()`` in place. Torch's `round_`.
  @discardableResult
  public func round_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.round.write(self, at: CallSite(file, line))
  }

  /// ``trunc()`` in place. Torch's `trunc_`.
  @discardableResult
  public func trunc_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.trunc.write(self, at: CallSite(file, line))
  }

  /// ``frac()`` in place. Torch's `frac_`.
  @discardableResult
  public func frac_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.frac.write(self, at: CallSite(file, line))
  }

  /// ``sqrt()`` in place. Torch's `sqrt_`.
  @discardableResult
  public func sqrt_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.sqrt.write(self, at: CallSite(file, line))
  }

  /// ``rsqrt()`` in place. Torch's `rsqrt_`.
  @discardableResult
  public func rsqrt_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.rsqrt.write(self, at: CallSite(file, line))
  }

  /// ``reciprocal()`` in place. Torch's `reciprocal_`.
  @discardableResult
  public func reciprocal_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.reciprocal.write(self, at: CallSite(file, line))
  }

  /// ``exp()`` in place. Torch's `exp_`.
  @discardableResult
  public func exp_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.exp.write(self, at: CallSite(file, line))
  }

  /// ``exp2()`` in place. Torch's `exp2_`.
  @discardableResult
  public func exp2_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.exp2.write(self, at: CallSite(file, line))
  }

  /// ``expm1()`` in place. Torch's `expm1_`.
  @discardableResult
  public func expm1_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.expm1.write(self, at: CallSite(file, line))
  }

  /// ``log()`` in place. Torch's `log_`.
  @discardableResult
  public func log_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.log.write(self, at: CallSite(file, line))
  }

  /// ``log2()`` in place. Torch's `log2_`.
  @discardableResult
  public func log2_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.log2.write(self, at: CallSite(file, line))
  }

  /// ``log10()`` in place. Torch's `log10_`.
  @discardableResult
  public func log10_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.log10.write(self, at: CallSite(file, line))
  }

  /// ``log1p()`` in place. Torch's `log1p_`.
  @discardableResult
  public func log1p_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.log1p.write(self, at: CallSite(file, line))
  }

  /// ``sin()`` in place. Torch's `sin_`.
  @discardableResult
  public func sin_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.sin.write(self, at: CallSite(file, line))
  }

  /// ``cos()`` in place. Torch's `cos_`.
  @discardableResult
  public func cos_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.cos.write(self, at: CallSite(file, line))
  }

  /// ``tan()`` in place. Torch's `tan_`.
  @discardableResult
  public func tan_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.tan.write(self, at: CallSite(file, line))
  }

  /// ``asin()`` in place. Torch's `asin_`.
  @discardableResult
  public func asin_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.asin.write(self, at: CallSite(file, line))
  }

  /// ``acos()`` in place. Torch's `acos_`.
  @discardableResult
  public func acos_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.acos.write(self, at: CallSite(file, line))
  }

  /// ``atan()`` in place. Torch's `atan_`.
  @discardableResult
  public func atan_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.atan.write(self, at: CallSite(file, line))
  }

  /// ``sinh()`` in place. Torch's `sinh_`.
  @discardableResult
  public func sinh_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.sinh.write(self, at: CallSite(file, line))
  }

  /// ``cosh()`` in place. Torch's `cosh_`.
  @discardableResult
  public func cosh_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.cosh.write(self, at: CallSite(file, line))
  }

  /// ``tanh()`` in place. Torch's `tanh_`.
  @discardableResult
  public func tanh_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.tanh.write(self, at: CallSite(file, line))
  }

  /// ``asinh()`` in place. Torch's `asinh_`.
  @discardableResult
  public func asinh_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.asinh.write(self, at: CallSite(file, line))
  }

  /// ``acosh()`` in place. Torch's `acosh_`.
  @discardableResult
  public func acosh_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.acosh.write(self, at: CallSite(file, line))
  }

  /// ``atanh()`` in place. Torch's `atanh_`.
  @discardableResult
  public func atanh_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.atanh.write(self, at: CallSite(file, line))
  }

  /// ``erf()`` in place. Torch's `erf_`.
  @discardableResult
  public func erf_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.erf.write(self, at: CallSite(file, line))
  }

  /// ``erfc()`` in place. Torch's `erfc_`.
  @discardableResult
  public func erfc_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.erfc.write(self, at: CallSite(file, line))
  }

  /// ``sigmoid()`` in place. Torch's `sigmoid_`.
  @discardableResult
  public func sigmoid_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.sigmoid.write(self, at: CallSite(file, line))
  }

  /// ``logicalNot()`` in place. Torch's `logical_not_`.
  @discardableResult
  public func logicalNot_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.logicalNot.write(self, at: CallSite(file, line))
  }

  /// ``square()`` in place. Torch's `square_`.
  @discardableResult
  public func square_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.unary.square.write(Few(self), PointwiseArguments(number: .integer), at: CallSite(file, line))
  }

  /// ``bitwiseNot()`` in place. Torch's `bitwise_not_`.
  @discardableResult
  public func bitwiseNot_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    (dtype == .bool ? ops.unary.logicalNot : ops.unary.bitwiseNot).write(self, at: CallSite(file, line))
  }

  /// Torch's `logit_`.
  @discardableResult
  public func logit_(eps: Double? = nil, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    guard let eps else { return ops.unary.logit.write(self, at: site) }
    let bounds = PointwiseArguments(scalars: Scalars(Number(eps), Number(1 - eps)))
    return ops.unary.logitClamped.write(Few(self), bounds, at: site)
  }
}
