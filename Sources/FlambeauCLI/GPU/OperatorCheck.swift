import Dispatch
import Flambeau
import Foundation

extension GPUCheck {
  /// The operator table. Threads share the samples, because most of the time goes into compiling kernels.
  static let operators = GPUCheck(name: "operators") { request in
    let all = stride(from: request.isBrief ? 11 : 0, to: DeviceComparison.sampleCount, by: request.isBrief ? 90 : 1)
    let indices = all.enumerated().filter { request.part.takes($0.offset) }.map(\.element)
    let gathered = Gathered()
    DispatchQueue.concurrentPerform(iterations: indices.count) { i in
      var part = DeviceComparison()
      if request.traces {
        FileHandle.standardError.write(Data("\(DeviceComparison.description(ofSample: indices[i]))\n".utf8))
      }
      part.run(sample: indices[i], on: request.device, variants: request.isBrief ? ["float32"] : nil)
      gathered.add(part)
    }
    let sum = gathered.sum
    let missing = sum.missing.keys.sorted().joined(separator: ", ")
    return Report(
      summary: "\(sum.agreed) cases as on the processor" + (missing.isEmpty ? "" : "; no kernels: \(missing)"),
      failures: sum.differences.sorted())
  }
}

/// Parts of a comparison, from several threads. Unchecked: `parts` is touched on the queue alone.
private final class Gathered: @unchecked Sendable {
  private let queue = DispatchQueue(label: "gathered")
  private var parts = DeviceComparison()

  func add(_ part: DeviceComparison) { queue.sync { parts.add(part) } }
  var sum: DeviceComparison { queue.sync { parts } }
}
