import CKernels

/// Which elements x a result y is taken from, when several are as good, and how the result moves with them.
enum TieRule: Sendable {
  /// x = y. A result of NaN is taken from nowhere.
  case equal
  /// x = y, or both are NaN.
  case equalOrNaN
  /// |x| = y, or both are NaN.
  case magnitude

  fileprivate func matches(_ x: Scalar, _ y: Scalar) -> Scalar {
    switch self {
    case .equal: eq(x, y)
    case .equalOrNaN: or(eq(x, y), and(isNaN(x), isNaN(y)))
    case .magnitude: or(eq(abs(x), y), and(isNaN(x), isNaN(y)))
    }
  }

  fileprivate func slope(_ g: Scalar, _ x: Scalar) -> Scalar { self == .magnitude ? g * sign(x) : g }

  fileprivate var programs: Programs {
    switch self {
    case .equal: .equal
    case .equalOrNaN: .equalOrNaN
    case .magnitude: .magnitude
    }
  }

  fileprivate final class Programs: Sendable {
    /// x, y → 1 or 0
    let match: Program
    /// g, x, y → g at the matches, 0 elsewhere
    let only: Program
    /// g, count, x, y → g in equal parts at the matches
    let share: Program

    private init(_ rule: TieRule) {
      match = Program { x, y in rule.matches(x, y) }
      only = Program { g, x, y in select(rule.matches(x, y), rule.slope(g, x), 0) }
      share = Program { g, count, x, y in select(rule.matches(x, y), rule.slope(g, x), 0) / count }
    }

    static let equal = Programs(.equal)
    static let equalOrNaN = Programs(.equalOrNaN)
    static let magnitude = Programs(.magnitude)
  }
}

struct TieArguments: Sendable {
  let dims: [Int]
  let rule: TieRule

  fileprivate var reduction: ReductionArguments { ReductionArguments(dims: dims, keepDim: true) }
}

/// The gradient of a result taken from one of several equal elements: each gets an equal part. The two rows are each
/// other's gradient.
struct Ties: Sendable {
  /// A gradient for each result, x, y → a gradient for each element.
  let share: Operator<TieArguments> = Operator<TieArguments>(
    "evenly_distribute_backward", saves: { _ in SavePlan(operands: [.operand(1), .operand(2)]) },
    forward: { (operands, at) throws(TensorError) in
      let (gradient, x, y) = (operands[0]!, operands[1]!, operands[2]!)
      let count = try Ties.count(x, y, at)
      let result = try Value(Layout(x.shape), x.dtype, on: x.device)
      try Pointwise.run(
        at.rule.programs.share, Few([gradient, count, x, y]), Scalars(), in: x.dtype, into: result.elements)
      return result
    },
    backward: { (call, gradient) throws(TensorError) in
      Few(ops.ties.collect(gradient, try call.operand(1), try call.operand(2), call.attributes))
    }
  ).onGPU()

  /// A value for each element, x, y → the mean over each result's matches.
  let collect: Operator<TieArguments> = Operator<TieArguments>(
    "evenly_collect_backward", saves: { _ in SavePlan(operands: [.operand(1), .operand(2)]) },
    forward: { (operands, at) throws(TensorError) in
      let (gradient, x, y) = (operands[0]!, operands[1]!, operands[2]!)
      let count = try Ties.count(x, y, at)
      let sum = try withExtendedLifetime((gradient, x, y)) { () throws(TensorError) in
        try at.reduction.reduce(
          .sum, in: x.dtype.computeClass,
          [gradient.body.elements, x.body.elements, y.body.elements.broadcast(to: x.shape)],
          map: at.rule.programs.only, as: count.dtype)
      }
      let result = try Value(sum.layout, x.dtype, on: x.device)
      try Pointwise.run(Ties.quotient, Few(Tensor(TensorBody(sum)), count), Scalars(), in: x.dtype, into: result.elements)
      return result
    },
    backward: { (call, gradient) throws(TensorError) in
      Few(ops.ties.share(gradient, try call.operand(1), try call.operand(2), call.attributes))
    }
  ).onGPU()

  private static let quotient = Program { a, b in a / b }

  /// How many elements match each result, in x's compute class: half types cannot count.
  private static func count(_ x: Tensor, _ y: Tensor, _ at: TieArguments) throws(TensorError) -> Tensor {
    let computeClass = x.dtype.computeClass
    return try withExtendedLifetime((x, y)) { () throws(TensorError) in
      Tensor(
        TensorBody(
          try at.reduction.reduce(
            .sum, in: computeClass, [x.body.elements, y.body.elements.broadcast(to: x.shape)],
            map: at.rule.programs.match, as: computeClass.dtype)))
    }
  }
}
