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
    Sample(
      "torch.autograd.functional.jvp(lambda x, y: (x @ y).exp() * x[:, :2], (a, b), (a.cos(), b.sin()))[1]",
      [.real([3, 4]), .real([4, 2])]
    ) {
      let (x, y) = ($0[0].detach(), $0[1].detach())
      return jvp(at: [x, y], [x.cos(), y.sin()]) { $0[0].matmul($0[1]).exp() * $0[0][0..., ..<2] }.product
    },
    Sample(
      "torch.autograd.functional.jacobian(lambda x: (x * x.sum(0)).sin()[1:], a.detach(), strategy='forward-mode', vectorize=True)",
      [.real([3, 2])]
    ) {
      jacobian(at: $0[0].detach(), strategy: .forwardMode) { x in (x * x.sum(dim: 0)).sin().narrow(0, start: 1, length: 2) }
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

  @Test func tangentsFollowWritesThroughViews() {
    let x = Tensor([1, 2, 3] as [Double])
    // y = [x₀², 5x₁, x₂], written in three ways.
    let (value, product) = jvp(at: x, Tensor([1, 10, 100] as [Double])) { x in
      let y = x.clone()
      y[0] = x[0] * x[0]
      y[1..<2].mul_(5)
      return y.view([3, 1]).squeeze(1)
    }
    #expect(value.array(of: Double.self) == [1, 10, 3])
    #expect(product.array(of: Double.self) == [2, 50, 100])
  }

  @Test func tangentsPassCustomFunctionsAndCheckpoints() {
    let cube = CustomFunction("Cube") { call, inputs in
      call.save(inputs[0])
      return [inputs[0].pow(3)]
    } backward: { call, gradients in
      [3 * call.saved[0].square() * gradients[0]]
    }
    let x = Tensor([1, 2] as [Double])
    #expect(jvp(at: x, Tensor([1, 1] as [Double])) { cube($0) }.product.array(of: Double.self) == [3, 12])
    let product = jvp(at: x, Tensor([1, 1] as [Double])) { x in checkpoint { x.pow(2) } }.product
    #expect(product.array(of: Double.self) == [2, 4])
  }

  @Test func forwardOverForwardAndReverseOverForward() {
    let x = Tensor([0.3, 0.7] as [Double])
    let ones = Tensor([1, 1] as [Double])
    let second = jvp(at: x, ones) { x in jvp(at: x, ones, createGraph: true) { $0.sin() }.product }.product
    #expect(second.isClose(-x.sin()).all().item(as: Bool.self))
    let leaf = x.clone().requiresGrad_()
    jvp(at: leaf, ones, createGraph: true) { $0.exp() }.product.sum().backward()
    #expect(leaf.grad!.isClose(x.exp()).all().item(as: Bool.self))
  }

  @Test func tangentsOfOtherShapesAreRefused() {
    let x = Tensor([1, 2] as [Double])
    #expect(throws: TensorError.self) { try withTensorErrors { jvp(at: x, Tensor([1] as [Double])) { $0.sin() }.product } }
  }

  /// u · (J t) = (Jᵀ u) · t for every row of the table.
  @Test(arguments: Table.entries.indices)
  func forwardAndReverseAreAdjoint(index: Int) throws {
    let entry = Table.entries[index]
    guard let sampleCase = SampleCase.all(entry, round: 2).first(where: { $0.variant == "float64" }),
      sampleCase.requiresGrad.contains(true),
      (try? withTensorErrors({ entry.sample.call(sampleCase.operands) })) != nil
    else { return }
    try withTensorErrors {
      let moving = sampleCase.operands.indices.filter { sampleCase.requiresGrad[$0] }
      let leaves = zip(sampleCase.operands, sampleCase.requiresGrad).map { $0.detach().requiresGrad_($1) }
      let results = entry.sample.call(leaves).filter { $0.requiresGrad }
      let generator = Generator(seed: UInt64(index))
      for result in results {
        let tangents = moving.map { Tensor.randn(leaves[$0].shape, dtype: .float64, generator: generator) }
        let weights = Tensor.randn(result.shape, dtype: .float64, generator: generator)
        let seeds = zip(moving, tangents).map { (leaves[$0].body.edge!, $1) }
        let product = try ForwardPass.tangents(of: [result], along: seeds, createGraph: false)[0]
        let gradients = Tensor.grad(
          of: [result], withRespectTo: moving.map { leaves[$0] }, gradients: [weights], retainGraph: true, allowUnused: true)
        let forward = product.map { ($0 * weights).sum().item() } ?? 0
        let reverse = zip(gradients, tangents).reduce(0.0) { sum, pair in sum + (pair.0.map { ($0 * pair.1).sum().item() } ?? 0) }
        #expect(product?.requiresGrad != true && (product.map { $0.shape == result.shape } ?? true))
        #expect(abs(forward - reverse) <= 1e-9 * max(1, abs(reverse)), "\(entry)")
      }
    }
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
