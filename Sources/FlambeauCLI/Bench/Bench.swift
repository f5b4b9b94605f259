import ArgumentParser
import Flambeau

/// `flambeau bench`: measures the workloads of Benchmarks/.
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure the library on this machine.",
    discussion: "Benchmarks/compare.py runs the same workloads in torch, in turn, and prints the ratios.")

  @Option(help: ArgumentHelp("Parts of workload names, separated by commas; all by default.", valueName: "NAME,…"))
  var only: String?
  @Option(help: "Threads; all cores by default.")
  var threads: Int?
  @Option(help: ArgumentHelp("Measure what is for GPUs, on this one (Benchmarks/gpu).", valueName: "cuda:N"))
  var device: Device?
  @Flag(help: "With --device: a single call of a small size, to try the workloads themselves.")
  var small = false
  @Flag(help: "With --device: what one call of each is made of, instead of how long it takes.")
  var profile = false
  @Flag(help: "Leave out the share of the machine's limit, and the memory that measuring it takes.")
  var withoutLimit = false

  @Flag(help: "One JSON object a workload.")
  var json = false
  @Flag(help: "Hold the workloads against the committed thresholds, and fail if one has slipped by more than a fifth.")
  var check = false
  @Option(
    help: ArgumentHelp("The thresholds, as shares of reference loops that run beside the workloads.", valueName: "FILE"))
  var thresholds = "Benchmarks/thresholds.json"
  @Flag(help: "With --check: write what is measured as the new thresholds of this instruction set, which --only adds to.")
  var record = false

  func validate() throws {
    if record && !check { throw ValidationError("--record goes with --check") }
    if check && json { throw ValidationError("--check says in words what it finds: leave out --json") }
  }

  func run() throws {
    if let threads { threadCount = threads }
    if check { return try runCheck() }
    if let device { return try runOnGPU(device) }
    for workload in try chosen(from: Workload.all) {
      if let name = workload.peakOf {
        let peak = try Process.peakMegabytes(running: [
          "bench", "--only", name, "--threads", "\(threadCount)", "--json", "--without-limit",
        ])
        report(workload, [peak], peak, nil)
        continue
      }
      let call = workload.prepare()
      let samples = Stopwatch.samples(of: call)
      let peak = Process.peakMegabytes
      let fraction = withoutLimit ? nil : try Fraction.ofLimit(workload, call, seconds: samples[samples.count / 2])
      report(workload, samples, peak, fraction)
    }
  }

  private func report(_ workload: Workload, _ samples: [Double], _ peak: Double, _ fraction: Double?) {
    let (median, fastest) = (workload.value(samples[samples.count / 2]), workload.value(samples[0]))
    if json {
      print(
        "{\"workload\":\"\(workload.name)\",\"median\":\(median),\"min\":\(fastest),\"unit\":\"\(workload.unit.rawValue)\","
          + "\"threads\":\(threadCount),\"fraction\":\(fraction.map { "\($0)" } ?? "null"),\"peak_rss\":\(peak)}")
    } else {
      print(
        "\(workload.name.padded(to: 34))\(median.rounded(to: 4)) \(workload.unit.rawValue) (fastest \(fastest.rounded(to: 4))"
          + (fraction.map { ", \(Int(($0 * 100).rounded())) % of the limit)" } ?? ")"))
    }
  }

  /// A JSON object a workload: milliseconds, and what its floors are.
  private func runOnGPU(_ device: Device) throws {
    try device.checkIsGPU()
    let parts = only?.split(separator: ",").map(String.init)
    for workload in GPUWorkload.all where parts?.contains(where: { workload.name.contains($0) }) ?? true {
      CUDA.emptyCache(device)
      if profile {
        print(workload.name, workload.profile(on: device, small: small).table(rows: 60), separator: "\n")
        continue
      }
      CUDA.resetPeakMemoryStats(device)
      var measured = GPUMeasurement(workload: workload.name, bytes: workload.bytes, operations: workload.operations)
      do {
        measured.milliseconds = try withTensorErrors { workload.milliseconds(on: device, small: small) }
        measured.peak = CUDA.maxMemoryAllocated(device)
      } catch {
        measured.error = "\(error)"
      }
      print(try JSONLines.line(measured))
    }
  }

  private func runCheck() throws {
    var known = try Thresholds(file: thresholds)
    let asked = known.shares(for: instructionSet)
    if asked.isEmpty && !record {
      return print("\(thresholds) has no thresholds for \(instructionSet): nothing is checked")
    }
    let isFree = record && (only != nil || asked.isEmpty)
    let workloads = try chosen(from: Workload.all.filter { isFree || asked[$0.name] != nil })
    let check = Check { try Fraction.ofReference($0) }
    if record {
      for workload in workloads {
        guard let share = try check.typical(of: workload) else { continue }
        print("\(workload.name.padded(to: 34))\(share.rounded(to: 2))")
        known.set(share, for: workload.name, instructionSet)
      }
      return try known.write(to: thresholds)
    }
    var slips: [String] = []
    for workload in workloads {
      let result = try check.run(workload, against: asked[workload.name]!)
      print(result.line)
      if let slip = result.slip { slips.append(slip) }
    }
    if !slips.isEmpty { throw Check.Failure(slips: slips) }
  }

  /// Those `--only` names; an exact name means that workload alone.
  private func chosen(from all: [Workload]) throws -> [Workload] {
    guard let parts = only.map({ $0.split(separator: ",").map(String.init) }) else { return all }
    let exact = all.filter { parts.contains($0.name) }
    let measured = exact.isEmpty ? all.filter { workload in parts.contains { workload.name.contains($0) } } : exact
    guard !measured.isEmpty else {
      throw ValidationError("no workload is called like \(only!); there are: \(all.map(\.name).joined(separator: ", "))")
    }
    return measured
  }
}

private struct GPUMeasurement: Encodable {
  let workload: String
  let bytes: Double
  let operations: Double
  var milliseconds: Double?
  var peak: Int?
  /// Why there is no measurement.
  var error: String?
}

extension String {
  func padded(to width: Int) -> String { self + String(repeating: " ", count: max(1, width - count)) }
}

extension Double {
  /// With so many significant digits.
  func rounded(to digits: Int) -> String {
    guard isFinite, self != 0 else { return "\(self)" }
    var scale = 1.0
    var size = magnitude
    while size >= 10 {
      size /= 10
      scale /= 10
    }
    while size < 1 {
      size *= 10
      scale *= 10
    }
    for _ in 1..<digits { scale *= 10 }
    let value = (self * scale).rounded() / scale
    return value == value.rounded() && magnitude >= 1000 ? "\(Int(value))" : "\(value)"
  }
}
