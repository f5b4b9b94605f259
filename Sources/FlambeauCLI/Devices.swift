import ArgumentParser
import Flambeau

/// `flambeau devices`: what this machine has to compute with.
struct Devices: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the processor and the GPUs of this machine.",
    discussion: """
      --device of the other commands takes their names. GPUs are listed as NVIDIA's driver describes them. Where there is none, \
      the reason is said. \
      FLAMBEAU_CUDA_PATH names the folder of a driver that is not where the loader looks.

      Example: flambeau devices --json
      """)

  @Flag(help: "Print a JSON object for each device.")
  var json = false

  func run() throws {
    if json {
      print(try JSONLines.line(Processor()))
      for gpu in CUDA.devices { print(try JSONLines.line(Graphics(gpu))) }
      if let reason = CUDA.unavailabilityReason { print(try JSONLines.line(NoGraphics(reason: reason))) }
      return
    }
    var rows = [["cpu", "\(threadCount) threads", "\(instructionSet) kernels"]]
    rows += CUDA.devices.map { gpu in
      let capability = "capability \(gpu.computeCapability.major).\(gpu.computeCapability.minor)"
      return [
        "cuda:\(gpu.index)", gpu.name, capability, ByteSize.text(gpu.memoryByteCount),
        "\(gpu.multiprocessorCount) multiprocessors",
      ]
    }
    for line in Columns.text(rows, numbers: []) { print(line) }
    if let reason = CUDA.unavailabilityReason { print("no GPU: \(reason)") }
  }
}

private struct Processor: Encodable {
  let device = "cpu"
  let threads = threadCount
  let instructions = instructionSet
}

private struct Graphics: Encodable {
  let device: String
  let name: String
  let capability: String
  let memory: Int
  let multiprocessors: Int

  init(_ gpu: CUDA.DeviceProperties) {
    (device, name) = ("cuda:\(gpu.index)", gpu.name)
    capability = "\(gpu.computeCapability.major).\(gpu.computeCapability.minor)"
    (memory, multiprocessors) = (gpu.memoryByteCount, gpu.multiprocessorCount)
  }
}

private struct NoGraphics: Encodable {
  let device = "cuda"
  let available = false
  let reason: String
}
