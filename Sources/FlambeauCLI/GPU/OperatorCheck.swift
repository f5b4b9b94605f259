import Dispatch
import Flambeau

extension GPUCheck {
  /// The operator table. Threads share the samples, because most of the time goes into compiling kernels.
  static let operators = GPUCheck(name: "operators") { device, isBrief in
    let indices = Array(stride(from: isBrief ? 11 : 0, to: DeviceComparison.sampleCount, by: isBrief ? 90 : 1))
    let gathered = Gathered()
    DispatchQueue.concurrentPerform(iterations: indices.count) { i in
      var part = DeviceComparison()
      part.run(sample: indices[i], on: device, variants: isBrief ? ["float32"] : nil)
      gathered.add(part)
    }
    let all = gathered.all
    let missing = all.missing.keys.sorted().joined(separator: ", ")
    return Report(
      summary: "\(all.agreed) cases as on the processor" + (missing.isEmpty ? "" : "; no kernels: \(missing)"),
      failures: all.differences.sorted())
  }
}

/// Parts of a comparison, from several threads.
private final class Gathered: @unchecked Sendable {
  private let queue = DispatchQueue(label: "gathered")
  private var sum = DeviceComparison()

  func add(_ part: DeviceComparison) { queue.sync { sum.add(part) } }
  var all: DeviceComparison { queue.sync { sum } }
}
