/// The argument of a reduction that looks for a place: a dimension, or nil for the whole tensor.
struct PlaceArguments: Sendable {
  let dim: Int?
  let keepDim: Bool

  /// As what it does to shapes.
  func reduction(_ rank: Int) -> ReductionArguments {
    ReductionArguments(dims: rank == 0 ? [] : dim.map { [$0] } ?? Array(0..<rank), keepDim: keepDim)
  }
}

extension PlaceArguments {
  /// An element of each row of `x` along the dimension, and beside it its place: `find` writes both.
  func found(
    _ name: String, in x: TensorBody, _ find: (_ values: Elements, _ places: Elements) throws(TensorError) -> Void
  ) throws(TensorError) -> Value {
    let reduction = reduction(x.layout.rank)
    try reduction.checkNotEmpty(name, x.layout.shape)
    let (kept, shape) = (Layout(reduction.kept(x.layout.shape)), Layout(reduction.resultShape(x.layout.shape)))
    let (values, places) = (try Value(kept, x.dtype, on: x.device), try Value(kept, .int64, on: x.device))
    if kept.elementCount > 0 {
      try withExtendedLifetime(x) { () throws(TensorError) in try find(values.elements, places.elements) }
    }
    var result = Value(values.storage, shape, x.dtype)
    result.auxiliaries = [Value(places.storage, shape, .int64)]
    return result
  }

  /// The gradient of elements that were found, at the places that the call kept.
  func placed<Attributes>(_ gradient: Tensor, of call: Call<Attributes>) throws(TensorError) -> Few<Tensor> {
    let shape = call.shape(0)
    let reduction = reduction(shape.count)
    return Few(
      gradient.restored(shape, reduction).placed(in: shape, dim: dim!, at: try call.auxiliary(0).restored(shape, reduction)))
  }
}
