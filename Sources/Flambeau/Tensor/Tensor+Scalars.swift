extension Tensor {
  /// The only element, as a Double; NaN of a poisoned tensor. Torch's `item`.
  public func item(file: StaticString = #fileID, line: UInt = #line) -> Double {
    item(as: Double.self, file: file, line: line)
  }

  /// The only element. A floating-point one loses its fraction on the way to an integer; what the integer type cannot
  /// hold is an error. Of a poisoned tensor: NaN, 0 or false.
  public func item<Number: TensorElement>(
    as type: Number.Type, file: StaticString = #fileID, line: UInt = #line
  ) -> Number {
    let target = Number.dtype
    let nothing: Number = target.isFloatingPoint ? Elements.converted(.nan) : Elements.converted(0)
    if let poison = body.poison {
      _ = Door.poisoned(by: poison, .current)
      return nothing
    }
    do throws(TensorError) {
      guard count == 1 else { throw .shape("a Tensor with \(count) elements cannot be converted to Scalar") }
      if target.isInteger { try checkRange(of: target) }
    } catch {
      _ = Door.refuse(error, "item", Few(self), at: CallSite(file, line))
      return nothing
    }
    do throws(TensorError) {
      return try body.elements.only()
    } catch {
      _ = Door.refuse(error, "item", Few(self), at: CallSite(file, line))
      return nothing
    }
  }

  /// Throws if the only element is not within an integer dtype's range.
  private func checkRange(of target: DType) throws(TensorError) {
    let spare = 64 - target.byteCount * 8
    let low = target.isSigned ? Int64.min >> spare : 0
    let high = target.isSigned ? Int64.max >> spare : Int64(UInt64.max >> spare)
    if dtype.isFloatingPoint {
      let value: Double = try body.elements.only()
      if value.isNaN { throw .argument("cannot convert float NaN to integer") }
      if value.isInfinite { throw .argument("cannot convert float infinity to integer") }
      let whole = value.rounded(.towardZero)
      if whole >= Double(low) && whole < Double(high) + 1 { return }
    } else {
      let value: Int64 = try body.elements.only()
      if value >= low && value <= high { return }
    }
    throw .argument("value cannot be converted to type \(target) without overflow")
  }
}

extension Elements {
  /// The only element, converted.
  func only<Number: TensorElement>() throws(TensorError) -> Number {
    try withUnsafeTemporaryAllocation(of: Number.self, capacity: 1) { (cell) throws(TensorError) in
      try copy(to: Elements(UnsafeMutableRawPointer(cell.baseAddress!), Layout(layout.shape), Number.dtype))
      return cell[0]
    }
  }

  fileprivate static func converted<Number: TensorElement>(_ value: Double) -> Number {
    var value = value
    return withUnsafeMutableBytes(of: &value) { bytes in
      withUnsafeTemporaryAllocation(of: Number.self, capacity: 1) { cell in
        Elements(bytes.baseAddress!, Layout([]), .float64).copyOnProcessor(
          to: Elements(UnsafeMutableRawPointer(cell.baseAddress!), Layout([]), Number.dtype))
        return cell[0]
      }
    }
  }
}

extension Double {
  /// The only element of `tensor`, as ``Tensor/item(as:file:line:)`` gives it.
  public init(_ tensor: Tensor, file: StaticString = #fileID, line: UInt = #line) {
    self = tensor.item(as: Double.self, file: file, line: line)
  }
}

extension Float {
  /// The only element of `tensor`, as ``Tensor/item(as:file:line:)`` gives it.
  public init(_ tensor: Tensor, file: StaticString = #fileID, line: UInt = #line) {
    self = tensor.item(as: Float.self, file: file, line: line)
  }
}

extension Int {
  /// The only element of `tensor`, as ``Tensor/item(as:file:line:)`` gives it.
  public init(_ tensor: Tensor, file: StaticString = #fileID, line: UInt = #line) {
    self = tensor.item(as: Int.self, file: file, line: line)
  }
}

extension Bool {
  /// Whether the only element of `tensor` is not 0.
  public init(_ tensor: Tensor, file: StaticString = #fileID, line: UInt = #line) {
    if tensor.count == 1 {
      self = tensor.item(as: Bool.self, file: file, line: line)
    } else {
      let what = tensor.count == 0 ? "no values" : "more than one value"
      _ = Door.refuse(
        .shape("Boolean value of Tensor with \(what) is ambiguous"), "Bool", Few(tensor), at: CallSite(file, line))
      self = false
    }
  }
}
