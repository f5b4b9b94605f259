import TestSupport
import Testing

@testable import Flambeau

/// One GPU, used by many threads.
extension StreamTests {
  private static let gpu = Device.cuda(2)
  private static let threads = 4

  /// What threads found wrong.
  private func complaints(_ body: @escaping @Sendable (_ thread: Int) -> Bool) -> [String] {
    let lock = Lock()
    nonisolated(unsafe) var all: [String] = []
    onThreads(Self.threads) { thread in
      do {
        if try withTensorErrors({ body(thread) }) { return }
        lock.withLock { all.append("other numbers") }
      } catch { lock.withLock { all.append("\(error)") } }
    }
    return lock.withLock { all }
  }

  @Test func threadsShareWeightsOnStreamsOfTheirOwn() {
    let generator = Generator(seed: 7)
    let (x, weight) = (Tensor.randn([5, 8], generator: generator), Tensor.randn([6, 8], generator: generator))
    @Sendable func gradient(_ thread: Int, _ x: Tensor, _ weight: Tensor) -> Tensor {
      let loss = (x * Double(thread + 1)).linear(weight).gelu().softmax(dim: -1).square().sum()
      return Tensor.grad(of: [loss], withRespectTo: [weight])[0]!.cpu()
    }
    let expected = (0..<Self.threads).map { gradient($0, x, weight.clone().requiresGrad_()) }
    let (sharedX, shared) = (x.to(Self.gpu), weight.to(Self.gpu).requiresGrad_())
    CUDA.synchronize(Self.gpu)
    let complaints = complaints { thread in
      CUDA.with(CUDA.Stream(Self.gpu)) {
        (0..<6).allSatisfy { _ in
          let found = gradient(thread, sharedX, shared)
          if thread == 0 { CUDA.emptyCache(Self.gpu) }
          return found.allClose(expected[thread], rtol: 1e-4, atol: 1e-5)
        }
      }
    }
    #expect(complaints.isEmpty)
    #expect(EmulatedDevice.driver.misuses.isEmpty, "\(EmulatedDevice.driver.misuses)")
  }

  @Test func threadsMakeGraphsOfTheirOwn() {
    let weight = Tensor.full([64], 10.0, device: Self.gpu)
    CUDA.synchronize(Self.gpu)
    let complaints = complaints { thread in
      let x = Tensor.zeros([64], device: Self.gpu)
      return (0..<3).allSatisfy { round in
        let graph = CUDA.graph(Self.gpu) { (x * 2 + weight).square() }
        return (1...3).allSatisfy { k in
          x.copy_(.full([64], Double(k + thread)))
          let expected = Float((2 * (k + thread) + 10) * (2 * (k + thread) + 10))
          if round == 1 && thread == 1 { CUDA.emptyCache(Self.gpu) }
          return graph.replay().array(of: Float.self) == [Float](repeating: expected, count: 64)
        }
      }
    }
    #expect(complaints.isEmpty)
    #expect(EmulatedDevice.driver.misuses.isEmpty, "\(EmulatedDevice.driver.misuses)")
  }
}
