/// How values that derivatives read are kept. Packing gives what gives the value back.
struct SavedTensorHooks: Sendable {
  typealias Unpack = @Sendable () throws(TensorError) -> Tensor
  let pack: @Sendable (Tensor) throws(TensorError) -> Unpack
}

/// A saved value in its packed form.
struct PackedTensor: Sendable {
  let unpack: SavedTensorHooks.Unpack
  let shape: Shape
  let dtype: DType
  /// Where an operand came from; a result of the node itself has none.
  let edge: Edge?
  /// Which result of the node; -1 for an operand.
  let resultIndex: Int

  func unpacked(for node: Node) throws(TensorError) -> Tensor {
    let context = Context.current
    let value = try Context.attempt(context.recording(false)) { () throws(TensorError) in try unpack() }
    if let poison = value.body.poison { throw poison }
    guard value.shape == shape, value.dtype == dtype else {
      throw .autograd(
        "the unpack hook of a saved tensor returned \(value.summary), but \(dtype) \(shape) was packed. Return what has the "
          + "shape and dtype of the tensor that was packed.")
    }
    let (maker, index) = resultIndex >= 0 ? (node, resultIndex) : (edge?.node, edge?.index ?? 0)
    return Tensor(TensorBody(value.body.value, node: maker, resultIndex: index))
  }
}

/// Runs `body`; what the calls in it keep for their derivatives goes through `pack`, and through `unpack` when a backward
/// pass reads it: to keep it in a smaller dtype, on disk, elsewhere. Torch's `saved_tensors_hooks`.
///
///     savedTensorHooks(pack: { $0.to(.bfloat16) }, unpack: { $0.to(.float32) }) { loss = model(x) }
///
/// - Parameters:
///   - pack: Called with each saved tensor, detached; not recorded.
///   - unpack: Returns a tensor of the shape and dtype that was packed; called for each backward pass.
public func savedTensorHooks<Packed: Sendable, R>(
  pack: @escaping @Sendable (Tensor) -> Packed, unpack: @escaping @Sendable (Packed) -> Tensor, _ body: () throws -> R
) rethrows -> R {
  let hooks = SavedTensorHooks { tensor in
    let packed = pack(tensor)
    return { unpack(packed) }
  }
  let context = Context.current
  let watch = GraphWatch(hooks: hooks, isAnomalyMode: context.watch?.isAnomalyMode ?? false)
  return try Context.run(context.with(watch: watch), body)
}
