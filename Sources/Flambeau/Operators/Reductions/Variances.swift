import CKernels

struct VarianceArguments: Sendable {
  let reduction: ReductionArguments
  /// What the number of elements is lowered by before it divides.
  let correction: Double

  func divisor(_ shape: Shape) -> Double { Swift.max(0, Double(reduction.count(shape)) - correction) }
}

/// Computed in float64 around the mean, so that data far from 0 keeps its digits.
struct Variances: Sendable {
  let variance: Operator<VarianceArguments> = Operator<VarianceArguments>(
    "var", saves: { _ in SavePlan(operands: .operand(0)) },
    forward: { (operands, at) throws(TensorError) in
      try Variances.run(operands[0]!, at, finish: Reductions.divide)
    },
    backward: { (call, gradient) throws(TensorError) in
      let (x, at) = (try call.operand(0), call.attributes)
      let mean = x.mean(dim: at.reduction.dims, keepDim: true)
      return Few(
        ops.variances.varianceBackward(
          gradient.restored(x.shape, at.reduction), x, mean,
          PointwiseArguments(scalars: Scalars(Number(2 / at.divisor(x.shape))))))
    },
    samples: [
      Sample("a.var()", [.real([3, 4])]) { $0[0].var() },
      Sample("a.var(1)", [.real([3, 4, 2])]) { $0[0].var(dim: 1) },
      Sample("a.var((0, -1), correction=0, keepdim=True)", [.real([3, 4, 2])]) {
        $0[0].var(dim: [0, -1], correction: 0, keepDim: true)
      },
      Sample("a.var(0, correction=0.5)", [.real([3, 4])]) { $0[0].var(dim: 0, correction: 0.5) },
    ]
  ).onGPU()
  let varianceBackward: Operator<PointwiseArguments> = .map(
    "var_backward", .promoted, Program(inputs: 3, scalars: 1) { x, s in x[0] * (x[1] - x[2]) * s[0] })

  let deviation: Operator<VarianceArguments> = Operator<VarianceArguments>(
    "std", saves: { _ in SavePlan(operands: .operand(0), result: true) },
    forward: { (operands, at) throws(TensorError) in
      try Variances.run(operands[0]!, at, finish: Variances.rootOfQuotient)
    },
    backward: { (call, gradient) throws(TensorError) in
      let (x, at) = (try call.operand(0), call.attributes)
      let mean = x.mean(dim: at.reduction.dims, keepDim: true)
      let result = try call.result().restored(x.shape, at.reduction)
      return Few(
        ops.variances.deviationBackward.call(
          Few([gradient.restored(x.shape, at.reduction), x, mean, result]),
          PointwiseArguments(scalars: Scalars(Number(1 / at.divisor(x.shape))))))
    },
    samples: [
      Sample("a.std()", [.real([3, 4])]) { $0[0].std() },
      Sample("a.std(1)", [.real([3, 4, 2])]) { $0[0].std(dim: 1) },
      Sample("a.std((0, -1), correction=0, keepdim=True)", [.real([3, 4, 2])]) {
        $0[0].std(dim: [0, -1], correction: 0, keepDim: true)
      },
    ]
  ).onGPU()
  let deviationBackward: Operator<PointwiseArguments> = .map(
    "std_backward", .promoted,
    Program(inputs: 4, scalars: 1) { x, s in select(eq(x[3], 0), 0, x[0] * (x[1] - x[2]) * s[0] / x[3]) })

  let composites: [Sample] = [
    .several("torch.var_mean(a, 1)", [.real([3, 4])]) {
      let (variance, mean) = $0[0].varMean(dim: 1)
      return [variance, mean]
    },
    .several("torch.std_mean(a, correction=0)", [.real([3, 4])]) {
      let (deviation, mean) = $0[0].stdMean(correction: 0)
      return [deviation, mean]
    },
  ]

  private static let squareOfDifference = Program { x, mean in square(x - mean) }
  private static let rootOfQuotient = Program(inputs: 1, scalars: 1) { x, s in sqrt(x[0] / s[0]) }

  private static func run(
    _ x: Tensor, _ at: VarianceArguments, finish: Program
  ) throws(TensorError) -> Value {
    guard x.dtype.isFloatingPoint else {
      throw .dtype("std and var only support floating point and complex dtypes")
    }
    return try withExtendedLifetime(x) { () throws(TensorError) in
      let count = Scalars(Number(at.reduction.count(x.shape)))
      let mean = try at.reduction.keeping.reduce(
        .sum, in: fb_f64, [x.body.elements], scalars: count, finish: Reductions.divide, as: .float64)
      return try withExtendedLifetime(mean.storage) { () throws(TensorError) in
        try at.reduction.reduce(
          .sum, in: fb_f64, [x.body.elements, mean.elements.broadcast(to: x.shape)], map: squareOfDifference,
          scalars: Scalars(Number(at.divisor(x.shape))), finish: finish, as: x.dtype)
      }
    }
  }
}

extension Tensor {
  /// The variance of all elements, or over the dimensions `dim`: the mean squared distance from the mean. Torch's `var`.
  ///
  /// - Parameter correction: The sum of squares is divided by the count less this: 1 for a sample, 0 for a whole population.
  public func `var`(
    dim: [Int]? = nil, correction: Double = 1, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { varied(by: ops.variances.variance, dim, correction, keepDim, CallSite(file, line)) }

  /// The variance over one dimension.
  public func `var`(
    dim: Int, correction: Double = 1, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { self.var(dim: [dim], correction: correction, keepDim: keepDim, file: file, line: line) }

  /// The standard deviation, the root of ``var(dim:correction:keepDim:file:line:)-(_,_,_,_,_)``. Torch's `std`.
  public func std(
    dim: [Int]? = nil, correction: Double = 1, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { varied(by: ops.variances.deviation, dim, correction, keepDim, CallSite(file, line)) }

  /// The standard deviation over one dimension.
  public func std(
    dim: Int, correction: Double = 1, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { std(dim: [dim], correction: correction, keepDim: keepDim, file: file, line: line) }

  /// The variance and the mean. Torch's `var_mean`.
  public func varMean(
    dim: [Int]? = nil, correction: Double = 1, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> (variance: Tensor, mean: Tensor) {
    (
      self.var(dim: dim, correction: correction, keepDim: keepDim, file: file, line: line),
      mean(dim: dim, keepDim: keepDim, file: file, line: line)
    )
  }

  /// The variance and the mean over one dimension.
  public func varMean(
    dim: Int, correction: Double = 1, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> (variance: Tensor, mean: Tensor) {
    varMean(dim: [dim], correction: correction, keepDim: keepDim, file: file, line: line)
  }

  /// The standard deviation and the mean. Torch's `std_mean`.
  public func stdMean(
    dim: [Int]? = nil, correction: Double = 1, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> (deviation: Tensor, mean: Tensor) {
    (
      std(dim: dim, correction: correction, keepDim: keepDim, file: file, line: line),
      mean(dim: dim, keepDim: keepDim, file: file, line: line)
    )
  }

  /// The standard deviation and the mean over one dimension.
  public func stdMean(
    dim: Int, correction: Double = 1, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> (deviation: Tensor, mean: Tensor) {
    stdMean(dim: [dim], correction: correction, keepDim: keepDim, file: file, line: line)
  }

  private func varied(
    by row: Operator<VarianceArguments>, _ dim: [Int]?, _ correction: Double, _ keepDim: Bool, _ site: CallSite
  ) -> Tensor {
    checked(row.name, at: site) { layout throws(TensorError) in
      let dims = try layout.reducedDimensions(dim == [] ? nil : dim)
      let at = ReductionArguments(dims: dims, keepDim: keepDim)
      return row(self, VarianceArguments(reduction: at, correction: correction), at: site)
    }
  }
}
