import Foundation
import Testing

@testable import Flambeau

@Suite struct AutocastTests {
  private let x = Tensor.randn([3, 4], generator: Generator(seed: 1))
  private func weight() -> Tensor { Tensor.randn([4, 5], generator: Generator(seed: 2)).requiresGrad_() }

  @Test func scopesNestAndEnd() {
    let w = weight()
    func dtype() -> DType { x.mm(w).dtype }
    #expect(dtype() == .float32 && autocastDType == nil)
    autocast {
      #expect(dtype() == .bfloat16 && autocastDType == .bfloat16)
      autocast(.float16) { #expect(dtype() == .float16 && autocastDType == .float16) }
      autocast(enabled: false) {
        #expect(dtype() == .float32 && autocastDType == nil)
        autocast(.float16) { #expect(dtype() == .float16) }
      }
      #expect(dtype() == .bfloat16)
    }
    #expect(dtype() == .float32 && autocastDType == nil)
  }

  @Test func asynchronousBodiesToo() async {
    let (x, w) = (x, weight())
    await autocast(.float16) {
      await Task.yield()
      #expect(x.mm(w).dtype == .float16)
      async let child = x.mm(w).dtype
      #expect(await child == .float16)
    }
  }

  @Test func whatIsNotListedIsLeftAlone() {
    autocast {
      #expect((x + x).dtype == .float32 && x.relu().dtype == .float32 && x.exp().dtype == .float32)
      #expect(x.double().mm(x.double().T).dtype == .float64)
      #expect(x.to(.int32).mm(x.T.to(.int32)).dtype == .int32)
      let y = x.clone()
      #expect(y.addmm_(x.mm(x.T).float(), x).dtype == .float32)
    }
  }

  @Test func unsupportedDTypesAreRefused() {
    let error = #expect(throws: TensorError.self) { try withTensorErrors { _ = autocast(.float32) { x.mm(x.T) } } }
    #expect(error!.message == "CPU Autocast only supports dtypes of bfloat16, float16 currently, but got float32")
    #expect("\(error!)".contains("AutocastTests.swift"))
    let mixed = #expect(throws: TensorError.self) { try withTensorErrors { _ = autocast { Tensor.cat([x.half(), x.half()]) } } }
    #expect(mixed!.message == "Unexpected floating ScalarType in at::autocast::prioritize")
    // Of several dtypes float64 has no say, and is promoted by the operator itself.
    autocast { #expect(Tensor.cat([x.double(), x.bfloat16()]).dtype == .float64) }
  }

  /// The number of casts that `body` makes.
  private func casts(_ body: () -> Void) -> Int {
    let seen = profile(body)
    return seen.events.filter { $0.name == "to" }.count
  }

  @Test func aLeafIsCastOnceForTheOutermostScope() {
    let w = weight()
    let narrow = x.bfloat16()
    func use() { for _ in 0..<3 { _ = narrow.mm(w) } }
    #expect(casts { autocast { use() } } == 1)
    #expect(
      casts {
        autocast {
          use(); autocast { use() }; autocast(enabled: false) { autocast { use() } }
        }
      } == 1)
    #expect(
      casts {
        autocast { use() }; autocast { use() }
      } == 2)
    #expect(casts { autocast(cacheEnabled: false) { use() } } == 3)
    // Each dtype has its own.
    #expect(
      casts {
        autocast {
          use(); autocast(.float16) { _ = x.half().mm(w) }
        }
      } == 3)
    // What is no leaf, or asks for no gradient, is cast by every call, as torch does.
    let (product, plain) = (w * 1, w.detach())
    #expect(casts { autocast { for _ in 0..<2 { _ = narrow.mm(product); _ = narrow.mm(plain) } } } == 4)
  }

  /// Even where something that was begun in it, such as a task, still holds the context. In a process where nobody else has memory.
  @Test func castsAreReleasedWithTheScope() async {
    await #expect(processExitsWith: .success) {
      let w = Tensor.zeros([1 << 20]).reshape([1024, 1024]).detach().requiresGrad_()
      let narrow = Tensor.zeros([1, 1024], dtype: .bfloat16)
      let before = Memory.allocated
      var held: Context?
      autocast {
        held = Context.current
        noGrad { _ = narrow.mm(w) }
        guard Memory.allocated >= before + 2 << 20 else { exit(3) }
      }
      withExtendedLifetime(held) { if Memory.allocated >= before + 1 << 20 { exit(4) } }
    }
  }

  @Test func aWrittenLeafIsCastAgain() {
    let w = Tensor.ones([2, 2]).requiresGrad_()
    let one = Tensor.ones([1, 2], dtype: .bfloat16)
    autocast {
      #expect(one.mm(w).array(of: Float.self) == [2, 2])
      noGrad { _ = w.mul_(3) }
      #expect(one.mm(w).array(of: Float.self) == [6, 6])
    }
  }

  @Test func aCastMadeWithoutRecordingHidesNoGradient() {
    let w = weight()
    autocast {
      noGrad { #expect(!x.mm(w).requiresGrad) }
      x.mm(w).sum().backward()
    }
    #expect(w.grad != nil && w.grad!.dtype == .float32)
  }

  @Test func gradientsGoThroughTheCasts() {
    let w = weight()
    let y = autocast { x.mm(w) }
    y.float().sum().backward()
    // The cast's gradient is summed in its own dtype, then widened.
    let expected = x.bfloat16().float().T.mm(.ones([3, 5])).bfloat16().float()
    #expect(w.grad!.dtype == .float32 && w.grad!.array(of: Float.self) == expected.array(of: Float.self))
  }

  @Test func backwardComputesInWhatTheForwardPassChose() {
    func gradients(_ isInside: Bool) -> [Float] {
      let w = weight()
      let wide = (x.mm(w).exp() * x.mm(w)).sum()
      if isInside { autocast { wide.backward() } } else { wide.backward() }
      return w.grad!.array(of: Float.self)
    }
    #expect(gradients(true) == gradients(false))
  }

  @Test func aCheckpointRunsAgainAsItRan() {
    let w = weight()
    func loss(_ isCheckpointed: Bool) -> [Float] {
      w.grad = nil
      let (x, w) = (x, w)
      let body: @Sendable () -> Tensor = { x.mm(w).tanh().mm(w.T).sigmoid().mm(w) }
      autocast { isCheckpointed ? checkpoint(body) : body() }.float().sum().backward()
      return w.grad!.array(of: Float.self)
    }
    #expect(loss(true) == loss(false))
  }

  @Test func anotherTaskHasItsOwnScope() async {
    let (x, w) = (x, weight())
    let outside = await Task.detached { x.mm(w).dtype }.value
    #expect(outside == .float32)
    await autocast {
      let detached = await Task.detached { x.mm(w).dtype }.value
      #expect(detached == .float32)
    }
  }

  @Test func aTaskThatOutlivesTheScopeStillComputes() async {
    let (x, w) = (x, weight())
    var late: Task<DType, Never>!
    autocast {
      late = Task {
        try? await Task.sleep(for: .milliseconds(20)); return x.mm(w).dtype
      }
    }
    #expect(await late.value == .bfloat16)
  }
}
