// The functions of two numbers, written over the first.
extension Tensor {
  /// Torch's `pow_`.
  @discardableResult
  public func pow_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.pow.write(self, other, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func pow_(_ other: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.pow.write(self, Number(other), .floatingPoint, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func pow_(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.pow.write(self, Number(other), .integer, at: CallSite(file, line))
  }

  /// Torch's `remainder_`.
  @discardableResult
  public func remainder_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.remainder.write(self, other, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func remainder_(_ other: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.remainder.write(self, Number(other), .floatingPoint, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func remainder_(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.remainder.write(self, Number(other), .integer, at: CallSite(file, line))
  }

  /// Torch's `fmod_`.
  @discardableResult
  public func fmod_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.fmod.write(self, other, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func fmod_(_ other: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.fmod.write(self, Number(other), .floatingPoint, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func fmod_(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.fmod.write(self, Number(other), .integer, at: CallSite(file, line))
  }

  /// Torch's `floor_divide_`.
  @discardableResult
  public func floorDivide_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.floorDivide.write(self, other, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func floorDivide_(_ other: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.floorDivide.write(self, Number(other), .floatingPoint, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func floorDivide_(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.floorDivide.write(self, Number(other), .integer, at: CallSite(file, line))
  }

  /// Torch's `atan2_`.
  @discardableResult
  public func atan2_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.atan2.write(self, other, at: CallSite(file, line))
  }

  /// Torch's `hypot_`.
  @discardableResult
  public func hypot_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.hypot.write(self, other, at: CallSite(file, line))
  }

  /// Torch's `copysign_`.
  @discardableResult
  public func copysign_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.copysign.write(self, other, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func copysign_(_ other: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.copysign.write(self, Number(other), .floatingPoint, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func copysign_(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.copysign.write(self, Number(other), .integer, at: CallSite(file, line))
  }

  /// Torch's `xlogy_`.
  @discardableResult
  public func xlogy_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.xlogy.write(self, other, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func xlogy_(_ other: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.xlogy.write(self, Number(other), .floatingPoint, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func xlogy_(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.xlogy.write(self, Number(other), .integer, at: CallSite(file, line))
  }

  /// Torch's `bitwise_and_`.
  @discardableResult
  public func bitwiseAnd_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.bitwiseAnd.write(self, other, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func bitwiseAnd_(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.bitwiseAnd.write(self, Number(other), .integer, at: CallSite(file, line))
  }

  /// Torch's `bitwise_or_`.
  @discardableResult
  public func bitwiseOr_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.bitwiseOr.write(self, other, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func bitwiseOr_(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.bitwiseOr.write(self, Number(other), .integer, at: CallSite(file, line))
  }

  /// Torch's `bitwise_xor_`.
  @discardableResult
  public func bitwiseXor_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.bitwiseXor.write(self, other, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func bitwiseXor_(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.bitwiseXor.write(self, Number(other), .integer, at: CallSite(file, line))
  }

  /// Torch's `bitwise_left_shift_`.
  @discardableResult
  public func bitwiseLeftShift_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.bitwiseLeftShift.write(self, other, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func bitwiseLeftShift_(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.bitwiseLeftShift.write(self, Number(other), .integer, at: CallSite(file, line))
  }

  /// Torch's `bitwise_right_shift_`.
  @discardableResult
  public func bitwiseRightShift_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.bitwiseRightShift.write(self, other, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func bitwiseRightShift_(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.bitwiseRightShift.write(self, Number(other), .integer, at: CallSite(file, line))
  }
}
