import Testing

@testable import Flambeau

/// Torch's second names do what the first ones do.
@Suite struct NamesTests {
  private let x = Tensor((0..<24).map { Float($0) / 4 - 3 }, shape: [2, 3, 4])

  private func same(_ a: Tensor, _ b: Tensor) -> Bool {
    a.dtype == b.dtype && a.shape == b.shape && a.array(of: Double.self) == b.array(of: Double.self)
  }

  @Test func secondNamesAreTheFirst() {
    #expect(x.numel() == 24 && x.dim() == 3)
    #expect(same(x.clip(min: -1, max: 0.5), x.clamp(min: -1, max: 0.5)))
    #expect(same(x.clone().clip_(max: 0.5), x.clamp(max: 0.5)))
    #expect(same(.concat([x, x], dim: 1), .cat([x, x], dim: 1)))
    #expect(same(x.ravel(), x.reshape([24])) && same(x.T.ravel(), x.T.contiguous().view([24])))
    #expect(same(x.moveAxis(0, 2), x.moveDim(0, 2)) && same(x.swapAxes(0, 2), x.transpose(0, 2)))
    #expect(same(x.mT, x.transpose(1, 2)) && same(x.sgn(), x.sign()) && same(x.fix(), x.trunc()))
    #expect(same(x.mH, x.mT) && same(x.adjoint(), x.mT) && same(x[0, 0].vdot(x[1, 2]), x[0, 0].dot(x[1, 2])))
    #expect(same(x.positive(), x) && same(x.trapz(dx: 2), x.trapezoid(dx: 2)))
    #expect(x.typeAs(Tensor([1])).dtype == .int64)
    #expect(Tensor.broadcastShapes([2, 1], [3], []) == [2, 3] && Tensor.broadcastShapes() == [])
  }

  @Test func misuseIsRefused() {
    #expect(throws: TensorError.self) { try withTensorErrors { x[0, 0].mT } }
    #expect(throws: TensorError.self) { try withTensorErrors { x[0, 0].adjoint() } }
    #expect(throws: TensorError.self) { try withTensorErrors { (x .> 0).positive() } }
    #expect(throws: TensorError.self) { try withTensorErrors { Tensor.broadcastShapes([2], [3]) } }
  }
}
