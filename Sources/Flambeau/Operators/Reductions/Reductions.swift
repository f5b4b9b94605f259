import CKernels

// Sums and products, and what is counted or tested.
struct Reductions: Sendable {
  let sum: Operator<ReductionArguments> = Operator<ReductionArguments>(
    "sum",
    forward: { (operands, at) throws(TensorError) in
      let x = operands[0]!
      let dtype = at.dtype ?? x.dtype.total
      return try Reductions.run(.sum, x, at, in: dtype.computeClass, as: dtype)
    },
    backward: { (call, gradient) throws(TensorError) in
      Few(gradient.spread(to: call.shape(0), call.attributes).to(call.dtype(0)))
    },
    samples: [
      Sample("a.sum()", [.real([3, 4])]) { $0[0].sum() },
      Sample("a.sum(1)", [.real([3, 4, 2])]) { $0[0].sum(dim: 1) },
      Sample("a.sum((0, -1), keepdim=True)", [.real([3, 4, 2])]) { $0[0].sum(dim: [0, -1], keepDim: true) },
      Sample("a.sum(0, dtype=torch.float64)", [.real([3, 4])]) { $0[0].sum(dim: 0, dtype: .float64) },
      Sample("a.detach().sum(0, dtype=torch.float16)", [.real([3, 4])]) { $0[0].detach().sum(dim: 0, dtype: .float16) },
      Sample("a.detach().sum(dtype=torch.int16)", [.real([3, 4])]) { $0[0].detach().sum(dtype: .int16) },
      Sample("a.detach().sum(0, dtype=torch.bool)", [.real([3, 4])]) { $0[0].detach().sum(dim: 0, dtype: .bool) },
    ]
  ).onGPU()

  let mean: Operator<ReductionArguments> = Operator<ReductionArguments>(
    "mean",
    forward: { (operands, at) throws(TensorError) in
      let x = operands[0]!
      let dtype = at.dtype ?? x.dtype
      guard dtype.isFloatingPoint else {
        throw meanRefusal(at.dtype == nil ? "Input" : "Optional", dtype)
      }
      return try Reductions.run(
        .sum, x, at, in: dtype.computeClass, scalars: Scalars(Number(at.count(x.shape))), finish: Reductions.divide,
        as: dtype)
    },
    backward: { (call, gradient) throws(TensorError) in
      let count = call.attributes.count(call.shape(0))
      return Few((gradient / Double(count)).spread(to: call.shape(0), call.attributes).to(call.dtype(0)))
    },
    samples: [
      Sample("a.mean()", [.real([3, 4])]) { $0[0].mean() },
      Sample("a.mean(1)", [.real([3, 4, 2])]) { $0[0].mean(dim: 1) },
      Sample("a.mean((0, 2), keepdim=True)", [.real([3, 4, 2])]) { $0[0].mean(dim: [0, 2], keepDim: true) },
      Sample("a.mean(0, dtype=torch.float64)", [.real([3, 4])]) { $0[0].mean(dim: 0, dtype: .float64) },
      Sample("a.detach().mean(0, dtype=torch.float32)", [.real([3, 4])]) { $0[0].detach().mean(dim: 0, dtype: .float32) },
    ]
  ).onGPU()

  let nanSum: Operator<ReductionArguments> = Operator<ReductionArguments>(
    "nansum", saves: { _ in SavePlan(operands: .operand(0)) },
    forward: { (operands, at) throws(TensorError) in
      let x = operands[0]!
      let dtype = at.dtype ?? x.dtype.total
      return try Reductions.run(
        .sum, x, at, in: dtype.computeClass, map: dtype.isFloatingPoint ? Reductions.withoutNaN : nil, as: dtype)
    },
    backward: { (call, gradient) throws(TensorError) in
      let gradient = gradient.restored(call.shape(0), call.attributes)
      return Few(ops.reductions.nanSumBackward(gradient, try call.operand(0), PointwiseArguments()).to(call.dtype(0)))
    },
    samples: [
      Sample("a.nansum()", [.real([3, 4])]) { $0[0].nanSum() },
      Sample("a.nansum((0, 2), keepdim=True)", [.real([3, 4, 2])]) { $0[0].nanSum(dim: [0, 2], keepDim: true) },
    ]
  ).onGPU()
  let nanSumBackward: Operator<PointwiseArguments> = .map(
    "nansum_backward", .promoted, Program { g, x in select(isNaN(x), 0, g) })

  let prod: Operator<ReductionArguments> = Operator<ReductionArguments>(
    "prod", saves: { _ in SavePlan(operands: .operand(0), result: true) },
    forward: { (operands, at) throws(TensorError) in
      let x = operands[0]!
      let dtype = at.dtype ?? x.dtype.total
      return try Reductions.run(.prod, x, at, in: dtype.computeClass, as: dtype)
    },
    backward: { (call, gradient) throws(TensorError) in
      let (x, at) = (try call.operand(0).to(gradient.dtype).sound(), call.attributes)
      let gradient = gradient.restored(x.shape, at)
      let slope =
        try Reductions.hasZero(x)
        ? Reductions.productsOfOthers(x, at, times: gradient)
        : ops.reductions.prodBackward(gradient, try call.result().restored(x.shape, at), x, PointwiseArguments())
      return Few(slope.to(call.dtype(0)))
    },
    samples: [
      Sample("a.prod()", [.real([3, 4], 0.5...1.5)]) { $0[0].prod() },
      Sample("a.prod(1)", [.real([3, 4, 2], 0.5...1.5)]) { $0[0].prod(dim: 1) },
      Sample("a.prod(-1, keepdim=True)", [.real([3, 4], 0.5...1.5)]) { $0[0].prod(dim: -1, keepDim: true) },
      Sample("a.prod(0, dtype=torch.float64)", [.real([3, 4], 0.5...1.5)]) { $0[0].prod(dim: 0, dtype: .float64) },
      Sample("(a * (torch.arange(4) != 2)).prod(1)", [.real([3, 4], 0.5...1.5)]) {
        ($0[0] * Tensor([true, true, false, true])).prod(dim: 1)
      },
      Sample("(a * (torch.arange(4) != 2)).prod()", [.real([4], 0.5...1.5)]) {
        ($0[0] * Tensor([true, true, false, true])).prod()
      },
    ]
  ).onGPU()
  let prodBackward: Operator<PointwiseArguments> = .map("prod_backward", .promoted, Program { g, y, x in g * y / x })

  let countNonzero: Operator<ReductionArguments> = Operator<ReductionArguments>(
    "count_nonzero",
    forward: { (operands, at) throws(TensorError) in
      // float32 cannot count beyond 2²⁴.
      let computeClass = operands[0]!.dtype.isFloatingPoint ? fb_f64 : fb_i64
      return try Reductions.run(.sum, operands[0]!, at, in: computeClass, map: Reductions.isNotZero, as: .int64)
    },
    samples: [
      Sample("a.count_nonzero()", [.real([3, 4])]) { $0[0].countNonzero() },
      Sample("a.count_nonzero(0)", [.real([3, 4])]) { $0[0].countNonzero(dim: 0) },
      Sample("a.count_nonzero((0, 2))", [.real([3, 4, 2])]) { $0[0].countNonzero(dim: [0, 2]) },
    ]
  ).onGPU()

  let any: Operator<ReductionArguments> = Reductions.logical(
    "any", .any,
    samples: [
      Sample("a.any()", [.real([3, 4])]) { $0[0].any() },
      Sample("a.any(1)", [.real([3, 4, 2])]) { $0[0].any(dim: 1) },
      Sample("(a * 0).any((0, 2), keepdim=True)", [.real([3, 4, 2])]) { ($0[0] * 0).any(dim: [0, 2], keepDim: true) },
      Sample("a.any(())", [.real([3])]) { $0[0].any(dim: []) },
    ])
  let all: Operator<ReductionArguments> = Reductions.logical(
    "all", .all,
    samples: [
      Sample("a.all()", [.real([3, 4])]) { $0[0].all() },
      Sample("a.all(1)", [.real([3, 4, 2])]) { $0[0].all(dim: 1) },
      Sample("(a * torch.tensor([1, 0])).all((0, 1), keepdim=True)", [.real([3, 4, 2])]) {
        ($0[0] * Tensor([1, 0])).all(dim: [0, 1], keepDim: true)
      },
    ])

  /// uint8 stays what it is, as in torch, where it once was the dtype of masks.
  private static func logical(
    _ name: String, _ kind: Reduction.Kind, samples: [Sample]
  ) -> Operator<ReductionArguments> {
    Operator(
      name,
      forward: { (operands, at) throws(TensorError) in
        let x = operands[0]!
        return try Reductions.run(kind, x, at, in: x.dtype.computeClass, as: x.dtype == .uint8 ? .uint8 : .bool)
      }, samples: samples
    ).onGPU()
  }

  static func meanRefusal(_ what: String, _ dtype: DType) -> TensorError {
    .dtype(
      "mean(): could not infer output dtype. \(what) dtype must be either a floating point or complex dtype. "
        + "Got: \(dtype.torchScalarName)")
  }

  static let divide: Program = Program(inputs: 1, scalars: 1) { x, s in x[0] / s[0] }
  private static let withoutNaN = Program { x in select(isNaN(x), 0, x) }
  private static let isNotZero = Program { x in ne(x, 0) }
  private static let isZero = Program { x in eq(x, 0) }

  private static func run(
    _ kind: Reduction.Kind, _ x: Tensor, _ at: ReductionArguments, in computeClass: ComputeClass, map: Program? = nil,
    scalars: Scalars = Scalars(), finish: Program? = nil, as dtype: DType
  ) throws(TensorError) -> Value {
    try withExtendedLifetime(x) { () throws(TensorError) in
      try at.reduce(
        kind, in: computeClass, [x.body.elements], map: map, scalars: scalars, finish: finish, as: dtype)
    }
  }

  private static func hasZero(_ x: Tensor) throws(TensorError) -> Bool {
    let all = ReductionArguments(dims: Array(0..<x.ndim), keepDim: false)
    let found = try run(.any, x, all, in: x.dtype.computeClass, map: isZero, as: .bool)
    return try found.elements.only()
  }

  /// At each place, the product of the other elements, times `gradient`, without a division.
  private static func productsOfOthers(_ x: Tensor, _ at: ReductionArguments, times gradient: Tensor) -> Tensor {
    let isWhole = at.dims.count == x.ndim
    let line = isWhole ? x.reshape([x.count]) : x
    let dim = isWhole ? 0 : at.dims[0]
    let last = line.body.layout.shape.at(dim) - 1
    let gradient = isWhole ? gradient.reshape([1]) : gradient
    let after = ops.scans.recurrence(
      line, gradient.placed(in: line.shape, dim, start: last), ScanArguments(dim: dim, isReversed: true))
    return (line.cumprod(dim: dim).delayed(dim, first: 1) * after).reshape(x.shape)
  }
}

extension DType {
  /// What elements of this dtype add up to.
  var total: DType { isFloatingPoint ? self : .int64 }
}

extension Tensor {
  /// The sum of all elements, or over the dimensions `dim`; booleans and integers sum to int64. Torch's `sum`.
  ///
  /// - Parameter dtype: The elements are converted to it first.
  public func sum(
    dim: [Int]? = nil, keepDim: Bool = false, dtype: DType? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { reduced(by: ops.reductions.sum, dim, keepDim, as: dtype, CallSite(file, line)) }

  /// The sum over one dimension.
  public func sum(
    dim: Int, keepDim: Bool = false, dtype: DType? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { sum(dim: [dim], keepDim: keepDim, dtype: dtype, file: file, line: line) }

  /// The mean of all elements, or over the dimensions `dim`; NaN of none. Floating point, or `dtype` is. Torch's `mean`.
  public func mean(
    dim: [Int]? = nil, keepDim: Bool = false, dtype: DType? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { reduced(by: ops.reductions.mean, dim, keepDim, as: dtype, CallSite(file, line)) }

  /// The mean over one dimension.
  public func mean(
    dim: Int, keepDim: Bool = false, dtype: DType? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { mean(dim: [dim], keepDim: keepDim, dtype: dtype, file: file, line: line) }

  /// The sum with NaN counted as 0. Torch's `nansum`.
  public func nanSum(
    dim: [Int]? = nil, keepDim: Bool = false, dtype: DType? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { reduced(by: ops.reductions.nanSum, dim, keepDim, as: dtype, CallSite(file, line)) }

  /// The sum over one dimension with NaN counted as 0.
  public func nanSum(
    dim: Int, keepDim: Bool = false, dtype: DType? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { nanSum(dim: [dim], keepDim: keepDim, dtype: dtype, file: file, line: line) }

  /// The product of all elements; booleans and integers multiply to int64. Torch's `prod`.
  public func prod(dtype: DType? = nil, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    reduced(by: ops.reductions.prod, nil, false, as: dtype, CallSite(file, line))
  }

  /// The product over one dimension.
  public func prod(
    dim: Int, keepDim: Bool = false, dtype: DType? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { reduced(by: ops.reductions.prod, [dim], keepDim, as: dtype, CallSite(file, line)) }

  /// How many elements are not 0, NaN included; int64. Torch's `count_nonzero`.
  public func countNonzero(
    dim: [Int]? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { reduced(by: ops.reductions.countNonzero, dim, false, CallSite(file, line)) }

  /// How many elements along one dimension are not 0.
  public func countNonzero(dim: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    countNonzero(dim: [dim], file: file, line: line)
  }

  /// Whether an element is not 0, NaN included; bool, of uint8 uint8. Torch's `any`.
  ///
  /// - Parameter dim: nil for all dimensions; an empty list for none.
  public func any(
    dim: [Int]? = nil, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { reduced(by: ops.reductions.any, dim, keepDim, emptyIsAll: false, CallSite(file, line)) }

  /// Whether an element along one dimension is not 0.
  public func any(
    dim: Int, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { any(dim: [dim], keepDim: keepDim, file: file, line: line) }

  /// Whether no element is 0; bool, of uint8 uint8. Torch's `all`.
  ///
  /// - Parameter dim: nil for all dimensions; an empty list for none.
  public func all(
    dim: [Int]? = nil, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { reduced(by: ops.reductions.all, dim, keepDim, emptyIsAll: false, CallSite(file, line)) }

  /// Whether no element along one dimension is 0.
  public func all(
    dim: Int, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { all(dim: [dim], keepDim: keepDim, file: file, line: line) }
}
