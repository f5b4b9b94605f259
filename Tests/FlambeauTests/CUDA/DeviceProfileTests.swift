import Foundation
import Testing

@testable import Flambeau

/// Times of a GPU in profiles, on an emulated one.
@Suite(.enabled(if: EmulatedDevice.isThere, "no clang++")) struct DeviceProfileTests {
  private let device = Device.cuda(0)

  @Test func kernelsBelongToTheCallsThatQueuedThem() throws {
    let (a, b) = (Tensor.ones([8, 16], device: device).requiresGrad_(), Tensor.ones([16, 4], device: device))
    let seen = profile {
      let y = a.mm(b)
      (y + 1).sum().backward()
    }
    // The pass begins with a gradient of ones, which no operator made.
    let operations = seen.kernels.map(\.operation)
    #expect(Array(operations.prefix(4)) == ["mm", "add", "sum", ""])
    #expect(
      !operations.dropFirst(4).isEmpty && operations.dropFirst(4).allSatisfy { name in seen.events.contains { $0.name == name } })
    #expect(seen.kernels.allSatisfy { $0.duration >= .zero && $0.start >= .zero })
    let sums = (
      seen.kernels.reduce(Duration.zero) { $0 + ($1.operation.isEmpty ? .zero : $1.duration) },
      seen.events.reduce(Duration.zero) { $0 + $1.gpu }
    )
    #expect(sums.0 == sums.1)
    #expect(seen.entries().reduce(Duration.zero) { $0 + $1.gpu } == sums.0)
    #expect(seen.table().contains("GPU ms") && seen.table().contains("\(seen.kernels.count) kernels"))
    let lines = seen.chromeTrace.split(separator: "\n").filter { $0.contains(#""pid":2,"tid":0,"ts""#) }
    #expect(lines.count == seen.kernels.count)
    #expect((try? JSONSerialization.jsonObject(with: Data(seen.chromeTrace.utf8))) != nil)
  }

  @Test func theProcessorsWorkHasNoKernels() {
    let seen = profile { _ = Tensor.ones([4]) + 1 }
    #expect(seen.kernels.isEmpty && !seen.table().contains("GPU"))
  }
}
