// Comparisons and logic: the result is bool.
struct Comparisons: Sendable {
  let eq: BinaryRow = BinaryRow(
    "eq", .boolean,
    samples: [
      .binary("a == b") { $0 .== $1 }, .unary("a == 1") { $0 .== 1 }, .unary("a == 0.5") { $0 .== 0.5 },
      .binary("a.detach().clone().eq_(b)") { $0.detach().clone().eq_($1) },
      .unary("a.detach().clone().eq_(1)") { $0.detach().clone().eq_(1) },
    ]
  ) { Flambeau.eq($0, $1) }
  let ne: BinaryRow = BinaryRow(
    "ne", .boolean,
    samples: [
      .binary("a != b") { $0 .!= $1 }, .unary("a != 1") { $0 .!= 1 }, .unary("a != 0.5") { $0 .!= 0.5 },
      .binary("a.detach().clone().ne_(b)") { $0.detach().clone().ne_($1) },
      .unary("a.detach().clone().ne_(1)") { $0.detach().clone().ne_(1) },
    ]
  ) { Flambeau.ne($0, $1) }
  let lt: BinaryRow = BinaryRow(
    "lt", .boolean,
    samples: [
      .binary("a < b") { $0 .< $1 }, .unary("a < 1") { $0 .< 1 }, .unary("a < 0.5") { $0 .< 0.5 },
      .binary("a.detach().clone().lt_(b)") { $0.detach().clone().lt_($1) },
      .unary("a.detach().clone().lt_(1)") { $0.detach().clone().lt_(1) },
    ]
  ) { Flambeau.lt($0, $1) }
  let le: BinaryRow = BinaryRow(
    "le", .boolean,
    samples: [
      .binary("a <= b") { $0 .<= $1 }, .unary("a <= 1") { $0 .<= 1 }, .unary("a <= 0.5") { $0 .<= 0.5 },
      .binary("a.detach().clone().le_(b)") { $0.detach().clone().le_($1) },
      .unary("a.detach().clone().le_(1)") { $0.detach().clone().le_(1) },
    ]
  ) { Flambeau.le($0, $1) }
  let gt: BinaryRow = BinaryRow(
    "gt", .boolean,
    samples: [
      .binary("a > b") { $0 .> $1 }, .unary("a > 1") { $0 .> 1 }, .unary("a > 0.5") { $0 .> 0.5 },
      .binary("a.detach().clone().gt_(b)") { $0.detach().clone().gt_($1) },
      .unary("a.detach().clone().gt_(1)") { $0.detach().clone().gt_(1) },
    ]
  ) { Flambeau.gt($0, $1) }
  let ge: BinaryRow = BinaryRow(
    "ge", .boolean,
    samples: [
      .binary("a >= b") { $0 .>= $1 }, .unary("a >= 1") { $0 .>= 1 }, .unary("a >= 0.5") { $0 .>= 0.5 },
      .binary("a.detach().clone().ge_(b)") { $0.detach().clone().ge_($1) },
      .unary("a.detach().clone().ge_(1)") { $0.detach().clone().ge_(1) },
    ]
  ) { Flambeau.ge($0, $1) }
  let logicalAnd: BinaryRow = BinaryRow(
    "logical_and", .boolean,
    samples: [
      .binary("torch.logical_and(a, b)") { $0.logicalAnd($1) },
      .binary("a.detach().clone().logical_and_(b.detach())") { $0.detach().clone().logicalAnd_($1.detach()) },
    ]
  ) { Flambeau.and($0, $1) }
  let logicalOr: BinaryRow = BinaryRow(
    "logical_or", .boolean,
    samples: [
      .binary("torch.logical_or(a, b)") { $0.logicalOr($1) },
      .binary("a.detach().clone().logical_or_(b.detach())") { $0.detach().clone().logicalOr_($1.detach()) },
    ]
  ) { Flambeau.or($0, $1) }
  let logicalXor: BinaryRow = BinaryRow(
    "logical_xor", .boolean,
    samples: [
      .binary("torch.logical_xor(a, b)") { $0.logicalXor($1) },
      .binary("a.detach().clone().logical_xor_(b.detach())") { $0.detach().clone().logicalXor_($1.detach()) },
    ]
  ) { Flambeau.xor($0, $1) }
}

// Element by element; spelled as Swift's SIMD types spell it.
extension Tensor {
  /// Where the elements are equal. Torch's `eq`.
  public static func .== (a: Tensor, b: Tensor) -> Tensor { ops.comparisons.eq(a, b) }
  /// The same with a number.
  public static func .== (a: Tensor, b: Double) -> Tensor { ops.comparisons.eq(a, Number(b), .floatingPoint) }
  /// The same with a number.
  public static func .== (a: Tensor, b: Int) -> Tensor { ops.comparisons.eq(a, Number(b), .integer) }
  /// Where the elements differ. Torch's `ne`.
  public static func .!= (a: Tensor, b: Tensor) -> Tensor { ops.comparisons.ne(a, b) }
  /// The same with a number.
  public static func .!= (a: Tensor, b: Double) -> Tensor { ops.comparisons.ne(a, Number(b), .floatingPoint) }
  /// The same with a number.
  public static func .!= (a: Tensor, b: Int) -> Tensor { ops.comparisons.ne(a, Number(b), .integer) }
  /// Where this is less. Torch's `lt`.
  public static func .< (a: Tensor, b: Tensor) -> Tensor { ops.comparisons.lt(a, b) }
  /// The same with a number.
  public static func .< (a: Tensor, b: Double) -> Tensor { ops.comparisons.lt(a, Number(b), .floatingPoint) }
  /// The same with a number.
  public static func .< (a: Tensor, b: Int) -> Tensor { ops.comparisons.lt(a, Number(b), .integer) }
  /// Where this is less or equal. Torch's `le`.
  public static func .<= (a: Tensor, b: Tensor) -> Tensor { ops.comparisons.le(a, b) }
  /// The same with a number.
  public static func .<= (a: Tensor, b: Double) -> Tensor { ops.comparisons.le(a, Number(b), .floatingPoint) }
  /// The same with a number.
  public static func .<= (a: Tensor, b: Int) -> Tensor { ops.comparisons.le(a, Number(b), .integer) }
  /// Where this is greater. Torch's `gt`.
  public static func .> (a: Tensor, b: Tensor) -> Tensor { ops.comparisons.gt(a, b) }
  /// The same with a number.
  public static func .> (a: Tensor, b: Double) -> Tensor { ops.comparisons.gt(a, Number(b), .floatingPoint) }
  /// The same with a number.
  public static func .> (a: Tensor, b: Int) -> Tensor { ops.comparisons.gt(a, Number(b), .integer) }
  /// Where this is greater or equal. Torch's `ge`.
  public static func .>= (a: Tensor, b: Tensor) -> Tensor { ops.comparisons.ge(a, b) }
  /// The same with a number.
  public static func .>= (a: Tensor, b: Double) -> Tensor { ops.comparisons.ge(a, Number(b), .floatingPoint) }
  /// The same with a number.
  public static func .>= (a: Tensor, b: Int) -> Tensor { ops.comparisons.ge(a, Number(b), .integer) }

  /// Where the elements are equal. Torch's `eq`.
  public func eq(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.eq(self, other, at: CallSite(file, line))
  }
  /// Where the elements differ. Torch's `ne`.
  public func ne(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.ne(self, other, at: CallSite(file, line))
  }
  /// Where this is less. Torch's `lt`.
  public func lt(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.lt(self, other, at: CallSite(file, line))
  }
  /// Where this is less or equal. Torch's `le`.
  public func le(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.le(self, other, at: CallSite(file, line))
  }
  /// Where this is greater. Torch's `gt`.
  public func gt(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.gt(self, other, at: CallSite(file, line))
  }
  /// Where this is greater or equal. Torch's `ge`.
  public func ge(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.ge(self, other, at: CallSite(file, line))
  }
  /// Where both are not 0. Torch's `logical_and`.
  public func logicalAnd(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.logicalAnd(self, other, at: CallSite(file, line))
  }
  /// Where one is not 0. Torch's `logical_or`.
  public func logicalOr(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.logicalOr(self, other, at: CallSite(file, line))
  }
  /// Where exactly one is not 0. Torch's `logical_xor`.
  public func logicalXor(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.comparisons.logicalXor(self, other, at: CallSite(file, line))
  }
}
