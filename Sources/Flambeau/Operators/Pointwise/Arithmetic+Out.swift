// `torch.add(a, b, out=c)`: a result written over a tensor that is there already.
extension Tensor {
  /// Adds `other` to this and writes the sum over `out`, which has its shape, a dtype it can be cast to, and may be
  /// either operand. Torch's `add` with `out`.
  ///
  /// No gradient flows: an operand that requires one is refused where gradients are recorded. Unlike torch's, `out` is not resized.
  @discardableResult
  public func add(_ other: Tensor, out: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.arithmetic.add.write(self, other, over: out, at: CallSite(file, line))
  }

  /// Subtracts `other` from this and writes the difference over `out`, which has its shape, a dtype it can be cast to, and may be
  /// either operand. Torch's `sub` with `out`.
  @discardableResult
  public func sub(_ other: Tensor, out: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.arithmetic.sub.write(self, other, over: out, at: CallSite(file, line))
  }

  /// Multiplies this with `other` and writes the product over `out`, which has its shape, a dtype it can be cast to, and may be
  /// either operand. Torch's `mul` with `out`.
  @discardableResult
  public func mul(_ other: Tensor, out: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.arithmetic.mul.write(self, other, over: out, at: CallSite(file, line))
  }

  /// Divides this by `other` and writes the quotient over `out`, which has its shape, a dtype it can be cast to, and may be
  /// either operand. Torch's `div` with `out`.
  @discardableResult
  public func div(_ other: Tensor, out: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.arithmetic.div.write(self, other, over: out, at: CallSite(file, line))
  }
}
