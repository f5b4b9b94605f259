// Signs and special values of numbers, and their degrees and digits.
struct Signs: Sendable {
  let signBit: Operator<PointwiseArguments> = .map(
    "signbit", .boolean, Program { x in lt(copysign(1, x), 0) },
    samples: [.unary("torch.signbit(a)") { $0.signBit() }, .unary("torch.signbit(a * 0)") { ($0 * 0).signBit() }])
  /// Integers have no sign at 0.
  let isBelowZero: Operator<PointwiseArguments> = .map(
    "signbit", .boolean, Program { x in lt(x, 0) },
    samples: [.unary("torch.signbit(a.int())") { $0.to(.int32).signBit() }])
  let isPosInf: Operator<PointwiseArguments> = .map(
    "isposinf", .boolean, Program { x in and(isInf(x), gt(x, 0)) },
    samples: [.unary("torch.isposinf(a.float().log())", 0...1) { $0.to(.float32).log().isPosInf() }])
  let isNegInf: Operator<PointwiseArguments> = .map(
    "isneginf", .boolean, Program { x in and(isInf(x), lt(x, 0)) },
    samples: [.unary("torch.isneginf(a.float().log())", 0...1) { $0.to(.float32).log().isNegInf() }])
  /// The scalars stand for NaN, ∞ and −∞.
  let nanToNum: Operator<PointwiseArguments> = .map(
    "nan_to_num", .promoted,
    Program(inputs: 1, scalars: 3) { x, s in
      select(
        isNaN(x[0]), s[0],
        select(isInf(x[0]), select(gt(x[0], 0), s[1], s[2]), x[0]))
    },
    samples: [
      .unary("torch.nan_to_num(a)") { $0.nanToNum() },
      .unary("torch.nan_to_num((a * 3).round().log(), 2, 7, -9)") {
        ($0 * 3).round().log().nanToNum(nan: 2, posInf: 7, negInf: -9)
      },
      .unary("(a * 3).round().log().nan_to_num_()") { ($0 * 3).round().log().nanToNum_() },
    ])

  let deg2rad: Operator<PointwiseArguments> = .map(
    "deg2rad", .floating, Program { x in x * Scalar(Double.pi / 180) },
    samples: [.unary("torch.deg2rad(a)") { $0.deg2rad() }, .unary("a.clone().deg2rad_()") { $0.clone().deg2rad_() }])
  let rad2deg: Operator<PointwiseArguments> = .map(
    "rad2deg", .floating, Program { x in x * Scalar(180 / Double.pi) },
    samples: [.unary("torch.rad2deg(a)") { $0.rad2deg() }, .unary("a.clone().rad2deg_()") { $0.clone().rad2deg_() }])

  /// The scalars are a power of ten, and 1 where it multiplies first.
  let roundDecimals: Operator<PointwiseArguments> = .map(
    "round", .promoted,
    Program(inputs: 1, scalars: 2) { x, s in
      select(s[1], Flambeau.round(x[0] * s[0]) / s[0], Flambeau.round(x[0] / s[0]) * s[0])
    },
    refusal: { $0.isFloatingPoint ? nil : "\"round_cpu\" not implemented for '\($0.torchScalarName)'" },
    samples: [
      .unary("torch.round(a, decimals=2)") { $0.round(decimals: 2) },
      .unary("torch.round(a * 40, decimals=-1)") { ($0 * 40).round(decimals: -1) },
      .unary("a.clone().round_(decimals=1)") { $0.clone().round_(decimals: 1) },
    ])
}

extension Tensor {
  /// Where the sign is negative, of −0 too. Torch's `signbit`.
  public consuming func signBit() -> Tensor {
    dtype.isFloatingPoint ? ops.signs.signBit(consume self) : ops.signs.isBelowZero(consume self)
  }
  /// Where x is ∞. Torch's `isposinf`.
  public consuming func isPosInf() -> Tensor { ops.signs.isPosInf(consume self) }
  /// Where x is −∞. Torch's `isneginf`.
  public consuming func isNegInf() -> Tensor { ops.signs.isNegInf(consume self) }
  /// Degrees as radians. Torch's `deg2rad`.
  public consuming func deg2rad() -> Tensor { ops.signs.deg2rad(consume self) }
  /// Radians as degrees. Torch's `rad2deg`.
  public consuming func rad2deg() -> Tensor { ops.signs.rad2deg(consume self) }

  /// With numbers in the place of NaN and the infinities: 0, and the dtype's largest and smallest, by default. Torch's
  /// `nan_to_num`.
  public consuming func nanToNum(nan: Double = 0, posInf: Double? = nil, negInf: Double? = nil) -> Tensor {
    if !dtype.isFloatingPoint { return clone() }
    let arguments = dtype.replacements(nan, posInf, negInf)
    return ops.signs.nanToNum(consume self, arguments)
  }

  /// Rounded to `decimals` places after the point, or to tens before it where they are negative; halves to even. Torch's
  /// `round`.
  public func round(decimals: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.signs.roundDecimals(self, .decimals(decimals), at: CallSite(file, line))
  }

  /// Torch's `deg2rad_`.
  @discardableResult
  public func deg2rad_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.signs.deg2rad.write(self, at: CallSite(file, line))
  }
  /// Torch's `rad2deg_`.
  @discardableResult
  public func rad2deg_(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.signs.rad2deg.write(self, at: CallSite(file, line))
  }
  /// Torch's `nan_to_num_`.
  @discardableResult
  public func nanToNum_(
    nan: Double = 0, posInf: Double? = nil, negInf: Double? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    if !dtype.isFloatingPoint { return self }
    return ops.signs.nanToNum.write(Few(self), dtype.replacements(nan, posInf, negInf), at: CallSite(file, line))
  }
  /// Torch's `round_` with `decimals`.
  @discardableResult
  public func round_(decimals: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.signs.roundDecimals.write(Few(self), .decimals(decimals), at: CallSite(file, line))
  }
}

extension DType {
  fileprivate func replacements(_ nan: Double, _ posInf: Double?, _ negInf: Double?) -> PointwiseArguments {
    var scalars = Scalars(Number(nan), Number(posInf ?? largest))
    scalars.append(Number(negInf ?? -largest))
    return PointwiseArguments(scalars: scalars)
  }
}

extension PointwiseArguments {
  fileprivate static func decimals(_ count: Int) -> PointwiseArguments {
    let power = (0..<Swift.min(count.magnitude, 400)).reduce(1.0) { power, _ in power * 10 }
    return PointwiseArguments(scalars: Scalars(Number(power), Number(count >= 0)))
  }
}
