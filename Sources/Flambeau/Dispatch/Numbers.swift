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
    .create(name, on: device, at: site) { (device) throws(TensorError) in
      let value = try Value(Layout([]), dtype, on: device)
      try value.elements.fill(try dtype.element(number, category))
      return value
    }
  }
}

/// What a pointwise row makes of its numbers before it computes in a dtype. Number by number, as torch does.
enum NumberRule: Sendable {
  /// Nothing.
  case exact
  /// Integers wrap, as elements do.
  case wrapped
  /// Integers wrap, and half types round.
  case element
  /// The same, of what the dtype can hold; other numbers are refused in torch's words.
  case checked
  /// Integers are checked, floating-point numbers computed with as they are.
  case checkedInteger

  fileprivate func refuses(in dtype: DType) -> Bool { self == .checked || self == .checkedInteger && !dtype.isFloatingPoint }
  fileprivate func rounds(in dtype: DType) -> Bool { self == .element || self == .checked || !dtype.isFloatingPoint }
}

extension DType {
  /// `scalars` of category `category`, by `rule`; without a category, whole numbers are integers.
  @inline(__always)
  func taking(_ scalars: Scalars, _ rule: NumberRule, _ category: Category?) throws(TensorError) -> Scalars {
    rule == .exact ? scalars : try held(scalars, rule, category)
  }

  private func held(_ scalars: Scalars, _ rule: NumberRule, _ category: Category?) throws(TensorError) -> Scalars {
    var held = Scalars()
    for i in 0..<scalars.count {
      let number = scalars[i]
      if rule.refuses(in: self) {
        let isWhole = number.double == number.double.rounded(.towardZero) && number.double.isFinite
        _ = try element(number, category ?? (isWhole ? .integer : .floatingPoint))
      }
      held.append(rule.rounds(in: self) ? nearest(number) : number)
    }
    return held
  }

  /// `number` as one of its elements is.
  private func nearest(_ number: Number) -> Number {
    switch self {
    case .bool: Number(number.double != 0)
    case .uint8: Number(Int64(UInt8(truncatingIfNeeded: number.integer)))
    case .int8: Number(Int64(Int8(truncatingIfNeeded: number.integer)))
    case .int16: Number(Int64(Int16(truncatingIfNeeded: number.integer)))
    case .int32: Number(Int64(Int32(truncatingIfNeeded: number.integer)))
    case .float16, .bfloat16: Number(roundedToHalf(number.double))
    case .int64, .float32, .float64: number
    }
  }

  /// `number` as the half types hold it.
  private func roundedToHalf(_ number: Double) -> Double {
    var element: UInt16 = 0
    return withUnsafeMutableBytes(of: &element) { bytes in
      let place = Elements(bytes.baseAddress!, Layout([]), self)
      place.fillOnProcessor(Number(number))
      var wide = 0.0
      withUnsafeMutableBytes(of: &wide) { place.copyOnProcessor(to: Elements($0.baseAddress!, Layout([]), .float64)) }
      return wide
    }
  }
}
