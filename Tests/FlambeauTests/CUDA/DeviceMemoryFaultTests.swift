import Foundation
import Testing

@testable import Flambeau

/// Each request for memory of a GPU fails once: what was asked throws an error of memory, leaves nothing behind, and the same call
/// computes afterwards what the processor does.
@Suite(.enabled(if: EmulatedDevice.isThere, "no clang++"), .serialized) struct DeviceMemoryFaultTests {
  private static let device = Device.cuda(4)
  private static var memory: GPUAllocator { EmulatedDevice.backends[4].memory }

  /// Runs `body` with its first request refused, then its second, until it does without; the number of refusals.
  private func refusing(_ what: String, _ body: () throws -> Void) -> Int {
    CUDA.synchronize(Self.device)
    let before = CUDA.memoryAllocated(Self.device)
    for number in 1... {
      Self.memory.refusal.refuse(request: number)
      defer { Self.memory.refusal.refuse(request: 0) }
      do {
        try body()
        return number - 1
      } catch {
        #expect((error as? TensorError)?.kind == .memory, "\(what), request \(number): \(error)")
      }
      CUDA.synchronize(Self.device)
      let after = CUDA.memoryAllocated(Self.device)
      #expect(after == before, "\(what), request \(number): \(after - before) bytes are left")
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
      for sample in SampleCase.all(entry, seed: UInt64(index + 1)) where sample.variant == "float32" {
        guard let expected = try? DeviceComparison.outcome(sample, on: .cpu) else { continue }
        refusals += refusing("\(entry)") {
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
}
