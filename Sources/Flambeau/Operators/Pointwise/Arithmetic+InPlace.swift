// Assignment operators rebind the variable, except on a leaf that requires grad, which they write (an error while recording).
extension Tensor {
  /// Element by element.
  public static func += (a: inout Tensor, b: Tensor) { assign(ops.arithmetic.add, &a, b) }
  /// Element by element.
  public static func -= (a: inout Tensor, b: Tensor) { assign(ops.arithmetic.sub, &a, b) }
  /// Element by element.
  public static func *= (a: inout Tensor, b: Tensor) { assign(ops.arithmetic.mul, &a, b) }
  /// Element by element.
  public static func /= (a: inout Tensor, b: Tensor) { assign(ops.arithmetic.div, &a, b) }
  /// The same with a number.
  public static func += (a: inout Tensor, b: Double) { assign(ops.arithmetic.add, &a, Number(b), .floatingPoint) }
  /// The same with a number.
  public static func -= (a: inout Tensor, b: Double) { assign(ops.arithmetic.sub, &a, Number(b), .floatingPoint) }
  /// The same with a number.
  public static func *= (a: inout Tensor, b: Double) { assign(ops.arithmetic.mul, &a, Number(b), .floatingPoint) }
  /// The same with a number.
  public static func /= (a: inout Tensor, b: Double) { assign(ops.arithmetic.div, &a, Number(b), .floatingPoint) }
  /// The same with a number.
  public static func += (a: inout Tensor, b: Int) { assign(ops.arithmetic.add, &a, Number(b), .integer) }
  /// The same with a number.
  public static func -= (a: inout Tensor, b: Int) { assign(ops.arithmetic.sub, &a, Number(b), .integer) }
  /// The same with a number.
  public static func *= (a: inout Tensor, b: Int) { assign(ops.arithmetic.mul, &a, Number(b), .integer) }
  /// The same with a number.
  public static func /= (a: inout Tensor, b: Int) { assign(ops.arithmetic.div, &a, Number(b), .integer) }

  private static func assign(_ row: BinaryRow, _ a: inout Tensor, _ b: Tensor) {
    if a.isTrainedLeaf {
      row.write(a, b)
    } else {
      let old = consume a
      a = row(old, b)
    }
  }

  private static func assign(_ row: BinaryRow, _ a: inout Tensor, _ b: Number, _ category: DType.Category) {
    if a.isTrainedLeaf {
      row.write(a, b, category)
    } else {
      let old = consume a
      a = row(old, b, category)
    }
  }

  private var isTrainedLeaf: Bool { body.requiresGrad && body.isLeaf }
}

extension Tensor {
  /// Adds `other` in place, broadcast to this shape. Torch's `add_`.
  @discardableResult
  public func add_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.arithmetic.add.write(self, other, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func add_(_ other: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.arithmetic.add.write(self, Number(other), .floatingPoint, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func add_(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.arithmetic.add.write(self, Number(other), .integer, at: CallSite(file, line))
  }

  /// Subtracts `other` in place, broadcast to this shape. Torch's `sub_`.
  @discardableResult
  public func sub_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.arithmetic.sub.write(self, other, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func sub_(_ other: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.arithmetic.sub.write(self, Number(other), .floatingPoint, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func sub_(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.arithmetic.sub.write(self, Number(other), .integer, at: CallSite(file, line))
  }

  /// Multiplies by `other` in place, broadcast to this shape. Torch's `mul_`.
  @discardableResult
  public func mul_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.arithmetic.mul.write(self, other, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func mul_(_ other: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.arithmetic.mul.write(self, Number(other), .floatingPoint, at: CallSite(file, line))
  }

  /// The same with a number.
  @discardableResult
  public func mul_(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.arithmetic.mul.write(self, Number(other), .integer, at: CallSite(file, line))
  }

  /// Divides by `other` in place, broadcast to this shape. Torch's `div_`.
  @discardableResult
  public func div_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.arithmetic.div.write(self, other, at: CallSite(file, line))
  }

  /// The quotient, rounded as said, in place.
  @discardableResult
  public func div_(_ other: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.arithmetic.div.write(self, Number(other), .floatingPoint, at: CallSite(file, line))
  }

  /// The quotient, rounded as said, in place.
  @discardableResult
  public func div_(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.arithmetic.div.write(self, Number(other), .integer, at: CallSite(file, line))
  }

  /// Negates in place. Torch's `neg_`.
  @discardableResult
  public func neg_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.arithmetic.neg.write(self, at: CallSite(file, line))
  }
}
