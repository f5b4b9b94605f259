import Flambeau
import FlambeauNN
import Testing

@Suite struct StateTests {
  @Test func aStateDictSharesMemory() {
    let layer = Linear(2, 2)
    let state = layer.stateDict()
    #expect(!state["weight"]!.requiresGrad)
    Init.constant_(layer.weight.tensor, 7)
    #expect(state["weight"]!.floats == [7, 7, 7, 7])
  }

  @Test func loadingCopiesAndConverts() throws {
    let (source, target) = (Linear(3, 2), Linear(3, 2).double())
    let leaf = target.weight.tensor
    #expect(try target.loadStateDict(source.stateDict()) == IncompatibleKeys())
    #expect(target.weight.tensor.isSame(as: leaf) && target.weight.dtype == .float64)
    #expect(target.weight.tensor.floats == source.weight.tensor.floats)
    #expect(target.bias!.tensor.floats == source.bias!.tensor.floats)
    final class Counter: Module {
      let count = Buffer(Tensor(3 as Int64))
    }
    let counter = Counter()
    try counter.loadStateDict(["count": Tensor([5] as [Int64])])
    #expect(counter.count.tensor.item() == 5)
  }

  @Test func loadingIsAllOrNothing() throws {
    let model = Sequential(Linear(2, 3), Linear(3, 1))
    let before = model.stateDict().map { $0.value.floats }
    var state = StateDict(model.stateDict().map { ($0.key, Tensor.ones($0.value.shape)) })
    state["1.weight"] = .ones([2, 3])
    state["1.bias"] = nil
    state["2.weight"] = .ones([1])
    state["extra"] = .ones([1])
    let error = #expect(throws: StateDictError.self) { try model.loadStateDict(state) }
    #expect(
      error?.description == """
        Error(s) in loading state_dict for Sequential:
        \tMissing key(s) in state_dict: "1.bias".\u{20}
        \tUnexpected key(s) in state_dict: "2.weight", "extra".\u{20}
        \tsize mismatch for 1.weight: copying a param with shape [2, 3] from checkpoint, the shape in current model is [1, 3].
        """)
    #expect(model.stateDict().map { $0.value.floats } == before)
    // Shapes count also where names do not.
    let second = #expect(throws: StateDictError.self) { try model.loadStateDict(state, strict: false) }
    #expect(second?.mismatches.count == 1 && second?.keys == IncompatibleKeys())
    #expect(model.stateDict().map { $0.value.floats } == before)
    state["1.weight"] = .ones([1, 3])
    let keys = try model.loadStateDict(state, strict: false)
    #expect(keys.missingKeys == ["1.bias"] && keys.unexpectedKeys == ["2.weight", "extra"])
    #expect(model.stateDict()["1.weight"]!.floats == [1, 1, 1])
    #expect(model.stateDict()["1.bias"]!.floats == before[3])
  }

  @Test func nothingIsLoadedInAFailedScope() {
    let layer = Linear(2, 2)
    let before = layer.weight.tensor.floats
    #expect(throws: TensorError.self) {
      try withTensorErrors {
        let wrong = layer(.ones([1, 3]))
        try layer.loadStateDict(["weight": wrong])
        layer.half().eval()
      }
    }
    #expect(layer.weight.tensor.floats == before && layer.weight.dtype == .float32)
  }

  @Test func stateDictsAreOrdered() {
    var state: StateDict = ["b": .ones([1]), "a": .ones([2])]
    state["c"] = .ones([3])
    state["b"] = .ones([4])
    #expect(state.keys == ["b", "a", "c"] && state["b"]!.shape == [4] && state.count == 3)
    state["b"] = nil
    #expect(state.keys == ["a", "c"] && state["c"]!.shape == [3] && state["b"] == nil)
    #expect("\(state)" == "StateDict(a: float32 [2], c: float32 [3])")
  }

  @Test func conversionKeepsTheParameter() throws {
    let layer = Linear(2, 2)
    let x = Tensor.random([3, 2])
    let old = layer(x)
    layer(x).sum().backward()
    let gradient = layer.weight.grad!.doubles
    let before = layer.weight.tensor
    layer.double()
    #expect(layer.weight.tensor.dtype == .float64 && layer.weight.tensor.floats == before.floats)
    #expect(layer.weight.tensor.isLeaf && layer.weight.requiresGrad)
    #expect(layer.weight.grad!.dtype == .float64 && layer.weight.grad!.doubles == gradient)
    // The graph recorded before the conversion still reaches the parameter, and so do new ones.
    old.sum().backward()
    #expect(layer.weight.grad!.dtype == .float64)
    #expect(zip(layer.weight.grad!.doubles, gradient).allSatisfy { abs($0 - 2 * $1) < 1e-6 })
    layer(x.to(.float64)).sum().backward()
    #expect(zip(layer.weight.grad!.doubles, gradient).allSatisfy { abs($0 - 3 * $1) < 1e-6 })
    layer.half()
    #expect(layer.bias!.dtype == .float16 && layer.bias!.grad!.dtype == .float16)
  }

  @Test func conversionLeavesIntegersAndFrozenParametersAsTheyAre() {
    final class Mixed: Module {
      let count = Buffer(Tensor(3 as Int64))
      let mean = Buffer(.zeros([2]))
      let frozen = Parameter(.ones([2]), requiresGrad: false)
    }
    let model = Mixed()
    let same = model.mean.tensor
    #expect(model.float().mean.tensor.isSame(as: same))
    model.bfloat16()
    #expect(model.count.dtype == .int64 && model.mean.dtype == .bfloat16)
    #expect(model.frozen.dtype == .bfloat16 && !model.frozen.requiresGrad)
    let error = #expect(throws: TensorError.self) { try withTensorErrors { model.to(.int64) } }
    #expect(error?.message.contains("only accepts floating point dtypes, but got desired dtype=int64") == true)
    #expect(error.map { "\($0)".contains("StateTests.swift") } == true)
  }
}
