/// A value a node keeps for its derivative, with the version it had.
///
/// An operand is kept as its body. A node's own result is kept as storage and layout: its body would be a cycle.
struct SavedTensor: Sendable {
  private enum Content: Sendable {
    case operand(TensorBody)
    case result(Storage, Layout, DType, index: Int)
  }

  private let content: Content
  private let version: UInt32

  init(operand: TensorBody) {
    content = .operand(operand)
    version = operand.storage.version.load(ordering: .relaxed)
  }

  init(result: Value, index: Int) {
    content = .result(result.storage, result.layout, result.dtype, index: index)
    version = result.storage.version.load(ordering: .relaxed)
  }

  /// The value, if nothing has written to it since; `node` is the one that saved it.
  func unpack(for node: Node) throws(TensorError) -> Tensor {
    switch content {
    case .operand(let body):
      try check(body.storage, body.dtype, body.layout, body.node, body.resultIndex)
      return Tensor(body)
    case .result(let storage, let layout, let dtype, let index):
      try check(storage, dtype, layout, node, index)
      return Tensor(TensorBody(Value(storage, layout, dtype), node: node, resultIndex: index))
    }
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
