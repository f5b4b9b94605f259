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
  var device = Device.cuda()
  @Option(
    help: ArgumentHelp(
      "Which checks, separated by commas: \(GPUCheck.all.map(\.name).joined(separator: ", ")).", valueName: "NAME,…"))
  var only: String?
  @Flag(help: "A sample of each check.")
  var brief = false
  @Option(
    help: ArgumentHelp(
      "A part of the operator table's samples, so that processes can share them: 2/8 is the second of eight.", valueName: "I/N"))
  var part = GPUCheck.Part.whole
  @Flag(help: "Write each of the operator table's samples to standard error before it runs.")
  var trace = false

  func run() throws {
    try device.checkIsGPU()
    let wanted = only?.split(separator: ",").map(String.init)
    if let stray = wanted?.first(where: { name in !GPUCheck.all.contains { $0.name == name } }) {
      throw ValidationError("there is no check \(stray): there are \(GPUCheck.all.map(\.name).joined(separator: ", "))")
    }
    var failed = false
    let request = GPUCheck.Request(device: device, isBrief: brief, part: part, traces: trace)
    for check in GPUCheck.all where wanted?.contains(check.name) ?? true {
      let report = check.run(request)
      failed = failed || !report.failures.isEmpty
      print("\(check.name.padded(to: 12))\(report.failures.isEmpty ? "holds" : "FAILS")  \(report.summary)")
      for failure in report.failures.prefix(40) { print("    \(failure)") }
    }
    if failed { throw ExitCode(1) }
  }
}

/// Something that a GPU is held against.
struct GPUCheck: Sendable {
  /// What is asked of it.
  struct Request: Sendable {
    let device: Device
    /// A sample is enough.
    let isBrief: Bool
    /// Which of the operator table's samples.
    let part: Part
    /// Each of these is named before it runs.
    let traces: Bool
  }

  /// The `index`th of `count` parts, from 0.
  struct Part: Sendable {
    let index: Int
    let count: Int

    static let whole = Part(index: 0, count: 1)

    func takes(_ number: Int) -> Bool { number % count == index }
  }

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
  let run: @Sendable (Request) -> Report

  static let all = [operators, models, training, memory, graphs, pinned, files]
}

extension GPUCheck.Part: ExpressibleByArgument {
  init?(argument: String) {
    let numbers = argument.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
    guard numbers.count == 2, let number = numbers[0], let count = numbers[1], 1...Swift.max(count, 1) ~= number, count > 0 else {
      return nil
    }
    self.init(index: number - 1, count: count)
  }

  var defaultValueDescription: String { "\(index + 1)/\(count)" }
}
