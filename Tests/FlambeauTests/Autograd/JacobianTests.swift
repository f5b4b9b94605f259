import Testing

@testable import Flambeau

@Suite struct JacobianTests {
  private static let shared = [
    Sample("torch.autograd.functional.jacobian(lambda x: (x * x.sum(0)).sin()[1:], a)", [.real([3, 2])]) {
      jacobian(at: $0[0].detach()) { x in (x * x.sum(dim: 0)).sin().narrow(0, start: 1, length: 2) }
    },
    Sample(
      "torch.cat([j.flatten() for j in torch.autograd.functional.jacobian(lambda x, y: x @ y, (a, b))])",
      [.real([2, 3]), .real([3])]
    ) {
      .cat(jacobian(at: [$0[0].detach(), $0[1].detach()]) { $0[0].matmul($0[1]) }.map { $0.flatten() })
    },
    Sample("torch.autograd.functional.hessian(lambda x: (x.exp() * x.cumsum(0)).sum(), a)", [.real([4])]) {
      hessian(at: $0[0].detach()) { x in (x.exp() * x.cumsum(dim: 0)).sum() }
    },
    Sample("torch.autograd.functional.vjp(lambda x: x.tanh() @ x.T, a, b)[1]", [.real([2, 3]), .real([2, 2])]) {
      vjp(at: $0[0].detach(), $0[1].detach()) { x in x.tanh().matmul(x.T) }.product
    },
    Sample("torch.autograd.functional.jvp(lambda x: x.tanh() @ x.T, a, b)[1]", [.real([2, 3]), .real([2, 3])]) {
      jvp(at: $0[0].detach(), $0[1].detach()) { x in x.tanh().matmul(x.T) }.product
    },
    Sample("torch.autograd.functional.hvp(lambda x: (x ** 3).sum() * x[0], a, b)[1]", [.real([4]), .real([4])]) {
      hvp(at: $0[0].detach(), $0[1].detach()) { x in x.pow(3).sum() * x[0] }.product
    },
  ]

  @Test(.enabled(if: Torch.isThere, "no Python with torch")) func areTorchs() throws {
    expectNone(try Direct.differences(Self.shared))
  }

  @Test func jacobianDifferentiatesAgain() {
    let x = Tensor([1, 2] as [Double]).requiresGrad_()
    let rows = jacobian(at: x, createGraph: true) { $0.pow(3) }
    rows.sum().backward()
    #expect(x.grad!.array(of: Double.self) == [6, 12])
  }

  @Test func whatDoesNotDependIsZero() {
    let x = Tensor([1, 2] as [Double])
    let constant = Tensor([5] as [Double])
    #expect(jacobian(at: x) { _ in constant }.isEqual(to: .zeros([1, 2], dtype: .float64)))
    #expect(hessian(at: x) { $0.sum() }.isEqual(to: .zeros([2, 2], dtype: .float64)))
    #expect(jvp(at: x, x) { _ in constant }.product.item() == 0)
    #expect(hvp(at: x, x) { $0.sum() }.product.isEqual(to: .zeros([2], dtype: .float64)))
    #expect(vjp(at: x) { _ in constant }.product.isEqual(to: .zeros([2], dtype: .float64)))
  }
}
