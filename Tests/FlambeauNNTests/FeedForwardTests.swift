import Flambeau
import Testing

@testable import FlambeauNN

/// Linear maps with an activation between them are one call, but where something has to see what is between.
@Suite(.serialized) struct FeedForwardTests {
  private static let activations: [(any Layer, @Sendable (Tensor) -> Tensor)] = [
    (ReLU(), { $0.relu() }), (GELU(), { $0.gelu() }), (GELU(approximate: .tanh), { $0.gelu(approximate: .tanh) }),
  ]

  private static func layers() -> (Linear, Linear, Tensor) {
    withGenerator(Generator(seed: 5)) { (Linear(6, 40), Linear(40, 3), Tensor.randn([2, 5, 6])) }
  }

  @Test func aSequenceComputesWhatItsLayersDo() {
    for (activation, function) in Self.activations {
      let (first, last, x) = Self.layers()
      let (middle, dropout) = (Linear(3, 4), Dropout(0.5))
      dropout.eval()
      let all = Sequential(first, activation, last, dropout, middle)
      let (y, expected) = (all(x), middle(last(function(first(x)))))
      #expect(y.isEqual(to: expected))
      y.square().sum().backward()
      let gradients = [first, last, middle].map { ($0.weight.grad!, $0.bias!.grad!) }
      for layer in [first, last, middle] { (layer.weight.grad, layer.bias!.grad) = (nil, nil) }
      expected.square().sum().backward()
      for ((weight, bias), layer) in zip(gradients, [first, last, middle]) {
        #expect(
          weight.allClose(layer.weight.grad!, rtol: 1e-5, atol: 1e-5) && bias.allClose(layer.bias!.grad!, rtol: 1e-5, atol: 1e-5))
      }
    }
  }

  @Test func anActiveDropoutIsBetween() {
    let (first, last, x) = Self.layers()
    let dropout = Dropout(0.5)
    let all = Sequential(first, ReLU(), dropout, last)
    func draw(_ body: () -> Tensor) -> Tensor { withGenerator(Generator(seed: 8), body) }
    #expect(draw { all(x) }.isEqual(to: draw { last(first(x).relu().dropout(0.5)) }))
    all.eval()
    #expect(draw { all(x) }.isEqual(to: last(first(x).relu())))
  }
}
