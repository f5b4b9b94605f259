/// A value a node keeps for its derivative, with the version it had.
///
/// An operand is kept as its body, or as what computes it again. A node's own result is kept as storage and layout: its body would
/// be a cycle.
struct SavedTensor: Sendable {
  private enum Kept: Sendable {
    /// The operand, or a bare body of the result's elements.
    case body(TensorBody)
    case again(Recomputation)
  }

  private let kept: Kept
  private let version: UInt32
  /// Which result of the node; -1 for an operand.
  private let resultIndex: Int32

  init(operand: TensorBody) {
    kept = Recomputation.of(operand).map { .again($0) } ?? .body(operand)
    version = operand.storage.version.load(ordering: .relaxed)
    resultIndex = -1
  }

  init(result: Value, index: Int) {
    kept = .body(TensorBody(result))
    version = result.storage.version.load(ordering: .relaxed)
    resultIndex = Int32(index)
  }

  /// The body that holds the elements; nil where they are computed again.
  var heldBody: TensorBody? {
    if case .body(let body) = kept { return body }
    return nil
  }

  /// The value, if nothing has written to it since; `node` is the one that saved it.
  func unpack(for node: Node) throws(TensorError) -> Tensor {
    let body: TensorBody
    switch kept {
    case .body(let known): body = known
    case .again(let recomputation): return try recomputation.value()
    }
    if resultIndex < 0 {
      try check(body.storage, body.dtype, body.layout, body.node, body.resultIndex)
      return Tensor(body)
    }
    try check(body.storage, body.dtype, body.layout, node, Int(resultIndex))
    return Tensor(body.rewrapped(node: node, resultIndex: Int(resultIndex)))
  }

  /// The value as `hooks` keep it.
  func packed(_ hooks: SavedTensorHooks) throws(TensorError) -> PackedTensor {
    guard case .body(let body) = kept else { preconditionFailure("what is watched is kept") }
    let plain = Tensor(TensorBody(body.value))
    let unpack = try Context.attempt(Context.current.recording(false)) { () throws(TensorError) in try hooks.pack(plain) }
    return PackedTensor(
      unpack: unpack, shape: body.layout.shape, dtype: body.dtype, edge: resultIndex < 0 ? body.edge : nil,
      resultIndex: Int(resultIndex))
  }

  private func check(
    _ storage: Storage, _ dtype: DType, _ layout: Layout, _ maker: Node?, _ index: Int
  ) throws(TensorError) {
    let now = storage.version.load(ordering: .relaxed)
    if now == version { return }
    let origin = maker.map { ", which is output \(index) of \($0.name)," } ?? ""
    throw .autograd(
      "one of the variables needed for gradient computation has been modified by an inplace operation: "
        + "[torch.\(dtype.torchScalarName)Tensor \(layout.shape)]\(origin) is at version \(now); "
        + "expected version \(version) instead. Clone it before the write, or write before it is used.")
  }
}
