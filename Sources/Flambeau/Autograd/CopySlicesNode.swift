/// The maker of a base after a view of it was written: what lies outside the view comes from the old base, what lies inside
/// from the call that wrote. Operand 0 is the old base, the others are the call's.
///
/// Unchecked as every node is; its own fields never change.
final class CopySlicesNode: Node, @unchecked Sendable {
  private let place: StridedView
  private let dtype: DType
  private let device: Device
  private let write: Node

  init(base: TensorBody, view: Layout, write: Node) {
    place = StridedView(base: base.layout, view: view)
    (dtype, device) = (base.dtype, base.device)
    self.write = write
    var edges = write.edges
    edges[0] = base.edge
    super.init(edges: edges)
  }

  override var name: String { "CopySlices" }

  override func operandShape(_ i: Int) -> OperandShape {
    var shape = write.operandShape(i)
    if i == 0 { shape = OperandShape(place.base.shape, dtype, device) }
    return shape
  }

  override func backward(_ gradients: Few<Tensor>) throws(TensorError) -> Few<Tensor> {
    guard let gradient = gradients[0] else { return Few() }
    var passed = try write.backward(Few(ops.stridedViews.read(gradient, place)))
    if needs(0) {
      let inside = passed[0] ?? .zeros(place.view.shape, dtype: gradient.dtype, device: gradient.device)
      passed[0] = ops.stridedViews.replace(gradient, inside, place)
    }
    return passed
  }

  override func releaseSaved() {
    super.releaseSaved()
    write.releaseSaved()
  }
}
