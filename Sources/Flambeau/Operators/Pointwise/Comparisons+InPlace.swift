// Comparisons and logic, written over the first operand as 1 and 0 of its dtype.
extension Tensor {
  /// Torch's `eq_`.
  @discardableResult
  public func eq_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.eq.write(self, other, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func eq_(_ other: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.eq.write(self, Number(other), .floatingPoint, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func eq_(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.eq.write(self, Number(other), .integer, at: CallSite(file, line))
  }

  /// Torch's `ne_`.
  @discardableResult
  public func ne_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.ne.write(self, other, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func ne_(_ other: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.ne.write(self, Number(other), .floatingPoint, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func ne_(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.ne.write(self, Number(other), .integer, at: CallSite(file, line))
  }

  /// Torch's `lt_`.
  @discardableResult
  public func lt_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.lt.write(self, other, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func lt_(_ other: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.lt.write(self, Number(other), .floatingPoint, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func lt_(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.lt.write(self, Number(other), .integer, at: CallSite(file, line))
  }

  /// Torch's `le_`.
  @discardableResult
  public func le_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.le.write(self, other, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func le_(_ other: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.le.write(self, Number(other), .floatingPoint, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func le_(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.le.write(self, Number(other), .integer, at: CallSite(file, line))
  }

  /// Torch's `gt_`.
  @discardableResult
  public func gt_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.gt.write(self, other, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func gt_(_ other: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.gt.write(self, Number(other), .floatingPoint, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func gt_(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.gt.write(self, Number(other), .integer, at: CallSite(file, line))
  }

  /// Torch's `ge_`.
  @discardableResult
  public func ge_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.ge.write(self, other, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func ge_(_ other: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.ge.write(self, Number(other), .floatingPoint, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func ge_(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.ge.write(self, Number(other), .integer, at: CallSite(file, line))
  }

  /// Torch's `logical_and_`.
  @discardableResult
  public func logicalAnd_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.logicalAnd.write(self, other, at: CallSite(file, line))
  }

  /// Torch's `logical_or_`.
  @discardableResult
  public func logicalOr_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.logicalOr.write(self, other, at: CallSite(file, line))
  }

  /// Torch's `logical_xor_`.
  @discardableResult
  public func logicalXor_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.logicalXor.write(self, other, at: CallSite(file, line))
  }
}
