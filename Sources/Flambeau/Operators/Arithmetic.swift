/// A row of two operands, either of which may be a number.
struct BinaryRow: Sendable {
  let tensors: Operator<PointwiseArguments>
  private let numberRight: Operator<PointwiseArguments>
  private let numberLeft: Operator<PointwiseArguments>

  init(
    _ name: String, _ rule: TypeRule = .promoted, refusal: @escaping @Sendable (DType) -> String? = { _ in nil },
    _ body: (Scalar, Scalar) -> Scalar
  ) {
    tensors = .map(name, rule, Program { a, b in body(a, b) }, refusal: refusal)
    numberRight = .map(name, rule, Program(inputs: 1, scalars: 1) { x, s in body(x[0], s[0]) }, refusal: refusal)
    numberLeft = .map(name, rule, Program(inputs: 1, scalars: 1) { x, s in body(s[0], x[0]) }, refusal: refusal)
  }

  @inline(__always)
  func callAsFunction(_ a: Tensor, _ b: Tensor, at site: CallSite? = nil) -> Tensor {
    tensors(a, b, PointwiseArguments(), at: site)
  }

  @inline(__always)
  func callAsFunction(_ a: Tensor, _ b: Number, _ category: DType.Category, at site: CallSite? = nil) -> Tensor {
    numberRight(a, PointwiseArguments(scalars: Scalars(b), number: category), at: site)
  }

  @inline(__always)
  func callAsFunction(_ a: Number, _ category: DType.Category, _ b: Tensor, at site: CallSite? = nil) -> Tensor {
    numberLeft(b, PointwiseArguments(scalars: Scalars(a), number: category), at: site)
  }
}

struct Arithmetic: Sendable {
  let add: BinaryRow = BinaryRow("add") { $0 + $1 }
  let sub: BinaryRow = BinaryRow(
    "sub",
    refusal: {
      $0 == .bool
        ? "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` operator "
          + "instead." : nil
    }
  ) { $0 - $1 }
  let mul: BinaryRow = BinaryRow("mul") { $0 * $1 }
  let div: BinaryRow = BinaryRow("div", .floating) { $0 / $1 }
  let neg: Operator<PointwiseArguments> = .map(
    "neg", .promoted, Program { x in -x },
    refusal: {
      $0 == .bool
        ? "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the `~` "
          + "or `logical_not()` operator instead." : nil
    })
}

extension Tensor {
  public static func + (a: Tensor, b: Tensor) -> Tensor { ops.arithmetic.add(a, b) }
  public static func - (a: Tensor, b: Tensor) -> Tensor { ops.arithmetic.sub(a, b) }
  public static func * (a: Tensor, b: Tensor) -> Tensor { ops.arithmetic.mul(a, b) }
  public static func / (a: Tensor, b: Tensor) -> Tensor { ops.arithmetic.div(a, b) }
  public static prefix func - (a: Tensor) -> Tensor { ops.arithmetic.neg(a, PointwiseArguments()) }

  public static func + (a: Tensor, b: Double) -> Tensor { ops.arithmetic.add(a, Number(b), .floatingPoint) }
  public static func - (a: Tensor, b: Double) -> Tensor { ops.arithmetic.sub(a, Number(b), .floatingPoint) }
  public static func * (a: Tensor, b: Double) -> Tensor { ops.arithmetic.mul(a, Number(b), .floatingPoint) }
  public static func / (a: Tensor, b: Double) -> Tensor { ops.arithmetic.div(a, Number(b), .floatingPoint) }
  public static func + (a: Double, b: Tensor) -> Tensor { ops.arithmetic.add(Number(a), .floatingPoint, b) }
  public static func - (a: Double, b: Tensor) -> Tensor { ops.arithmetic.sub(Number(a), .floatingPoint, b) }
  public static func * (a: Double, b: Tensor) -> Tensor { ops.arithmetic.mul(Number(a), .floatingPoint, b) }
  public static func / (a: Double, b: Tensor) -> Tensor { ops.arithmetic.div(Number(a), .floatingPoint, b) }

  public static func + (a: Tensor, b: Int) -> Tensor { ops.arithmetic.add(a, Number(b), .integer) }
  public static func - (a: Tensor, b: Int) -> Tensor { ops.arithmetic.sub(a, Number(b), .integer) }
  public static func * (a: Tensor, b: Int) -> Tensor { ops.arithmetic.mul(a, Number(b), .integer) }
  public static func / (a: Tensor, b: Int) -> Tensor { ops.arithmetic.div(a, Number(b), .integer) }
  public static func + (a: Int, b: Tensor) -> Tensor { ops.arithmetic.add(Number(a), .integer, b) }
  public static func - (a: Int, b: Tensor) -> Tensor { ops.arithmetic.sub(Number(a), .integer, b) }
  public static func * (a: Int, b: Tensor) -> Tensor { ops.arithmetic.mul(Number(a), .integer, b) }
  public static func / (a: Int, b: Tensor) -> Tensor { ops.arithmetic.div(Number(a), .integer, b) }
}
