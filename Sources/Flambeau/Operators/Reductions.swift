import CKernels

struct ReductionArguments: Sendable {
  /// Distinct, not negative.
  let dims: [Int]
  let keepDim: Bool
}

struct Reductions: Sendable {
  let sum: Operator<ReductionArguments> = Operator(
    "sum",
    forward: { (operands, at) throws(TensorError) in
      let dtype = operands[0]!.dtype
      return try Reductions.run(.sum, operands[0]!, at, as: dtype.isFloatingPoint ? dtype : .int64)
    },
    backward: { (call, gradient) throws(TensorError) in Few(gradient.spread(to: call.shape(0), call.attributes)) })

  let mean: Operator<ReductionArguments> = Operator(
    "mean",
    forward: { (operands, at) throws(TensorError) in
      let x = operands[0]!
      guard x.dtype.isFloatingPoint else {
        throw .dtype(
          "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
            + "Got: \(x.dtype.torchScalarName)")
      }
      return try Reductions.run(.sum, x, at, as: x.dtype, finish: Reductions.divide, [Number(x.count(of: at.dims))])
    },
    backward: { (call, gradient) throws(TensorError) in
      let shape = call.shape(0)
      let count = call.attributes.dims.reduce(1) { $0 * shape.at($1) }
      return Few(gradient.spread(to: shape, call.attributes) / Double(count))
    })

  private static let divide = Program(inputs: 1, scalars: 1) { x, s in x[0] / s[0] }

  static func run(
    _ kind: Reduction.Kind, _ x: Tensor, _ at: ReductionArguments, as dtype: DType, finish: Program? = nil,
    _ scalars: Scalars = Scalars()
  ) throws(TensorError) -> Value {
    var kept = x.body.layout.shape
    for dim in at.dims where kept.count > 0 { kept.at(dim, put: 1) }
    let result = try Value(Layout(kept), dtype)
    withExtendedLifetime(x) {
      Reduction.run(
        kind, in: dtype.computeClass, [x.body.elements], dims: kept.count > 0 ? at.dims : [], scalars: scalars,
        finish: finish, into: result.elements)
    }
    if at.keepDim { return result }
    var shape = Shape()
    for i in 0..<kept.count where !at.dims.contains(i) { shape.append(kept.at(i)) }
    return Value(result.storage, Layout(shape), dtype)
  }
}

extension Tensor {
  func count(of dims: [Int]) -> Int { ndim == 0 ? 1 : dims.reduce(1) { $0 * body.layout.shape.at($1) } }

  /// A reduced gradient stretched over what was reduced.
  func spread(to shape: Shape, _ at: ReductionArguments) -> Tensor {
    var kept = shape
    for dim in at.dims where kept.count > 0 { kept.at(dim, put: 1) }
    return reshape(kept).expand(shape)
  }

  /// The sum of all elements, or over `dim`; booleans and integers sum to int64. Torch's `sum`.
  public func sum(
    dim: [Int]? = nil, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { reduced(by: ops.reductions.sum, dim, keepDim, CallSite(file, line)) }

  /// The mean of all elements, or over `dim`. Floating point only. Torch's `mean`.
  public func mean(
    dim: [Int]? = nil, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { reduced(by: ops.reductions.mean, dim, keepDim, CallSite(file, line)) }

  private func reduced(
    by row: Operator<ReductionArguments>, _ dim: [Int]?, _ keepDim: Bool, _ site: CallSite
  ) -> Tensor {
    checked(row.name, at: site) { layout throws(TensorError) in
      var dims = Array(0..<layout.rank)
      if let dim, !dim.isEmpty { dims = try dim.mapDimensions(layout) }
      guard Set(dims).count == dims.count else {
        throw .argument("dim \(dim!) names a dimension twice")
      }
      return row(self, ReductionArguments(dims: dims, keepDim: keepDim), at: site)
    }
  }
}
