// Whether tensors have the same, or nearly the same, elements.

private struct Tolerance: Sendable {
  var relative = 0.0
  var absolute = 0.0
  var equalNaN = false

  func check() throws(TensorError) {
    for (name, value) in [("rtol", relative), ("atol", absolute)] where !(value >= 0) {
      throw .argument("\(name) must be greater than or equal to zero, but got \(value)")
    }
  }
}

private enum Closeness {
  static let isClose: Operator<Tolerance> = Operator<Tolerance>(
    "isclose",
    forward: { (operands, tolerance) throws(TensorError) in
      let run = try Comparison(operands, tolerance)
      let result = try Value(try Pointwise.resultLayout(operands), .bool, on: operands.device)
      try Pointwise.run(run.program, operands, run.scalars, in: run.dtype, into: result.elements)
      return result
    }
  ).onGPU()

  static let allClose: Operator<Tolerance> = Operator<Tolerance>(
    "allclose",
    forward: { (operands, tolerance) throws(TensorError) in try Comparison(operands, tolerance).all(operands) }
  ).onGPU()

  static let equal: Operator<None> = Operator<None>(
    "equal",
    forward: { (operands, _) throws(TensorError) in
      let (a, b) = (operands[0]!, operands[1]!)
      guard a.shape == b.shape else {
        let value = try Value(Layout([]), .bool, on: a.device)
        try value.fillZero()
        return value
      }
      return try Comparison(exactly: a.dtype.promoted(with: b.dtype)).all(operands)
    }
  ).onGPU()
}

/// A program that tells for two elements whether they are close, and the dtype it computes in.
private struct Comparison {
  let program: Program
  let scalars: Scalars
  let dtype: DType

  private static let equal = Program { a, b in eq(a, b) }
  private static let close = Program(inputs: 2, scalars: 2) { x, s in close(x[0], x[1], s) }
  private static let closeOrNaN = Program(inputs: 2, scalars: 2) { x, s in
    or(close(x[0], x[1], s), and(isNaN(x[0]), isNaN(x[1])))
  }

  private static func close(_ a: Scalar, _ b: Scalar, _ s: [Scalar]) -> Scalar {
    let difference = abs(a - b)
    return or(eq(a, b), and(isFinite(difference), le(difference, s[1] + abs(s[0] * b))))
  }

  private init(_ program: Program, _ scalars: Scalars, _ dtype: DType) {
    self.program = program
    self.scalars = scalars
    self.dtype = dtype
  }

  init(exactly dtype: DType) { self.init(Self.equal, Scalars(), dtype) }

  init(_ operands: Few<Tensor>, _ tolerance: Tolerance) throws(TensorError) {
    let (a, b) = (operands[0]!.dtype, operands[1]!.dtype)
    guard a == b else { throw .dtype("\(a.torchScalarName) did not match \(b.torchScalarName)") }
    try tolerance.check()
    if a.isFloatingPoint {
      let scalars = Scalars(Number(tolerance.relative), Number(tolerance.absolute))
      self.init(tolerance.equalNaN ? Self.closeOrNaN : Self.close, scalars, a)
    } else if tolerance.relative == 0 && tolerance.absolute == 0 {
      self.init(exactly: a)
    } else {
      self.init(Self.close, Scalars(Number(tolerance.relative), Number(tolerance.absolute)), .float64)
    }
  }

  /// Whether the program holds for every pair, as a scalar.
  func all(_ operands: Few<Tensor>) throws(TensorError) -> Value {
    let shape = try Pointwise.broadcastShape(operands)
    let result = try Value(Layout(Shape(repeating: 1, count: shape.count)), .bool, on: operands.device)
    let elements = operands.map { operand in
      let body = operand!.body
      return body.elements(body.layout.broadcast(to: shape)!)
    }
    try withExtendedLifetime(operands) { () throws(TensorError) in
      try Backend.reduce(
        .all, in: dtype.computeClass, elements, map: program, dims: Array(0..<shape.count), scalars: scalars,
        into: result.elements)
    }
    return Value(result.storage, Layout([]), .bool)
  }
}

extension Tensor {
  /// Where this tensor's elements are close to those of `other`, of the same dtype: |a − b| ≤ `atol` + `rtol`·|b|, with
  /// broadcasting. Infinities are close to themselves only, NaN to NaN with `equalNan`. Torch's `isclose`.
  public func isClose(
    _ other: Tensor, rtol: Double = 1e-5, atol: Double = 1e-8, equalNan: Bool = false, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    Closeness.isClose(
      self, other, Tolerance(relative: rtol, absolute: atol, equalNaN: equalNan), at: CallSite(file, line))
  }

  /// Whether all elements are close, as ``isClose(_:rtol:atol:equalNan:file:line:)`` says. Torch's `allclose`.
  public func allClose(
    _ other: Tensor, rtol: Double = 1e-5, atol: Double = 1e-8, equalNan: Bool = false, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Bool {
    let tolerance = Tolerance(relative: rtol, absolute: atol, equalNaN: equalNan)
    return Closeness.allClose(self, other, tolerance, at: CallSite(file, line)).item(as: Bool.self)
  }

  /// Whether the shapes are the same and so is every element, in the promoted dtype; NaN is not itself. Torch's `equal`.
  public func isEqual(to other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Bool {
    Closeness.equal(self, other, None(), at: CallSite(file, line)).item(as: Bool.self)
  }
}
