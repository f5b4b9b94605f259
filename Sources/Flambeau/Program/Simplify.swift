import CKernels

// What can be decided while an expression is written. Nothing here changes a bit of any result.
extension Scalar {
  private static let one = Number(1)
  private static let zero = Number(0)

  /// The simpler expression of the same value in every compute class; nil if there is none.
  static func simplified(_ primitive: Primitive, _ a: Scalar, _ b: Scalar?, _ c: Scalar?) -> Scalar? {
    if let folded = fold(primitive, a.constant, b?.constant) { return Scalar(folded) }
    switch primitive {
    case fb_copy: return a
    case fb_neg:
      if case .apply(fb_neg, let inner, _, _) = a.node.kind { return inner }
    case fb_mul:
      if a.constant == one { return b }
      if b?.constant == one { return a }
      if a.constant == Number(-1) { return .apply(fb_neg, b!) }
      if b?.constant == Number(-1) { return .apply(fb_neg, a) }
    case fb_div:
      if b?.constant == one { return a }
    case fb_sub:
      if b?.constant == zero { return a }
    case fb_pow:
      if b?.constant == one { return a }
      if b?.constant == Number(2) { return .apply(fb_square, a) }
    case fb_select:
      if let b, let c, b.node === c.node { return b }
    default: break
    }
    return nil
  }

  private static let exactUnary: [Primitive: @Sendable (Double) -> Double] = [
    fb_neg: { -$0 }, fb_abs: { Swift.abs($0) }, fb_square: { $0 * $0 },
  ]
  private static let exactBinary: [Primitive: @Sendable (Double, Double) -> Double] = [
    fb_add: { $0 + $1 }, fb_sub: { $0 - $1 }, fb_mul: { $0 * $1 }, fb_min: { Swift.min($0, $1) },
    fb_max: { Swift.max($0, $1) },
  ]

  /// Folds where every class gives the same answer: arithmetic of small integers, signs of anything finite.
  private static func fold(_ primitive: Primitive, _ a: Number?, _ b: Number?) -> Number? {
    guard let a else { return nil }
    let result: Number
    if let function = exactUnary[primitive] {
      if primitive != fb_square && a.double.isFinite && !a.isSmallInteger && a.integer == Number(a.double).integer {
        return Number(function(a.double))
      }
      guard a.isSmallInteger else { return nil }
      result = Number(function(a.double))
    } else if let function = exactBinary[primitive], let b {
      guard a.isSmallInteger, b.isSmallInteger else { return nil }
      result = Number(function(a.double, b.double))
    } else {
      return nil
    }
    // -0 exists in floating point only.
    return result.isSmallInteger && !(result.double == 0 && result.double.sign == .minus) ? result : nil
  }
}
