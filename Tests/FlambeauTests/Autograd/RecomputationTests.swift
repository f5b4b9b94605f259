import Testing

@testable import Flambeau

/// Results that the backward pass computes again: same gradients, less memory.
@Suite(.serialized) struct RecomputationTests {
  /// Large enough that a result is not kept.
  private let x = withGenerator(Generator(seed: 1)) { Tensor.randn([512, 1024]) }
  private let w = withGenerator(Generator(seed: 2)) { Tensor.randn([1024, 8]) }

  private static let rows: [@Sendable (Tensor) -> Tensor] = [
    { $0.gelu() }, { $0.gelu(approximate: .tanh) }, { $0.silu() }, { $0.layerNorm([1024]) }, { $0.rmsNorm([1024]) },
    { $0.layerNorm([1024]).gelu() },
    { $0.layerNorm([1024], weight: .ones([1024]), bias: .ones([1024])).view([1024, 512]).gelu().view([512, 1024]) },
  ]

  private func gradients(_ row: (Tensor) -> Tensor) -> [Tensor] {
    let leaves = [x.clone().requiresGrad_(), w.clone().requiresGrad_()]
    let y = row(leaves[0]).mm(leaves[1])
    return Tensor.grad(of: [y], withRespectTo: leaves, gradients: [.ones(y.shape)]).map { $0! }
  }

  @Test(arguments: rows.indices) func gradientsAreThoseOfWhatIsKept(row: Int) {
    let row = Self.rows[row]
    // What is watched is kept.
    let kept = savedTensorHooks(pack: { $0 }, unpack: { $0 }) { gradients(row) }
    for (mine, other) in zip(gradients(row), kept) { #expect(mine.isEqual(to: other)) }
  }

  @Test func theResultIsNotKept() {
    let leaf = x.clone().requiresGrad_()
    let y = (leaf * 2).gelu().mm(w.clone().requiresGrad_())
    #expect(y.body.node?.saved[0] != nil && savedOperand(of: y, 0) == nil)
    // A result that has been written to is kept as it is.
    let other = (leaf * 2).gelu()
    noGrad { _ = other.add_(1) }
    let z = other.mm(w.clone().requiresGrad_())
    #expect(savedOperand(of: z, 0)?.storage === other.body.storage)
  }

  /// What a call saved of an operand, if it holds the elements.
  private func savedOperand(of result: Tensor, _ operand: Int) -> TensorBody? { result.body.node?.saved[operand]?.heldBody }

  @Test func laterWritesToTheResultDoNotReachTheGradient() {
    let expected = gradients { $0.gelu() }
    let leaves = [x.clone().requiresGrad_(), w.clone().requiresGrad_()]
    let y = leaves[0].gelu()
    let z = y.mm(leaves[1])
    noGrad { _ = y.zero_() }
    let found = Tensor.grad(of: [z], withRespectTo: leaves, gradients: [.ones(z.shape)])
    for (mine, other) in zip(found, expected) { #expect(mine!.isEqual(to: other)) }
  }

  @Test func writesToTheOperandAreRefused() {
    let leaf = x.clone().requiresGrad_()
    let scaled = leaf * 1
    let refusal = Direct.refusal {
      let y = scaled.gelu().mm(w.clone().requiresGrad_())
      scaled.add_(1)
      y.sum().backward()
    }
    #expect(refusal.contains("modified by an inplace operation"))
  }

  @Test func secondDerivativesGoThroughIt() {
    let leaf = x.clone().requiresGrad_()
    let weight = w.clone().requiresGrad_()
    func second() -> Tensor {
      let y = leaf.gelu().mm(weight)
      let first = Tensor.grad(of: [y], withRespectTo: [weight], gradients: [.ones(y.shape)], createGraph: true)[0]!
      return Tensor.grad(of: [(first * first).sum()], withRespectTo: [leaf])[0]!
    }
    let kept = savedTensorHooks(pack: { $0 }, unpack: { $0 }) { second() }
    #expect(second().isEqual(to: kept))
  }
}
