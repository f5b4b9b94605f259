import CKernels

// What dtype an operation computes in, torch's `result_type`.

/// How a row turns its operands' dtypes into its result's.
enum TypeRule: Sendable {
  /// The promoted dtype.
  case promoted
  /// The promoted dtype; integers and booleans become float32.
  case floating
  /// Compared in the promoted dtype; the result is bool.
  case boolean
}

extension DType {
  /// The dtype of an operation on `operands` and numbers of category `number`.
  ///
  /// Tensors with dimensions decide; a scalar tensor counts only where its category is higher, a number last.
  static func common(_ operands: Few<Tensor>, number: Category? = nil) -> DType {
    if let first = operands[0]?.body, first.layout.rank > 0, number.map({ $0 <= first.dtype.category }) ?? true {
      var isSame = true
      for i in 1..<Swift.max(operands.count, 1) { isSame = isSame && operands[i]?.body.dtype == first.dtype }
      if isSame { return first.dtype }
    }
    var dimensioned: DType?
    var scalar: DType?
    for i in 0..<operands.count {
      guard let body = operands[i]?.body else { continue }
      if body.layout.rank > 0 {
        dimensioned = dimensioned.map { $0.promoted(with: body.dtype) } ?? body.dtype
      } else {
        scalar = scalar.map { $0.promoted(with: body.dtype) } ?? body.dtype
      }
    }
    return combine(dimensioned, combine(scalar, number?.defaultDType))!
  }

  private static func combine(_ higher: DType?, _ lower: DType?) -> DType? {
    guard let higher else { return lower }
    guard let lower, !higher.isFloatingPoint else { return higher }
    return higher == .bool || lower.isFloatingPoint ? higher.promoted(with: lower) : higher
  }

  /// The class programs compute this dtype in.
  @inline(__always)
  var computeClass: ComputeClass { self == .float64 ? fb_f64 : isFloatingPoint ? fb_f32 : fb_i64 }
}

extension DType.Category {
  /// What a number literal of this category is as a tensor.
  var defaultDType: DType {
    switch self {
    case .bool: .bool
    case .integer: .int64
    case .floatingPoint: .float32
    }
  }
}
