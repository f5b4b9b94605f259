// Numbers that stand for elements of a dtype.

extension DType {
  /// `number` as an element; throws torch's sentence where the dtype cannot hold it.
  ///
  /// Fractions are cut off for integers, and negative whole numbers wrap in unsigned ones, down to the negative of the
  /// largest.
  func element(_ number: Number, _ category: Category) throws(TensorError) -> Number {
    if self == .bool { return Number(number.double != 0) }
    guard !overflows(number, category) else {
      throw .argument("value cannot be converted to type \(cName) without overflow")
    }
    return number
  }

  private func overflows(_ number: Number, _ category: Category) -> Bool {
    if isFloatingPoint { return number.double.isFinite && Swift.abs(number.double) > largest }
    let spare = 64 - byteCount * 8
    let high = isSigned ? Int64.max >> spare : Int64(UInt64.max >> spare)
    let low = isSigned ? Int64.min >> spare : category == .floatingPoint ? 0 : -high
    if category != .floatingPoint { return number.integer < low || number.integer > high }
    return number.double.isNaN || number.double < Double(low) || number.double > Double(high)
  }

  /// The largest finite value of a floating-point dtype.
  var largest: Double {
    switch self {
    case .float16: 65504
    case .bfloat16: 0x1.fep127
    case .float32: Double(Float.greatestFiniteMagnitude)
    default: .greatestFiniteMagnitude
    }
  }

  /// C++'s name of the element type, which some of torch's messages use.
  private var cName: String {
    switch self {
    case .bool: "bool"
    case .uint8, .int8, .int16, .int64: "\(self)_t"
    case .int32: "int"
    case .float16: "c10::Half"
    case .bfloat16: "c10::BFloat16"
    case .float32: "float"
    case .float64: "double"
    }
  }
}

extension Tensor {
  /// A scalar tensor of this dtype, for an operation `name` that takes a number.
  func scalar(_ number: Number, _ category: DType.Category, _ name: String, at site: CallSite) -> Tensor {
    .create(name, at: site) { () throws(TensorError) in
      let value = try Value(Layout([]), dtype)
      value.elements.fill(try dtype.element(number, category))
      return value
    }
  }
}
