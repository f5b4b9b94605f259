/// A view re-derived from its base after the base was written: any layout within another's memory.
///
/// Unchecked as every node is; its own fields never change.
final class StridedViewNode: Node, @unchecked Sendable {
  private let base: Layout
  private let view: Layout

  init(of base: Layout, as view: Layout, edge: Edge) {
    self.base = base
    self.view = view
    super.init(edges: Edges(edge))
  }

  override var name: String { "AsStrided" }

  override func backward(_ gradients: Few<Tensor>) throws(TensorError) -> Few<Tensor> {
    guard let gradient = gradients[0] else { return Few() }
    return Few(ops.stridedViews.place(gradient, StridedView(base: base, view: view)))
  }
}
