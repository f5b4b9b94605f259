// Conversions by the dtype's name.
extension Tensor {
  /// `to(.float16)`. Torch's `half`.
  public func half() -> Tensor { to(.float16) }
  /// `to(.bfloat16)`. Torch's `bfloat16`.
  public func bfloat16() -> Tensor { to(.bfloat16) }
  /// `to(.float32)`. Torch's `float`.
  public func float() -> Tensor { to(.float32) }
  /// `to(.float64)`. Torch's `double`.
  public func double() -> Tensor { to(.float64) }
  /// `to(.uint8)`. Torch's `byte`.
  public func byte() -> Tensor { to(.uint8) }
  /// `to(.int8)`. Torch's `char`.
  public func char() -> Tensor { to(.int8) }
  /// `to(.int16)`. Torch's `short`.
  public func short() -> Tensor { to(.int16) }
  /// `to(.int32)`. Torch's `int`.
  public func int() -> Tensor { to(.int32) }
  /// `to(.int64)`. Torch's `long`.
  public func long() -> Tensor { to(.int64) }
  /// `to(.bool)`. Torch's `bool`.
  public func bool() -> Tensor { to(.bool) }
  /// In the dtype of `other`. Torch's `type_as`.
  public func typeAs(_ other: Tensor) -> Tensor { to(other.dtype) }
}

// Second names that torch has too, for who types them from memory.
extension Tensor {
  /// ``count``. Torch's `numel`.
  public func numel() -> Int { count }
  /// ``ndim``. Torch's `dim`.
  public func dim() -> Int { ndim }

  /// ``clamp(min:max:file:line:)-(Double?,_,_,_)``. Torch's `clip`.
  public func clip(
    min: Double? = nil, max: Double? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { clamp(min: min, max: max, file: file, line: line) }
  /// ``clamp_(min:max:file:line:)-(Double?,_,_,_)``. Torch's `clip_`.
  @discardableResult
  public func clip_(
    min: Double? = nil, max: Double? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { clamp_(min: min, max: max, file: file, line: line) }

  /// ``cat(_:dim:file:line:)``. Torch's `concat`.
  public static func concat(
    _ tensors: [Tensor], dim: Int = 0, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { .cat(tensors, dim: dim, file: file, line: line) }

  /// The elements as a vector, row by row: a view where they lie so. Torch's `ravel`.
  public func ravel() -> Tensor { flatten() }
  /// ``moveDim(_:_:file:line:)-(Int,_,_,_)``. Torch's `moveaxis`.
  public func moveAxis(_ from: Int, _ to: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    moveDim(from, to, file: file, line: line)
  }
  /// ``transpose(_:_:file:line:)``. Torch's `swapaxes`.
  public func swapAxes(_ a: Int, _ b: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    transpose(a, b, file: file, line: line)
  }
  /// The transposes of the matrices in the last two dimensions, a view. Torch's `mT`.
  public var mT: Tensor {
    if ndim >= 2 || body.poison != nil { return transpose(-2, -1) }
    return Door.refuse(
      .shape("tensor.mT is only supported on matrices or batches of matrices. Got \(ndim)-D tensor."), "mT", Few(self), at: nil)
  }

  /// ``mT``. Torch's `mH` of real numbers.
  public var mH: Tensor { mT }
  /// ``mT``. Torch's `adjoint` of real numbers.
  public func adjoint() -> Tensor { mT }
  /// ``dot(_:file:line:)``. Torch's `vdot` of real numbers.
  public func vdot(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    dot(other, file: file, line: line)
  }

  /// ``sign()``. Torch's `sgn` of real numbers.
  public func sgn() -> Tensor { sign() }
  /// ``trunc()``. Torch's `fix`.
  public func fix() -> Tensor { trunc() }
  /// The tensor itself. Torch's `positive`.
  public func positive(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    checked("positive", at: CallSite(file, line)) { _ throws(TensorError) in
      guard dtype != .bool else { throw .dtype("The `+` operator, on a bool tensor is not supported.") }
      return self
    }
  }
  /// ``trapezoid(dx:dim:file:line:)``. Torch's `trapz`.
  public func trapz(dx: Double = 1, dim: Int = -1, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    trapezoid(dx: dx, dim: dim, file: file, line: line)
  }
}
