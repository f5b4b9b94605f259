/// A row of two operands, either of which may be a number.
struct BinaryRow: Sendable {
  let tensors: Operator<PointwiseArguments>
  let numberRight: Operator<PointwiseArguments>
  let numberLeft: Operator<PointwiseArguments>

  init(
    _ name: String, _ rule: TypeRule = .promoted, numbers: NumberRule = .element, divides: Bool = false,
    refusal: @escaping @Sendable (DType) -> String? = { _ in nil }, samples: [Sample] = [], _ body: (Scalar, Scalar) -> Scalar
  ) {
    self.init(
      name, rule, numbers: numbers, divides: divides, refusal: refusal, samples: samples, Program { a, b in body(a, b) },
      numberRight: Program(inputs: 1, scalars: 1) { x, s in body(x[0], s[0]) },
      numberLeft: Program(inputs: 1, scalars: 1) { x, s in body(s[0], x[0]) })
  }

  /// From programs of two tensors, of a tensor and a number, and of a number and a tensor. `divides`: integers are divided by
  /// the second.
  init(
    _ name: String, _ rule: TypeRule = .promoted, numbers: NumberRule = .element, divides: Bool = false,
    refusal: @escaping @Sendable (DType) -> String? = { _ in nil }, samples: [Sample] = [], _ both: Program, numberRight: Program,
    numberLeft: Program
  ) {
    tensors = .map(name, rule, both, divisor: divides ? .operand(1) : nil, refusal: refusal, samples: samples)
    self.numberRight = .map(
      name, rule, numberRight, numbers: numbers, divisor: divides ? .number : nil, refusal: refusal, samples: samples)
    self.numberLeft = .map(
      name, rule, numberLeft, numbers: numbers, divisor: divides ? .operand(0) : nil, refusal: refusal, samples: samples)
  }

  @inline(__always)
  func callAsFunction(_ a: consuming Tensor, _ b: consuming Tensor, at site: CallSite? = nil) -> Tensor {
    tensors(a, b, PointwiseArguments(), at: site)
  }

  @inline(__always)
  func callAsFunction(
    _ a: consuming Tensor, _ b: Number, _ category: DType.Category, at site: CallSite? = nil
  ) -> Tensor {
    numberRight(a, PointwiseArguments(scalars: Scalars(b), number: category), at: site)
  }

  @inline(__always)
  func callAsFunction(
    _ a: Number, _ category: DType.Category, _ b: consuming Tensor, at site: CallSite? = nil
  ) -> Tensor {
    numberLeft(b, PointwiseArguments(scalars: Scalars(a), number: category), at: site)
  }

  /// Writes the result into `a`.
  @discardableResult
  func write(_ a: Tensor, _ b: Tensor, at site: CallSite? = nil) -> Tensor {
    tensors.write(Few(a, b), PointwiseArguments(), at: site)
  }

  /// Writes the result over `target`.
  @discardableResult
  func write(_ a: Tensor, _ b: Tensor, over target: Tensor, at site: CallSite) -> Tensor {
    tensors.write(a, b, PointwiseArguments(), over: target, at: site)
  }

  @discardableResult
  func write(_ a: Tensor, _ b: Number, _ category: DType.Category, at site: CallSite? = nil) -> Tensor {
    numberRight.write(Few(a), PointwiseArguments(scalars: Scalars(b), number: category), at: site)
  }
}

struct Arithmetic: Sendable {
  let add: BinaryRow = BinaryRow(
    "add",
    samples: [
      .binary("a + b") { $0 + $1 }, .unary("a + 2") { $0 + 2 }, .unary("0.75 + a") { 0.75 + $0 },
      .binary("a.clone().add_(b)") { $0.clone().add_($1) },
    ]
  ) { $0 + $1 }
  let sub: BinaryRow = BinaryRow(
    "sub",
    refusal: Refusal.subtraction,
    samples: [
      .binary("a - b") { $0 - $1 }, .unary("a - 2") { $0 - 2 }, .unary("0.75 - a") { 0.75 - $0 },
      .binary("a.clone().sub_(b)") { $0.clone().sub_($1) },
    ]
  ) { $0 - $1 }
  let mul: BinaryRow = BinaryRow(
    "mul", numbers: .exact,
    samples: [
      .binary("a * b") { $0 * $1 }, .unary("a * 3") { $0 * 3 }, .unary("0.75 * a") { 0.75 * $0 },
      .binary("a.clone().mul_(b)") { $0.clone().mul_($1) },
    ]
  ) { $0 * $1 }
  let div: BinaryRow = BinaryRow(
    "div", .floating, numbers: .exact,
    samples: [
      .binary("a / b", -2...2, 0.25...2) { $0 / $1 }, .unary("a / 3") { $0 / 3 },
      .unary("0.75 / a", 0.25...2) { 0.75 / $0 },
      .binary("a.clone().div_(b)", -2...2, 0.25...2) { $0.clone().div_($1) },
    ]
  ) { $0 / $1 }
  let neg: Operator<PointwiseArguments> = .map(
    "neg", .promoted, Program { x in -x },
    refusal: {
      $0 == .bool
        ? "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the `~` "
          + "or `logical_not()` operator instead." : nil
    },
    samples: [.unary("-a") { -$0 }, .unary("a.clone().neg_()") { $0.clone().neg_() }])
}

/// Dtypes that rows do not take.
enum Refusal {
  static let subtraction: @Sendable (DType) -> String? = {
    $0 == .bool
      ? "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use the `~` or "
        + "`logical_not()` operator instead." : nil
  }
}

extension Tensor {
  /// The sum, element by element, of what both broadcast to.
  public static func + (a: consuming Tensor, b: consuming Tensor) -> Tensor { ops.arithmetic.add(a, b) }
  /// The difference, element by element, of what both broadcast to.
  public static func - (a: consuming Tensor, b: consuming Tensor) -> Tensor { ops.arithmetic.sub(a, b) }
  /// The product, element by element, of what both broadcast to.
  public static func * (a: consuming Tensor, b: consuming Tensor) -> Tensor { ops.arithmetic.mul(a, b) }
  /// The quotient, element by element, of what both broadcast to.
  public static func / (a: consuming Tensor, b: consuming Tensor) -> Tensor { ops.arithmetic.div(a, b) }
  /// The elements with the other sign. Torch's `neg`.
  public static prefix func - (a: consuming Tensor) -> Tensor { ops.arithmetic.neg(a) }

  /// The same with a number.
  public static func + (a: consuming Tensor, b: Double) -> Tensor { ops.arithmetic.add(a, Number(b), .floatingPoint) }
  /// The same with a number.
  public static func - (a: consuming Tensor, b: Double) -> Tensor { ops.arithmetic.sub(a, Number(b), .floatingPoint) }
  /// The same with a number.
  public static func * (a: consuming Tensor, b: Double) -> Tensor { ops.arithmetic.mul(a, Number(b), .floatingPoint) }
  /// The same with a number.
  public static func / (a: consuming Tensor, b: Double) -> Tensor { ops.arithmetic.div(a, Number(b), .floatingPoint) }
  /// The same with a number.
  public static func + (a: Double, b: consuming Tensor) -> Tensor { ops.arithmetic.add(Number(a), .floatingPoint, b) }
  /// The same with a number.
  public static func - (a: Double, b: consuming Tensor) -> Tensor { ops.arithmetic.sub(Number(a), .floatingPoint, b) }
  /// The same with a number.
  public static func * (a: Double, b: consuming Tensor) -> Tensor { ops.arithmetic.mul(Number(a), .floatingPoint, b) }
  /// The same with a number.
  public static func / (a: Double, b: consuming Tensor) -> Tensor { ops.arithmetic.div(Number(a), .floatingPoint, b) }

  /// The same with a number.
  public static func + (a: consuming Tensor, b: Int) -> Tensor { ops.arithmetic.add(a, Number(b), .integer) }
  /// The same with a number.
  public static func - (a: consuming Tensor, b: Int) -> Tensor { ops.arithmetic.sub(a, Number(b), .integer) }
  /// The same with a number.
  public static func * (a: consuming Tensor, b: Int) -> Tensor { ops.arithmetic.mul(a, Number(b), .integer) }
  /// The same with a number.
  public static func / (a: consuming Tensor, b: Int) -> Tensor { ops.arithmetic.div(a, Number(b), .integer) }
  /// The same with a number.
  public static func + (a: Int, b: consuming Tensor) -> Tensor { ops.arithmetic.add(Number(a), .integer, b) }
  /// The same with a number.
  public static func - (a: Int, b: consuming Tensor) -> Tensor { ops.arithmetic.sub(Number(a), .integer, b) }
  /// The same with a number.
  public static func * (a: Int, b: consuming Tensor) -> Tensor { ops.arithmetic.mul(Number(a), .integer, b) }
  /// The same with a number.
  public static func / (a: Int, b: consuming Tensor) -> Tensor { ops.arithmetic.div(Number(a), .integer, b) }
}
