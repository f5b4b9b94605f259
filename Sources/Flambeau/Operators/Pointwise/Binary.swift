// Functions of two numbers beyond arithmetic.
struct Binary: Sendable {
  let pow: BinaryRow = BinaryRow(
    "pow", .promoted, numbers: .checked,
    samples: [
      .binary("torch.pow(a, b)", 0.3...2, -2...2) { $0.pow($1) },
      .unary("torch.pow(a, 2)", 0.3...2) { $0.pow(2) },
      .unary("torch.pow(a, 1.5)", 0.3...2) { $0.pow(1.5) },
      .binary("a.clone().pow_(b)", 0.3...2, -2...2) { $0.clone().pow_($1) },
    ]
  ) { Flambeau.pow($0, $1) }
  let remainder: BinaryRow = BinaryRow(
    "remainder", .promoted, divides: true,
    samples: [
      .binary("torch.remainder(a, b)", -3...3, 0.6...2) { $0.remainder($1) },
      .unary("torch.remainder(a, 2)", -3...3) { $0.remainder(2) },
      .unary("torch.remainder(a, 1.5)", -3...3) { $0.remainder(1.5) },
      .binary("a.clone().remainder_(b)", -3...3, 0.6...2) { $0.clone().remainder_($1) },
    ]
  ) { Flambeau.remainder($0, $1) }
  let fmod: BinaryRow = BinaryRow(
    "fmod", .promoted, divides: true,
    samples: [
      .binary("torch.fmod(a, b)", -3...3, 0.6...2) { $0.fmod($1) },
      .unary("torch.fmod(a, 2)", -3...3) { $0.fmod(2) },
      .unary("torch.fmod(a, 1.5)", -3...3) { $0.fmod(1.5) },
      .binary("a.clone().fmod_(b)", -3...3, 0.6...2) { $0.clone().fmod_($1) },
    ]
  ) { Flambeau.fmod($0, $1) }
  let floorDivide: BinaryRow = BinaryRow(
    "floor_divide", .promoted, numbers: .wrapped, divides: true,
    samples: [
      .binary("torch.floor_divide(a, b)", -3...3, 0.6...2) { $0.floorDivide($1) },
      .unary("torch.floor_divide(a, 2)", -3...3) { $0.floorDivide(2) },
      .unary("torch.floor_divide(a, 1.5)", -3...3) { $0.floorDivide(1.5) },
      .binary("a.clone().floor_divide_(b)", -3...3, 0.6...2) { $0.clone().floorDivide_($1) },
    ]
  ) { floorDiv($0, $1) }
  let maximum: BinaryRow = BinaryRow(
    "maximum", .promoted,
    samples: [
      .binary("torch.maximum(a, b)", -2...2, -2...2) { $0.maximum($1) }
    ]
  ) { max($0, $1) }
  let minimum: BinaryRow = BinaryRow(
    "minimum", .promoted,
    samples: [
      .binary("torch.minimum(a, b)", -2...2, -2...2) { $0.minimum($1) }
    ]
  ) { min($0, $1) }
  let fmax: BinaryRow = BinaryRow(
    "fmax", .promoted,
    samples: [
      .binary("torch.fmax(a, b)", -2...2, -2...2) { $0.fmax($1) }
    ]
  ) { select(or(ge($0, $1), isNaN($1)), $0, $1) }
  let fmin: BinaryRow = BinaryRow(
    "fmin", .promoted,
    samples: [
      .binary("torch.fmin(a, b)", -2...2, -2...2) { $0.fmin($1) }
    ]
  ) { select(or(le($0, $1), isNaN($1)), $0, $1) }
  let atan2: BinaryRow = BinaryRow(
    "atan2", .floating,
    samples: [
      .binary("torch.atan2(a, b)", 0.3...2, 0.3...2) { $0.atan2($1) },
      .binary("a.clone().atan2_(b)", 0.3...2, 0.3...2) { $0.clone().atan2_($1) },
    ]
  ) { Flambeau.atan2($0, $1) }
  let hypot: BinaryRow = BinaryRow(
    "hypot", .promoted,
    samples: [
      .binary("torch.hypot(a, b)", 0.3...2, 0.3...2) { $0.hypot($1) },
      .binary("a.clone().hypot_(b)", 0.3...2, 0.3...2) { $0.clone().hypot_($1) },
    ]
  ) { Flambeau.hypot($0, $1) }
  let copysign: BinaryRow = BinaryRow(
    "copysign", .floating,
    samples: [
      .binary("torch.copysign(a, b)", 0.3...2, -2...2) { $0.copysign($1) },
      .unary("torch.copysign(a, 2)", 0.3...2) { $0.copysign(2) },
      .unary("torch.copysign(a, 1.5)", 0.3...2) { $0.copysign(1.5) },
      .binary("a.clone().copysign_(b)", 0.3...2, -2...2) { $0.clone().copysign_($1) },
    ]
  ) { Flambeau.copysign($0, $1) }
  let logAddExp: BinaryRow = BinaryRow(
    "logaddexp", .promoted,
    samples: [
      .binary("torch.logaddexp(a, b)", -2...2, -2...2) { $0.logAddExp($1) }
    ]
  ) { logSum($0, $1) }
  let xlogy: BinaryRow = BinaryRow(
    "xlogy", .floating,
    samples: [
      .binary("torch.xlogy(a, b)", -2...2, 0.3...2) { $0.xlogy($1) },
      .unary("torch.xlogy(a, 2)", -2...2) { $0.xlogy(2) },
      .unary("torch.xlogy(a, 1.5)", -2...2) { $0.xlogy(1.5) },
      .binary("a.clone().xlogy_(b)", -2...2, 0.3...2) { $0.clone().xlogy_($1) },
    ],
    Program(inputs: 2) { x, _ in
      Binary.timesLog(x[0], x[1])
    } derivatives: { x, _, _, g in
      [Binary.logSlope(x[0], x[1], g), g * x[0] / x[1]]
    },
    numberRight: Program(inputs: 1, scalars: 1) { x, s in
      Binary.timesLog(x[0], s[0])
    } derivatives: { x, s, _, g in
      [Binary.logSlope(x[0], s[0], g)]
    },
    numberLeft: Program(inputs: 1, scalars: 1) { x, s in
      Binary.timesLog(s[0], x[0])
    } derivatives: { x, s, _, g in
      [g * s[0] / x[0]]
    })
  let bitwiseAnd: BinaryRow = BinaryRow(
    "bitwise_and",
    samples: [
      .binary("a & b", -2...2, -2...2) { $0 & $1 }, .unary("a & 1") { $0 & 1 },
      .binary("a.clone().bitwise_and_(b)", -2...2, -2...2) { $0.clone().bitwiseAnd_($1) },
    ]
  ) { bitAnd($0, $1) }
  let bitwiseOr: BinaryRow = BinaryRow(
    "bitwise_or",
    samples: [
      .binary("a | b", -2...2, -2...2) { $0 | $1 }, .unary("a | 1") { $0 | 1 },
      .binary("a.clone().bitwise_or_(b)", -2...2, -2...2) { $0.clone().bitwiseOr_($1) },
    ]
  ) { bitOr($0, $1) }
  let bitwiseXor: BinaryRow = BinaryRow(
    "bitwise_xor",
    samples: [
      .binary("a ^ b", -2...2, -2...2) { $0 ^ $1 }, .unary("a ^ 1") { $0 ^ 1 },
      .binary("a.clone().bitwise_xor_(b)", -2...2, -2...2) { $0.clone().bitwiseXor_($1) },
    ]
  ) { bitXor($0, $1) }
  let bitwiseLeftShift: BinaryRow = BinaryRow(
    "bitwise_left_shift",
    samples: [
      .binary("a << b", -2...2, 0...3) { $0 << $1 }, .unary("a << 1") { $0 << 1 },
      .binary("a.clone().bitwise_left_shift_(b)", -2...2, 0...3) { $0.clone().bitwiseLeftShift_($1) },
    ]
  ) { shiftLeft($0, $1) }
  let bitwiseRightShift: BinaryRow = BinaryRow(
    "bitwise_right_shift",
    samples: [
      .binary("a >> b", -2...2, 0...3) { $0 >> $1 }, .unary("a >> 1") { $0 >> 1 },
      .binary("a.clone().bitwise_right_shift_(b)", -2...2, 0...3) { $0.clone().bitwiseRightShift_($1) },
    ]
  ) { shiftRight($0, $1) }

  /// x log y, 0 where x is 0 and y a number.
  private static func timesLog(_ x: Scalar, _ y: Scalar) -> Scalar {
    select(isNaN(y), y, select(eq(x, 0), 0, x * log(y)))
  }

  /// Its gradient for x.
  private static func logSlope(_ x: Scalar, _ y: Scalar, _ g: Scalar) -> Scalar {
    let slope = log(y)
    let isNothing = or(and(eq(x, 0), le(y, 0)), and(eq(g, 0), or(isInf(slope), lt(y, 0))))
    return select(isNothing, 0, g * slope)
  }

  /// log(eᵃ + eᵇ); equal infinities have no difference.
  private static func logSum(_ a: Scalar, _ b: Scalar) -> Scalar {
    let high = max(a, b)
    return select(and(isInf(a), eq(a, b)), a, high + log1p(exp(-abs(a - b))))
  }
}

extension Tensor {
  /// This to the power `other`. Torch's `pow`.
  public consuming func pow(_ other: consuming Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.pow(consume self, consume other, at: CallSite(file, line))
  }

  /// The same with a number.
  public consuming func pow(_ other: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.pow(consume self, Number(other), .floatingPoint, at: CallSite(file, line))
  }

  /// The same with a number.
  public consuming func pow(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.pow(consume self, Number(other), .integer, at: CallSite(file, line))
  }

  /// What is left of division, with the divisor's sign. Torch's `remainder`.
  public consuming func remainder(_ other: consuming Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.remainder(consume self, consume other, at: CallSite(file, line))
  }

  /// The same with a number.
  public consuming func remainder(_ other: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.remainder(consume self, Number(other), .floatingPoint, at: CallSite(file, line))
  }

  /// The same with a number.
  public consuming func remainder(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.remainder(consume self, Number(other), .integer, at: CallSite(file, line))
  }

  /// What is left of division, with the dividend's sign. Torch's `fmod`.
  public consuming func fmod(_ other: consuming Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.fmod(consume self, consume other, at: CallSite(file, line))
  }

  /// The same with a number.
  public consuming func fmod(_ other: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.fmod(consume self, Number(other), .floatingPoint, at: CallSite(file, line))
  }

  /// The same with a number.
  public consuming func fmod(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.fmod(consume self, Number(other), .integer, at: CallSite(file, line))
  }

  /// The quotient rounded down. Torch's `floor_divide`.
  public consuming func floorDivide(_ other: consuming Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.floorDivide(consume self, consume other, at: CallSite(file, line))
  }

  /// The same with a number.
  public consuming func floorDivide(_ other: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.floorDivide(consume self, Number(other), .floatingPoint, at: CallSite(file, line))
  }

  /// The same with a number.
  public consuming func floorDivide(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.floorDivide(consume self, Number(other), .integer, at: CallSite(file, line))
  }

  /// The greater element; NaN if one is. Torch's `maximum`.
  public consuming func maximum(_ other: consuming Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.maximum(consume self, consume other, at: CallSite(file, line))
  }

  /// The lesser element; NaN if one is. Torch's `minimum`.
  public consuming func minimum(_ other: consuming Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.minimum(consume self, consume other, at: CallSite(file, line))
  }

  /// The greater element; the other one where one is NaN. Torch's `fmax`.
  public consuming func fmax(_ other: consuming Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.fmax(consume self, consume other, at: CallSite(file, line))
  }

  /// The lesser element; the other one where one is NaN. Torch's `fmin`.
  public consuming func fmin(_ other: consuming Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.fmin(consume self, consume other, at: CallSite(file, line))
  }

  /// The angle of the point (other, self). Torch's `atan2`.
  public consuming func atan2(_ other: consuming Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.atan2(consume self, consume other, at: CallSite(file, line))
  }

  /// √(self² + other²). Torch's `hypot`.
  public consuming func hypot(_ other: consuming Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.hypot(consume self, consume other, at: CallSite(file, line))
  }

  /// The magnitude of this with the sign of `other`. Torch's `copysign`.
  public consuming func copysign(_ other: consuming Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.copysign(consume self, consume other, at: CallSite(file, line))
  }

  /// The same with a number.
  public consuming func copysign(_ other: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.copysign(consume self, Number(other), .floatingPoint, at: CallSite(file, line))
  }

  /// The same with a number.
  public consuming func copysign(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.copysign(consume self, Number(other), .integer, at: CallSite(file, line))
  }

  /// log(eᵃ + eᵇ), without overflow. Torch's `logaddexp`.
  public consuming func logAddExp(_ other: consuming Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.logAddExp(consume self, consume other, at: CallSite(file, line))
  }

  /// self · log(other), 0 where this is 0. Torch's `xlogy`.
  public consuming func xlogy(_ other: consuming Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.xlogy(consume self, consume other, at: CallSite(file, line))
  }

  /// The same with a number.
  public consuming func xlogy(_ other: Double, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.xlogy(consume self, Number(other), .floatingPoint, at: CallSite(file, line))
  }

  /// The same with a number.
  public consuming func xlogy(_ other: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.binary.xlogy(consume self, Number(other), .integer, at: CallSite(file, line))
  }

  /// The remainder, with the divisor's sign, element by element, of what both broadcast to.
  public static func % (a: consuming Tensor, b: consuming Tensor) -> Tensor { ops.binary.remainder(a, b) }
  /// The same with a number.
  public static func % (a: consuming Tensor, b: Double) -> Tensor { ops.binary.remainder(a, Number(b), .floatingPoint) }
  /// The same with a number.
  public static func % (a: consuming Tensor, b: Int) -> Tensor { ops.binary.remainder(a, Number(b), .integer) }

  /// Bit by bit. Torch's `bitwise_and`.
  public static func & (a: consuming Tensor, b: consuming Tensor) -> Tensor { ops.binary.bitwiseAnd(a, b) }
  /// The same with a number.
  public static func & (a: consuming Tensor, b: Int) -> Tensor { ops.binary.bitwiseAnd(a, Number(b), .integer) }
  /// Bit by bit. Torch's `bitwise_or`.
  public static func | (a: consuming Tensor, b: consuming Tensor) -> Tensor { ops.binary.bitwiseOr(a, b) }
  /// The same with a number.
  public static func | (a: consuming Tensor, b: Int) -> Tensor { ops.binary.bitwiseOr(a, Number(b), .integer) }
  /// Bit by bit. Torch's `bitwise_xor`.
  public static func ^ (a: consuming Tensor, b: consuming Tensor) -> Tensor { ops.binary.bitwiseXor(a, b) }
  /// The same with a number.
  public static func ^ (a: consuming Tensor, b: Int) -> Tensor { ops.binary.bitwiseXor(a, Number(b), .integer) }
  /// Bit by bit. Torch's `bitwise_left_shift`.
  public static func << (a: consuming Tensor, b: consuming Tensor) -> Tensor { ops.binary.bitwiseLeftShift(a, b) }
  /// The same with a number.
  public static func << (a: consuming Tensor, b: Int) -> Tensor { ops.binary.bitwiseLeftShift(a, Number(b), .integer) }
  /// Bit by bit. Torch's `bitwise_right_shift`.
  public static func >> (a: consuming Tensor, b: consuming Tensor) -> Tensor { ops.binary.bitwiseRightShift(a, b) }
  /// The same with a number.
  public static func >> (a: consuming Tensor, b: Int) -> Tensor { ops.binary.bitwiseRightShift(a, Number(b), .integer) }
}
