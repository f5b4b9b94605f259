/// How a quotient becomes whole.
public enum RoundingMode: Sendable {
  /// Towards 0.
  case trunc
  /// Down.
  case floor
}

// Quotients that are whole numbers, and what divides integers.
struct Divisions: Sendable {
  let trunc: BinaryRow = BinaryRow(
    "div", divides: true,
    samples: [
      .binary("torch.div(a, b, rounding_mode='trunc')", -3...3, 0.6...2) { $0.div($1, rounding: .trunc) },
      .unary("torch.div(a, 2, rounding_mode='trunc')", -3...3) { $0.div(2, rounding: .trunc) },
      .binary("torch.div(a, b, rounding_mode='floor')", -3...3, 0.6...2) { $0.div($1, rounding: .floor) },
      .unary("torch.div(a, 1.5, rounding_mode='floor')", -3...3) { $0.div(1.5, rounding: .floor) },
      .binary("a.clone().div_(b, rounding_mode='trunc')", -3...3, 0.6...2) { $0.clone().div_($1, rounding: .trunc) },
      .binary("a.clone().div_(b, rounding_mode='floor')", -3...3, 0.6...2) { $0.clone().div_($1, rounding: .floor) },
    ]
  ) { Flambeau.trunc($0 / $1) }
  /// What is left of the dividend is taken away first, so that the division leaves nothing.
  let truncIntegers: BinaryRow = BinaryRow(
    "div", divides: true,
    samples: [.unary("torch.div(a.long() * 3, -2, rounding_mode='trunc')") { ($0.to(.int64) * 3).div(-2, rounding: .trunc) }]
  ) { floorDiv($0 - Flambeau.fmod($0, $1), $1) }

  let gcd: BinaryRow = BinaryRow(
    "gcd", refusal: Divisions.integers("gcd"),
    samples: [
      .binary("torch.gcd(a * 6, b * 4)") { ($0 * 6).gcd($1 * 4) },
      .binary("a.clone().gcd_(b)") { $0.clone().gcd_($1) },
    ]
  ) { Flambeau.gcd($0, $1) }
  let lcm: BinaryRow = BinaryRow(
    "lcm", refusal: Divisions.integers("lcm"),
    samples: [
      .binary("torch.lcm(a * 6, b * 4)") { ($0 * 6).lcm($1 * 4) },
      .binary("a.clone().lcm_(b)") { $0.clone().lcm_($1) },
    ]
  ) { abs(floorDiv($0, Flambeau.gcd($0, $1)) * $1) }

  /// Floating point, or of booleans alone.
  private static func integers(_ name: String) -> @Sendable (DType) -> String? {
    { $0.isFloatingPoint ? "\"\(name)_cpu\" not implemented for '\($0.torchScalarName)'" : nil }
  }

  fileprivate func row(_ rounding: RoundingMode, isFloatingPoint: Bool) -> BinaryRow {
    rounding == .floor ? ops.binary.floorDivide : isFloatingPoint ? trunc : truncIntegers
  }
}

extension Tensor {
  /// The quotient rounded to a whole number; integers divided by 0 give 0. Torch's `div` with a `rounding_mode`.
  public func div(
    _ other: Tensor, rounding: RoundingMode, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let isReal = dtype.isFloatingPoint || other.dtype.isFloatingPoint
    return ops.divisions.row(rounding, isFloatingPoint: isReal)(self, other, at: CallSite(file, line))
  }

  /// The quotient, rounded as said. Torch's `div`.
  public func div(
    _ other: Double, rounding: RoundingMode, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    ops.divisions.row(rounding, isFloatingPoint: true)(self, Number(other), .floatingPoint, at: CallSite(file, line))
  }

  /// The quotient, rounded as said. Torch's `div`.
  public func div(
    _ other: Int, rounding: RoundingMode, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    ops.divisions.row(rounding, isFloatingPoint: dtype.isFloatingPoint)(
      self, Number(other), .integer, at: CallSite(file, line))
  }

  /// ``div(_:rounding:file:line:)-(Tensor,_,_,_)`` in place. Torch's `div_` with a `rounding_mode`.
  @discardableResult
  public func div_(
    _ other: Tensor, rounding: RoundingMode, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let isReal = dtype.isFloatingPoint || other.dtype.isFloatingPoint
    return ops.divisions.row(rounding, isFloatingPoint: isReal).write(self, other, at: CallSite(file, line))
  }

  /// The quotient, rounded as said, in place.
  @discardableResult
  public func div_(
    _ other: Double, rounding: RoundingMode, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    ops.divisions.row(rounding, isFloatingPoint: true).write(
      self, Number(other), .floatingPoint, at: CallSite(file, line))
  }

  /// The quotient, rounded as said, in place.
  @discardableResult
  public func div_(
    _ other: Int, rounding: RoundingMode, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    ops.divisions.row(rounding, isFloatingPoint: dtype.isFloatingPoint).write(
      self, Number(other), .integer, at: CallSite(file, line))
  }

  /// The greatest common divisor, not negative. Integers only. Torch's `gcd`.
  public func gcd(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.divisions.gcd(self, other, at: CallSite(file, line))
  }
  /// The least common multiple, not negative; 0 where one is 0. Integers only. Torch's `lcm`.
  public func lcm(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.divisions.lcm(self, other, at: CallSite(file, line))
  }
  /// Torch's `gcd_`.
  @discardableResult
  public func gcd_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.divisions.gcd.write(self, other, at: CallSite(file, line))
  }
  /// Torch's `lcm_`.
  @discardableResult
  public func lcm_(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.divisions.lcm.write(self, other, at: CallSite(file, line))
  }
}
