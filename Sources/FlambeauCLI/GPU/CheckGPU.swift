import ArgumentParser
import Flambeau

/// `flambeau check-gpu`: holds a GPU against the processor.
struct CheckGPU: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check-gpu", abstract: "Hold a GPU against the processor: operators, models, training, memory, graphs.",
    discussion: """
      Every sample of the operator table runs on both, forward and backward; networks give logits and gradients; trainings give losses, \
      also in half types and as CUDA graphs; memory is filled until there is none. Exits with 1 if anything differs.

      Example: flambeau check-gpu --only operators,graphs
      """)

  @Option(help: "The GPU, such as cuda:1.")
  var device = "cuda"
  @Option(
    help: ArgumentHelp(
      "Which checks, separated by commas: \(GPUCheck.all.map(\.name).joined(separator: ", ")).", valueName: "NAME,…"))
  var only: String?
  @Flag(help: "A sample of each check.")
  var brief = false

  func run() throws {
    guard let device = Device(name: device), device.kind == .cuda else {
      throw ValidationError("\(self.device) names no GPU: write cuda or cuda:1")
    }
    if let reason = CUDA.unavailabilityReason { throw ValidationError("there is no GPU: \(reason)") }
    let wanted = only?.split(separator: ",").map(String.init)
    if let stray = wanted?.first(where: { name in !GPUCheck.all.contains { $0.name == name } }) {
      throw ValidationError("there is no check \(stray): there are \(GPUCheck.all.map(\.name).joined(separator: ", "))")
    }
    var failed = false
    for check in GPUCheck.all where wanted?.contains(check.name) ?? true {
      let report = check.run(device, brief)
      failed = failed || !report.failures.isEmpty
      print("\(check.name.padded(to: 12))\(report.failures.isEmpty ? "holds" : "FAILS")  \(report.summary)")
      for failure in report.failures.prefix(40) { print("    \(failure)") }
    }
    if failed { throw ExitCode(1) }
  }
}

/// Something that a GPU is held against.
struct GPUCheck: Sendable {
  struct Report {
    var summary: String
    /// A sentence each.
    var failures: [String] = []

    /// What `body` finds; an error of a tensor is one.
    static func of(_ body: (inout Report) throws -> Void) -> Report {
      var report = Report(summary: "")
      do { try withTensorErrors { try body(&report) } } catch { report.failures.append("\(error)") }
      return report
    }
  }

  let name: String
  let run: @Sendable (_ device: Device, _ isBrief: Bool) -> Report

  static let all = [operators, models, training, memory, graphs, pinned]
}
