/// A view re-derived from its base after the base was written: any layout within another's memory.
///
/// Unchecked as every node is; its own fields never change.
final class StridedViewNode: Node, @unchecked Sendable {
  private let base: Layout
  private let view: Layout
  private let dtype: DType
  private let device: Device

  init(of base: TensorBody, as view: Layout, edge: Edge) {
    self.base = base.layout
    self.view = view
    (dtype, device) = (base.dtype, base.device)
    super.init(edges: Edges(edge))
  }

  override func operandShape(_ i: Int) -> OperandShape { OperandShape(base.shape, dtype, device) }

  override var name: String { "AsStrided" }

  override func backward(_ gradients: Few<Tensor>) throws(TensorError) -> Few<Tensor> {
    guard let gradient = gradients[0] else { return Few() }
    return Few(ops.stridedViews.place(gradient, StridedView(base: base, view: view)))
  }
}
