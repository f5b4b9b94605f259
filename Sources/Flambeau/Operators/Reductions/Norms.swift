import CKernels

struct NormArguments: Sendable {
  let order: Double
  /// No dimensions were named.
  let isWhole: Bool
  let reduction: ReductionArguments
}

struct Norms: Sendable {
  let norm: Operator<NormArguments> = Operator<NormArguments>(
    "norm", saves: { _ in SavePlan(operands: .operand(0), result: true) },
    forward: { (operands, at) throws(TensorError) in
      let x = operands[0]!
      guard x.dtype.isFloatingPoint else {
        throw .dtype(
          "linalg.vector_norm: Expected a floating point or complex tensor as input. Got \(x.dtype.torchScalarName)")
      }
      try Norms.checkNotEmpty(x.shape, at)
      let form = Norms.form(at.order)
      return try withExtendedLifetime(x) { () throws(TensorError) in
        try at.reduction.reduce(
          form.kind, in: x.dtype.computeClass, [x.body.elements], map: form.map, scalars: Scalars(Number(at.order)),
          finish: form.finish, as: x.dtype)
      }
    },
    backward: { (call, gradient) throws(TensorError) in
      let (x, at) = (try call.operand(0), call.attributes)
      let gradient = gradient.restored(x.shape, at.reduction)
      let result = try call.result().restored(x.shape, at.reduction)
      if at.order == 0 { return Few(gradient.expand(x.shape).zerosLike()) }
      if at.order.isInfinite {
        return Few(ops.ties.share(gradient, x, result, TieArguments(dims: at.reduction.dims, rule: .magnitude)))
      }
      return Few(
        Norms.slope(at.order)(gradient, x, result, PointwiseArguments(scalars: Scalars(Number(at.order)))))
    },
    samples: [
      Sample("a.norm()", [.real([3, 4])]) { $0[0].norm() },
      Sample("a.norm(2, 1)", [.real([3, 4, 2])]) { $0[0].norm(dim: 1) },
      Sample("a.norm(1, (0, -1), keepdim=True)", [.real([3, 4, 2])]) { $0[0].norm(1, dim: [0, -1], keepDim: true) },
      Sample("a.norm(0, 1)", [.real([3, 4])]) { $0[0].norm(0, dim: 1) },
      Sample("a.norm(inf, 1)", [.real([3, 4])]) { $0[0].norm(.infinity, dim: 1) },
      Sample("a.norm(-inf, 0)", [.real([3, 4])]) { $0[0].norm(-.infinity, dim: 0) },
      Sample("a.norm(3, 0)", [.real([3, 4])]) { $0[0].norm(3, dim: 0) },
      Sample("a.norm(1.5, 0)", [.real([3, 4])]) { $0[0].norm(1.5, dim: 0) },
      Sample("a.norm(0.5, 0)", [.real([3, 4], 0.5...2)]) { $0[0].norm(0.5, dim: 0) },
      Sample("a.norm(-1, 0)", [.real([3, 4], 0.5...2)]) { $0[0].norm(-1, dim: 0) },
      Sample("a.norm(2, 0, dtype=torch.float64)", [.real([3, 4])]) { $0[0].norm(dim: 0, dtype: .float64) },
      Sample("torch.linalg.vector_norm(a, 2.5, (0, 1))", [.real([3, 4, 2])]) {
        $0[0].vectorNorm(ord: 2.5, dim: [0, 1])
      },
    ]
  ).onGPU()

  // From the gradient, x and the norm; the scalar is the order. Torch's forms, which differ in where they are 0.
  private let one: Operator<PointwiseArguments> = .map(
    "norm_1_backward", .promoted, Program(inputs: 3, scalars: 1) { x, _ in x[0] * sign(x[1]) })
  private let two: Operator<PointwiseArguments> = .map(
    "norm_2_backward", .promoted, Program(inputs: 3, scalars: 1) { x, _ in select(eq(x[2], 0), 0, x[0] * (x[1] / x[2])) })
  private let belowOne: Operator<PointwiseArguments> = .map(
    "norm_p_backward", .promoted,
    Program(inputs: 3, scalars: 1) { x, s in
      select(eq(x[1], 0), 0, sign(x[1]) * pow(abs(x[1]), s[0] - 1)) * x[0] * pow(x[2], 1 - s[0])
    })
  private let belowTwo: Operator<PointwiseArguments> = .map(
    "norm_p_backward", .promoted,
    Program(inputs: 3, scalars: 1) { x, s in
      sign(x[1]) * pow(abs(x[1]), s[0] - 1) * select(eq(x[2], 0), 0, x[0] / pow(x[2], s[0] - 1))
    })
  private let aboveTwo: Operator<PointwiseArguments> = .map(
    "norm_p_backward", .promoted,
    Program(inputs: 3, scalars: 1) { x, s in
      x[1] * pow(abs(x[1]), s[0] - 2) * select(eq(x[2], 0), 0, x[0] / pow(x[2], s[0] - 1))
    })

  private static func slope(_ order: Double) -> Operator<PointwiseArguments> {
    if order == 1 { return ops.norms.one }
    if order == 2 { return ops.norms.two }
    return order < 1 ? ops.norms.belowOne : order < 2 ? ops.norms.belowTwo : ops.norms.aboveTwo
  }

  let logsumexp: Operator<ReductionArguments> = Operator<ReductionArguments>(
    "logsumexp", saves: { _ in SavePlan(operands: .operand(0), result: true) },
    forward: { (operands, at) throws(TensorError) in
      let x = operands[0]!
      return try withExtendedLifetime(x) { () throws(TensorError) in try LogSumExp.run(x.body.elements, at) }
    },
    backward: { (call, gradient) throws(TensorError) in
      let (x, at) = (try call.operand(0), call.attributes)
      return Few(
        ops.norms.logsumexpBackward(
          gradient.restored(x.shape, at), x, try call.result().restored(x.shape, at), PointwiseArguments()))
    },
    samples: [
      Sample("a.logsumexp(1)", [.real([3, 4])]) { $0[0].logSumExp(dim: 1) },
      Sample("a.logsumexp(0)", [.real([3, 4])]) { $0[0].logSumExp(dim: 0) },
      Sample("a.logsumexp((0, -1), keepdim=True)", [.real([3, 4, 2])]) {
        $0[0].logSumExp(dim: [0, -1], keepDim: true)
      },
      Sample("a.logsumexp((1, 2))", [.real([3, 4, 2])]) { $0[0].logSumExp(dim: [1, 2]) },
    ]
  ).onGPU()
  private let logsumexpBackward: Operator<PointwiseArguments> = .map(
    "logsumexp_backward", .promoted, Program { g, x, y in g * exp(x - y) })

  /// A norm as a reduction.
  private struct Form: Sendable {
    let kind: Reduction.Kind
    let map: Program
    var finish: Program?
  }

  private static func form(_ order: Double) -> Form { forms[order] ?? general }

  private static let magnitude = Program { x in abs(x) }
  private static let forms: [Double: Form] = [
    0: Form(kind: .sum, map: Program { x in ne(x, 0) }),
    1: Form(kind: .sum, map: magnitude),
    2: Form(kind: .sum, map: Program { x in square(x) }, finish: Program { x in sqrt(x) }),
    .infinity: Form(kind: .max, map: magnitude),
    -.infinity: Form(kind: .min, map: magnitude),
  ]
  private static let general = Form(
    kind: .sum, map: Program(inputs: 1, scalars: 1) { x, s in pow(abs(x[0]), s[0]) },
    finish: Program(inputs: 1, scalars: 1) { x, s in pow(x[0], 1 / s[0]) })

  /// Norms of negative or infinite order have no value for no elements.
  private static func checkNotEmpty(_ shape: Shape, _ at: NormArguments) throws(TensorError) {
    guard at.order < 0 || at.order == .infinity else { return }
    let order = at.order == at.order.rounded() && at.order.isFinite ? "\(Int(at.order))" : "\(at.order)"
    if at.isWhole && shape.elementCount == 0 {
      throw .shape(
        "linalg.vector_norm cannot compute the \(order) norm on an empty tensor because the operation does not have an "
          + "identity")
    }
    for dim in at.reduction.dims where shape.at(dim) == 0 {
      throw .shape(
        "linalg.vector_norm cannot compute the \(order) norm on the dimension \(dim) because this dimension is empty and "
          + "the operation does not have an identity")
    }
  }
}

/// log Σ exp x, computed around the largest x.
private enum LogSumExp {
  static func run(_ x: Elements, _ at: ReductionArguments) throws(TensorError) -> Value {
    let dtype = x.dtype.floating
    let computeClass = dtype.computeClass
    let shape = at.resultShape(x.layout.shape)
    if let rows = rows(x, at.dims) {
      let result = try Value(Layout(shape), dtype, on: x.device)
      let column = result.elements(Layout([rows.layout.shape.at(0), 1]))
      try Backend.rows(.logSumExpRows, in: computeClass, inputs: [rows], into: [column])
      return result
    }
    let largest = try at.keeping.reduce(.max, in: computeClass, [x], finish: finite, as: computeClass.dtype)
    return try withExtendedLifetime(largest.storage) { () throws(TensorError) in
      let sum = try at.keeping.reduce(
        .sum, in: computeClass, [x, largest.elements.broadcast(to: x.layout.shape)], map: term, as: computeClass.dtype)
      let result = try Value(sum.layout, dtype, on: x.device)
      try withExtendedLifetime(sum.storage) { () throws(TensorError) in
        try Backend.map(joined, in: computeClass, inputs: [sum.elements, largest.elements], into: [result.elements])
      }
      return Value(result.storage, Layout(shape), dtype)
    }
  }

  /// The elements as rows to reduce, if what is reduced lies together.
  private static func rows(_ x: Elements, _ dims: [Int]) -> Elements? {
    let kept = (0..<x.layout.rank).filter { !dims.contains($0) }
    let ordered = x.layout.permuted(kept + dims.sorted())
    let width = dims.reduce(1) { $0 * x.layout.shape.at($1) }
    guard x.layout.elementCount > 0, x.layout.rank > 0,
      let layout = ordered.viewed(as: [x.layout.elementCount / width, width]), width == 1 || layout.strides.at(1) == 1
    else { return nil }
    return x.laid(layout)
  }

  /// Around an infinite largest the differences would be NaN.
  private static let finite = Program { x in select(isInf(x), 0, x) }
  private static let term = Program { x, largest in exp(x - largest) }
  private static let joined = Program { sum, largest in log(sum) + largest }
}

extension Tensor {
  /// (Σ |x|ᵖ)^(1/p) of all elements, or over the dimensions `dim`; the largest magnitude for an infinite order, how many
  /// are not 0 for order 0. Floating point only; the gradient at a norm of 0 is 0. Torch's `norm`.
  ///
  /// - Parameter dtype: The elements are converted to it first; it holds every value of theirs.
  public func norm(
    _ p: Double = 2, dim: [Int]? = nil, keepDim: Bool = false, dtype: DType? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    return checked("norm", at: site) { layout throws(TensorError) in
      if let dtype, self.dtype.isFloatingPoint, self.dtype.promoted(with: dtype) != dtype {
        throw .dtype(
          "linalg.vector_norm: the dtype of the input (\(self.dtype.torchScalarName)) should be convertible without "
            + "narrowing to the specified dtype (\(dtype.torchScalarName))")
      }
      let source = self.dtype.isFloatingPoint ? dtype.map { to($0) } ?? self : self
      let dim = dim == [] ? nil : dim
      let at = ReductionArguments(dims: try layout.reducedDimensions(dim), keepDim: keepDim)
      return ops.norms.norm(source, NormArguments(order: p, isWhole: dim == nil, reduction: at), at: site)
    }
  }

  /// The norm over one dimension.
  public func norm(
    _ p: Double = 2, dim: Int, keepDim: Bool = false, dtype: DType? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor { norm(p, dim: [dim], keepDim: keepDim, dtype: dtype, file: file, line: line) }

  /// ``norm(_:dim:keepDim:dtype:file:line:)-(_,[Int]?,_,_,_,_)`` under its newer name. Torch's `linalg.vector_norm`.
  public func vectorNorm(
    ord: Double = 2, dim: [Int]? = nil, keepDim: Bool = false, dtype: DType? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor { norm(ord, dim: dim, keepDim: keepDim, dtype: dtype, file: file, line: line) }

  /// The norm over one dimension.
  public func vectorNorm(
    ord: Double = 2, dim: Int, keepDim: Bool = false, dtype: DType? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor { norm(ord, dim: [dim], keepDim: keepDim, dtype: dtype, file: file, line: line) }

  /// log Σ exp x over the dimensions `dim`, without overflow; −∞ of nothing. Integers become float32. Torch's `logsumexp`.
  public func logSumExp(
    dim: [Int], keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { reduced(by: ops.norms.logsumexp, dim, keepDim, CallSite(file, line)) }

  /// log Σ exp x over one dimension.
  public func logSumExp(
    dim: Int, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { logSumExp(dim: [dim], keepDim: keepDim, file: file, line: line) }
}
