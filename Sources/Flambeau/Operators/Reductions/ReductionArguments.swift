import CKernels

/// What a reduction is asked for.
struct ReductionArguments: Sendable {
  /// Distinct, not negative; none for a scalar.
  let dims: [Int]
  let keepDim: Bool
  /// The result's dtype, where the call names one.
  var dtype: DType? = nil

  /// The shape with the reduced sizes 1.
  func kept(_ shape: Shape) -> Shape {
    var result = shape
    for dim in dims { result.at(dim, put: 1) }
    return result
  }

  func resultShape(_ shape: Shape) -> Shape {
    if keepDim { return kept(shape) }
    var result = Shape()
    for i in 0..<shape.count where !dims.contains(i) { result.append(shape.at(i)) }
    return result
  }

  /// How many elements each result is made of.
  func count(_ shape: Shape) -> Int { dims.reduce(1) { $0 * shape.at($1) } }

  var keeping: ReductionArguments { ReductionArguments(dims: dims, keepDim: true, dtype: dtype) }

  /// Reduces `inputs`, which have one shape; see ``Backend/reduce(_:in:_:map:dims:scalars:finish:into:)``.
  func reduce(
    _ kind: Reduction.Kind, in computeClass: ComputeClass, _ inputs: [Elements], map: Program? = nil,
    scalars: Scalars = Scalars(), finish: Program? = nil, as dtype: DType
  ) throws(TensorError) -> Value {
    let shape = inputs[0].layout.shape
    let result = try Value(Layout(kept(shape)), dtype, on: inputs[0].device)
    try Backend.reduce(
      kind, in: computeClass, inputs, map: map, dims: dims, scalars: scalars, finish: finish, into: result.elements)
    return keepDim ? result : Value(result.storage, Layout(resultShape(shape)), dtype)
  }

  /// What has no identity cannot be of nothing.
  func checkNotEmpty(_ name: String, _ shape: Shape) throws(TensorError) {
    for dim in dims where shape.at(dim) == 0 {
      throw .index("\(name)(): Expected reduction dim \(dim) to have non-zero size.")
    }
  }
}

extension Elements {
  /// `shape` is one that the elements broadcast to.
  func broadcast(to shape: Shape) -> Elements { laid(layout.broadcast(to: shape)!) }
}

extension Layout {
  /// The dimensions a call names, all of them if `dim` is nil; none of a scalar.
  func reducedDimensions(_ dim: [Int]?) throws(TensorError) -> [Int] {
    guard let dim else { return Array(0..<rank) }
    var result: [Int] = []
    for position in try dim.mapDimensions(self) {
      if result.contains(position) { throw .argument("dim \(position) appears multiple times in the list of dims") }
      result.append(position)
    }
    return rank == 0 ? [] : result
  }
}

extension Tensor {
  /// Calls `row` over the dimensions `dim` names, all if it is nil.
  func reduced(
    by row: Operator<ReductionArguments>, _ dim: [Int]?, _ keepDim: Bool, as dtype: DType? = nil, emptyIsAll: Bool = true,
    _ site: CallSite
  ) -> Tensor {
    checked(row.name, at: site) { layout throws(TensorError) in
      let dims = try layout.reducedDimensions(emptyIsAll && dim == [] ? nil : dim)
      return row(
        readable(as: dtype), ReductionArguments(dims: dims, keepDim: keepDim, dtype: dtype), at: site)
    }
  }

  /// This tensor, or its conversion to `dtype` where reading it in that dtype's compute class is not the same.
  func readable(as dtype: DType?) -> Tensor {
    guard let dtype, dtype.isHalf || dtype == .bool || self.dtype.promoted(with: dtype) != dtype else { return self }
    return to(dtype)
  }

  /// A reduced gradient stretched over what was reduced.
  func spread(to shape: Shape, _ at: ReductionArguments) -> Tensor { restored(shape, at).expand(shape) }

  /// The reduced dimensions of `shape` are back, with size 1.
  func restored(_ shape: Shape, _ at: ReductionArguments) -> Tensor { reshape(at.kept(shape)) }
}
