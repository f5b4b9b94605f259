/// A call that shows what a row does, as torch writes it and as Flambeau does. The tests draw the operands, ask torch, and
/// vary dtypes, layouts and shapes.
struct Sample: Sendable {
  /// Torch's expression over operands a, b, c …
  private(set) var torch: String
  /// The same, half types judged by torch's half types.
  let plainTorch: String
  let operands: [SampleOperand]
  /// The operands may have any shapes that broadcast: the tests also try scalars, empty and stretched ones.
  let isPointwise: Bool
  let call: @Sendable ([Tensor]) -> [Tensor]
  /// How far float64 may be off at least, relative to torch, where torch computes with constants of float32.
  private(set) var relativeTolerance = 0.0

  /// Its numbers are random: those of a seed, which are others on a GPU.
  var draws: Bool { torch.contains("torch.manual_seed(") }

  func within(relative: Double) -> Sample {
    var result = self
    result.relativeTolerance = relative
    return result
  }

  /// The same, half types judged by torch's float32: where torch rounds every sum of theirs.
  var widened: Sample {
    let names = operands.indices.map { String(UnicodeScalar(UInt8(97 + $0))) }.joined(separator: ", ")
    var result = self
    result.torch =
      "(lambda f, *x: f(*(y.float() for y in x)).to(x[0].dtype) if x[0].dtype in (torch.half, torch.bfloat16) else f(*x))"
      + "(lambda \(names): \(torch), \(names))"
    return result
  }

  init(_ torch: String, _ operands: [SampleOperand], _ call: @escaping @Sendable ([Tensor]) -> Tensor) {
    self.init(torch, operands, isPointwise: false) { [call($0)] }
  }

  /// A call with several results.
  static func several(
    _ torch: String, _ operands: [SampleOperand], _ call: @escaping @Sendable ([Tensor]) -> [Tensor]
  ) -> Sample {
    Sample(torch, operands, isPointwise: false, call)
  }

  private init(
    _ torch: String, _ operands: [SampleOperand], isPointwise: Bool, _ call: @escaping @Sendable ([Tensor]) -> [Tensor]
  ) {
    (self.torch, plainTorch) = (torch, torch)
    self.operands = operands
    self.isPointwise = isPointwise
    self.call = call
  }

  /// Element by element, of operands with values in `ranges`.
  static func pointwise(
    _ torch: String, _ ranges: ClosedRange<Double>..., call: @escaping @Sendable ([Tensor]) -> Tensor
  ) -> Sample {
    Sample(torch, ranges.map { .real([3, 4], $0) }, isPointwise: true) { [call($0)] }
  }

  static func unary(
    _ torch: String, _ range: ClosedRange<Double> = -2...2, call: @escaping @Sendable (Tensor) -> Tensor
  ) -> Sample {
    Sample(torch, [.real([3, 4], range)], isPointwise: true) { [call($0[0])] }
  }

  static func binary(
    _ torch: String, _ a: ClosedRange<Double> = -2...2, _ b: ClosedRange<Double> = -2...2,
    call: @escaping @Sendable (Tensor, Tensor) -> Tensor
  ) -> Sample {
    Sample(torch, [.real([3, 4], a), .real([3, 4], b)], isPointwise: true) { [call($0[0], $0[1])] }
  }
}

/// An operand the tests draw.
struct SampleOperand: Sendable {
  enum Values: Sendable {
    /// In the dtype that is tried; whole numbers in integer types.
    case real(ClosedRange<Double>)
    /// int64, whatever dtype is tried.
    case integers(ClosedRange<Int>)
    /// bool, whatever dtype is tried.
    case mask
  }

  let shape: Shape
  let values: Values
  /// A gradient is asked for it, if its dtype has one.
  private(set) var isDifferentiable = true

  /// One whose gradient torch has not.
  var withoutGradient: SampleOperand {
    var result = self
    result.isDifferentiable = false
    return result
  }

  static func real(_ shape: Shape, _ range: ClosedRange<Double> = -2...2) -> SampleOperand {
    SampleOperand(shape: shape, values: .real(range))
  }
  static func integers(_ shape: Shape, _ range: ClosedRange<Int>) -> SampleOperand {
    SampleOperand(shape: shape, values: .integers(range))
  }
  static func mask(_ shape: Shape) -> SampleOperand { SampleOperand(shape: shape, values: .mask) }
}
