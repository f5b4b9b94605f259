import Flambeau
import FlambeauNN
import Foundation
import Synchronization
import TestSupport
import Testing

/// Hooks on layers, beside torch's.
@Suite struct HookTests {
  /// A layer of a user, whose calls hooks reach.
  private final class Doubling: HookableLayer {
    let scale = Parameter(.full([], 2.0))
    func forward(_ x: Tensor) -> Tensor { x * scale.tensor }
  }

  private final class Notes: Sendable {
    // A lock that ThreadSanitizer sees.
    private let lock = Lock()
    nonisolated(unsafe) private var notes: [[Float]] = []
    var all: [[Float]] { lock.withLock { notes } }
    func add(_ tensor: Tensor?) { lock.withLock { notes.append(tensor?.floats ?? []) } }
  }

  @Test func hooksSeeAndReplace() {
    let net = Sequential(Doubling(), ReLU())
    let inner = net[0] as! any HookableLayer
    let x = Tensor([-1, 3] as [Float])
    let notes = Notes()
    let before = inner.registerForwardPreHook { _, input in input + 1 }
    let after = inner.registerForwardHook { layer, input, output in
      notes.add(input)
      notes.add(output)
      return layer is Doubling ? output * 10 : nil
    }
    #expect(net(x).floats == [0, 80])
    #expect(notes.all == [[0, 4], [0, 8]])
    before.remove()
    #expect(net(x).floats == [0, 60])
    after.remove()
    #expect(net(x).floats == [0, 6])
    #expect(notes.all.count == 4)
  }

  @Test func hooksAddedByManyTasksAreAllCalled() async {
    for _ in 0..<300 {
      let (layer, notes) = (Doubling(), Notes())
      await withTaskGroup(of: Void.self) { group in
        for _ in 0..<4 {
          group.addTask {
            layer.registerForwardHook { _, _, _ in
              notes.add(nil)
              return nil
            }
          }
        }
      }
      _ = layer(.ones([1]))
      #expect(notes.all.count == 4)
    }
  }

  @Test(.enabled(if: Torch.python != nil)) func gradientsAreTorchs() throws {
    let hook = "lambda m, i, o: (i[0] * 3 + o[0].sum(),)"
    let expression =
      "(lambda l: (l.register_full_backward_hook(\(hook)), (l(a) * l(a * 2)).tanh() + a)[1])(nn.Linear(3, 3))"
    let x = Tensor.random([2, 3])
    let answer = try Torch.judge([Torch.Question(expression: expression, input: x, seed: 5)])[0]
    let leaf = x.clone().requiresGrad_()
    let y = withGenerator(Generator(seed: 5)) {
      let layer = Linear(3, 3)
      layer.registerFullBackwardHook { _, gradInput, gradOutput in gradInput! * 3 + gradOutput.sum() }
      return (layer(leaf) * layer(leaf * 2)).tanh() + leaf
    }
    y.backward(gradient: Torch.cotangent(y.shape))
    #expect(y.allClose(answer.output, rtol: 1e-5, atol: 1e-6))
    #expect(leaf.grad!.allClose(answer.gradient, rtol: 1e-5, atol: 1e-6))
  }

  /// Torch: what hooks on the result return is what the layer's see.
  @Test func hooksOnTheResultComeBeforeTheLayers() {
    let (layer, notes) = (Doubling(), Notes())
    layer.registerFullBackwardHook { _, gradInput, gradOutput in
      notes.add(gradInput)
      notes.add(gradOutput)
      return nil
    }
    let y = layer(Tensor([1, 3] as [Float]).requiresGrad_())
    y.registerHook { $0 * 5 }
    y.sum().backward()
    #expect(notes.all == [[10, 10], [5, 5]])
  }

  @Test func aBackwardHookSeesLayersWhoseInputNeedsNoGradient() {
    let layer = Doubling()
    let notes = Notes()
    layer.registerFullBackwardHook { _, gradInput, gradOutput in
      notes.add(gradInput)
      notes.add(gradOutput)
      return nil
    }
    layer(Tensor([1, 3] as [Float])).sum().backward()
    #expect(notes.all == [[], [1, 1]] && layer.scale.grad!.floats == [4])
    noGrad { _ = layer(Tensor([1, 3] as [Float])) }
    #expect(notes.all.count == 2)
  }

  /// The gradients that a hook sees are those of one pass.
  @Test func passesOfSeveralThreadsAreNotMixed() {
    let (layer, notes) = (Doubling(), Notes())
    layer.registerForwardHook { _, _, output in
      // Other passes come by meanwhile.
      output.registerHook { _ in
        usleep(100)
        return nil
      }
      return nil
    }
    layer.registerFullBackwardHook { _, gradInput, gradOutput in
      notes.add(gradInput)
      notes.add(gradInput! - gradOutput * 2)
      return nil
    }
    let x = Tensor([1] as [Float]).requiresGrad_()
    let y = layer(x)
    let (threads, rounds) = (4, 50)
    onThreads(threads) { thread in
      for _ in 0..<rounds { _ = Tensor.grad(of: [y * Double(thread + 1)], withRespectTo: [x], retainGraph: true) }
    }
    #expect(notes.all.count == 2 * threads * rounds)
    #expect(notes.all.count { $0 == [0] } == threads * rounds)
    for gradient: Float in [2, 4, 6, 8] { #expect(notes.all.count { $0 == [gradient] } == rounds) }
  }

  @Test func aPassWithinAPassIsAnother() {
    final class Nesting: HookableLayer {
      let result = Mutex<(y: Tensor, x: Tensor)?>(nil)
      func forward(_ x: Tensor) -> Tensor {
        let identity = CustomFunction("Nesting") { _, inputs in
          [inputs[0] * 1]
        } backward: { [self] _, gradients in
          if let (y, x) = result.withLock({ $0.take() }) {
            _ = Tensor.grad(of: [y], withRespectTo: [x], gradients: [.full([1], 7.0)], retainGraph: true)
          }
          return [gradients[0]]
        }
        return identity(x)
      }
    }
    let (layer, notes) = (Nesting(), Notes())
    layer.registerFullBackwardHook { _, gradInput, gradOutput in
      notes.add(gradInput)
      notes.add(gradOutput)
      return nil
    }
    let x = Tensor([1] as [Float]).requiresGrad_()
    let y = layer(x)
    layer.result.withLock { $0 = (y, x) }
    y.backward(gradient: .full([1], 3.0))
    #expect(notes.all == [[7], [7], [3], [3]])
  }

  /// A pass that goes no further than the weights leaves nothing for the next.
  @Test func aPassThatEndsInALayerLeavesNothing() {
    let (layer, notes) = (Doubling(), Notes())
    let input = Mutex<Tensor?>(nil)
    layer.registerForwardHook { _, x, _ in
      input.withLock { $0 = x }
      return nil
    }
    layer.registerFullBackwardHook { _, gradInput, _ in
      notes.add(gradInput)
      return nil
    }
    let y = layer(Tensor([1] as [Float]).requiresGrad_())
    _ = Tensor.grad(of: [y], withRespectTo: [layer.scale.tensor], retainGraph: true)
    (input.withLock { $0! } * 5).backward()
    #expect(notes.all.isEmpty)
    y.backward()
    #expect(notes.all == [[2]])
  }

  @Test func hooksEndWithTheirLayer() {
    weak var released: Doubling?
    do {
      let layer = Doubling()
      layer.registerForwardHook { _, _, _ in nil }
      layer.registerFullBackwardHook { _, _, _ in nil }
      layer(Tensor([1] as [Float])).sum().backward()
      released = layer
    }
    #expect(released == nil)
    for _ in 0..<50 { #expect(Doubling()(Tensor([1] as [Float])).floats == [2]) }
  }

  @Test func containersHaveTorchsNames() {
    final class Net: Module {
      let list = ModuleList([Linear(2, 2, bias: false), Linear(2, 1, bias: false)])
      let dict = ModuleDict<any Layer>(["second": Linear(1, 1, bias: false), "first": PReLU()])
      let numbers: ParameterList = ModuleList([Parameter(.ones([1])), Parameter(.ones([2]))])
      let named: ParameterDict = ModuleDict(["b": Parameter(.ones([1])), "a": Parameter(.ones([1]))])
    }
    let net = Net()
    #expect(
      net.stateDict().keys == [
        "list.0.weight", "list.1.weight", "dict.second.weight", "dict.first.weight", "numbers.0", "numbers.1", "named.b",
        "named.a",
      ])
    #expect(net.list.count == 2 && net.list[-1].outFeatures == 1 && net.dict.keys == ["second", "first"])
    #expect(net.dict["first"] is PReLU && net.dict["third"] == nil)
    #expect(net.namedModules().map(\.name).contains("dict.first"))
  }
}
