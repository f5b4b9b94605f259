import Foundation
import Testing

@testable import Flambeau

/// Each request for memory of a GPU fails once: what was asked throws an error of memory, leaves nothing behind, and the same call
/// computes afterwards what the processor does.
@Suite(.enabled(if: EmulatedDevice.isThere, "no clang++"), .serialized) struct DeviceMemoryFaultTests {
  private static let device = Device.cuda(4)
  private static var memory: GPUAllocator { EmulatedDevice.backends[4].memory }

  /// Runs `body` with its first request refused, then its second, until there are no more; the number of refusals. What it kept by then,
  /// such as tables that are the same in each call, is all that it keeps when that is done again.
  ///
  /// It is done once more where less was left: tests elsewhere had filled the shelf of tables (`DimensionMap`), which is emptied then.
  private func refusing(_ what: String, again: Bool = true, _ body: () throws -> Void) -> Int {
    let refusals = sweep(what, live: nil, body) ?? 0
    if !again { return refusals }
    for _ in 0..<3 {
      CUDA.synchronize(Self.device)
      if let more = sweep(what, live: CUDA.memoryAllocated(Self.device), body) { return refusals + more }
    }
    Issue.record("\(what): what was kept went again and again")
    return refusals
  }

  /// Nil where less than `live` was left.
  private func sweep(_ what: String, live: Int?, _ body: () throws -> Void) -> Int? {
    defer { Self.memory.refusal.refuse(nil) }
    for number in 1... {
      Self.memory.refusal.refuse(number..<number + 1)
      do {
        try body()
        let isReached = Self.memory.refusal.isReached
        #expect(!isReached, "\(what), request \(number): no error came of it")
        return number - 1
      } catch {
        #expect((error as? TensorError)?.kind == .memory, "\(what), request \(number): \(error)")
      }
      guard let live else { continue }
      CUDA.synchronize(Self.device)
      let left = CUDA.memoryAllocated(Self.device) - live
      if left < 0 { return nil }
      #expect(left == 0, "\(what), request \(number): \(left) bytes are left")
    }
    return 0
  }

  @Test func everyOperator() throws {
    EmulatedDevice.use(try KernelSourceTests.kernels.get())
    let start = Date()
    var refusals = 0
    for index in 0..<DeviceComparison.sampleCount {
      let entry = Table.entries[index]
      let current = DeviceComparison.makesTensors(sample: index) ? Self.device : .cpu
      for sample in SampleCase.all(entry) where sample.variant == "float32" {
        guard let expected = try? DeviceComparison.outcome(sample, on: .cpu) else { continue }
        refusals += refusing("\(entry)", again: index % 4 == 0) {
          let mine = try DeviceComparison.outcome(sample, on: Self.device, current: current)
          if let difference = DeviceComparison.difference(mine, expected, of: sample) { Issue.record("\(entry): \(difference)") }
        }
      }
    }
    print("\(refusals) refused requests for memory of an emulated GPU; \(Date().timeIntervalSince(start)) s")
    #expect(refusals > 3000)
    let misuses = EmulatedDevice.driver.misuses
    #expect(misuses.isEmpty, "\(misuses.prefix(5))")
  }

  /// A graph whose capture fails is none, and the next one is whole.
  @Test func everyRequestOfAGraph() throws {
    let x = Tensor([1, -2, 3, -4] as [Float], shape: [2, 2])
    let there = x.to(Self.device)
    let refusals = refusing("a graph") {
      try withTensorErrors {
        let leaf = there.detach().requiresGrad_()
        let graph = CUDA.graph(Self.device) {
          Tensor.grad(of: [(leaf.mm(leaf) + 1).relu().sum()], withRespectTo: [leaf])[0]!
        }
        let mine = graph.replay().cpu()
        let local = x.detach().requiresGrad_()
        let expected = Tensor.grad(of: [(local.mm(local) + 1).relu().sum()], withRespectTo: [local])[0]!
        #expect(Context.current.isFailed || mine.isEqual(to: expected))
      }
    }
    #expect(refusals > 10)
    #expect(EmulatedDevice.driver.misuses.isEmpty)
  }
}
