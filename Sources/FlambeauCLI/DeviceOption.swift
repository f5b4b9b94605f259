import ArgumentParser
import Flambeau

/// Where a command computes.
struct DeviceOption: ParsableArguments {
  @Option(help: ArgumentHelp("Where to compute: cpu, cuda or cuda:1; the processor by default.", valueName: "DEVICE"))
  var device: Device?

  func validate() throws { try device?.checkIsThere() }

  var chosen: Device { device ?? .cpu }
}

extension Device: ExpressibleByArgument {
  public init?(argument: String) { self.init(name: argument) }

  /// Refuses a GPU that this machine does not have.
  func checkIsThere() throws {
    if kind == .cpu { return }
    if let reason = CUDA.unavailabilityReason { throw ValidationError("there is no \(self): \(reason)") }
    let count = CUDA.deviceCount
    if index >= count {
      throw ValidationError("there is no \(self): this machine has \(count) GPU\(count == 1 ? "" : "s"), numbered from cuda:0")
    }
  }

  /// Refuses what is no GPU of this machine.
  func checkIsGPU() throws {
    if kind != .cuda { throw ValidationError("\(self) is no GPU: write cuda or cuda:1") }
    try checkIsThere()
  }
}
