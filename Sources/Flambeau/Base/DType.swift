/// The element type of a tensor. Torch's names.
public enum DType: UInt8, Sendable, Hashable, CaseIterable {
  /// True or false, a byte of 0 or 1.
  case bool
  /// 0 … 255.
  case uint8
  /// −128 … 127.
  case int8
  /// 16 bits with a sign.
  case int16
  /// 32 bits with a sign.
  case int32
  /// 64 bits with a sign; the dtype of integer literals and indices.
  case int64
  /// IEEE half precision: 11 significant bits, at most 65504.
  case float16
  /// 8 significant bits and the range of float32.
  case bfloat16
  /// Single precision, the default of floating-point tensors.
  case float32
  /// Double precision.
  case float64

  /// The bytes one element takes.
  public var byteCount: Int {
    switch self {
    case .bool, .uint8, .int8: 1
    case .int16, .float16, .bfloat16: 2
    case .int32, .float32: 4
    case .int64, .float64: 8
    }
  }

  /// A floating-point dtype.
  public var isFloatingPoint: Bool { rawValue >= DType.float16.rawValue }
  /// True for the integer types; `bool` is not one of them.
  public var isInteger: Bool { rawValue >= DType.uint8.rawValue && rawValue <= DType.int64.rawValue }
  /// A dtype with negative numbers.
  public var isSigned: Bool { self != .bool && self != .uint8 }
  /// True for the types that are stored in two bytes and computed in float32.
  public var isHalf: Bool { self == .float16 || self == .bfloat16 }

  /// Promotion's ladder: bool, then integers, then floating point.
  enum Category: Int, Comparable {
    case bool, integer, floatingPoint
    static func < (a: Category, b: Category) -> Bool { a.rawValue < b.rawValue }
  }

  var category: Category { self == .bool ? .bool : (isInteger ? .integer : .floatingPoint) }

  /// The type that holds both, as `torch.promote_types`.
  public func promoted(with other: DType) -> DType {
    if self == other { return self }
    let (low, high) = rawValue < other.rawValue ? (self, other) : (other, self)
    if low.category != high.category { return high }
    if low == .uint8 { return high == .int8 ? .int16 : high }
    if low == .float16 && high == .bfloat16 { return .float32 }
    return high
  }

  /// What a function of real numbers returns for operands of this type: itself if floating point, else float32.
  var floating: DType { isFloatingPoint ? self : .float32 }

  /// The legacy tensor class torch's messages use, such as `Float` or `Long`.
  var torchScalarName: String {
    switch self {
    case .bool: "Bool"
    case .uint8: "Byte"
    case .int8: "Char"
    case .int16: "Short"
    case .int32: "Int"
    case .int64: "Long"
    case .float16: "Half"
    case .bfloat16: "BFloat16"
    case .float32: "Float"
    case .float64: "Double"
    }
  }
}

extension DType {
  /// The C++ type torch's messages about products name.
  var torchElementName: String {
    switch self {
    case .bool: "bool"
    case .uint8: "unsigned char"
    case .int8: "signed char"
    case .int16: "short int"
    case .int32: "int"
    case .int64: "long int"
    case .float16: "c10::Half"
    case .bfloat16: "c10::BFloat16"
    case .float32: "float"
    case .float64: "double"
    }
  }
}

extension DType: CustomStringConvertible {
  public var description: String {
    switch self {
    case .bool: "bool"
    case .uint8: "uint8"
    case .int8: "int8"
    case .int16: "int16"
    case .int32: "int32"
    case .int64: "int64"
    case .float16: "float16"
    case .bfloat16: "bfloat16"
    case .float32: "float32"
    case .float64: "float64"
    }
  }
}
