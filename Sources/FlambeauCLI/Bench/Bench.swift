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
  @Flag(help: "One JSON object a workload.")
  var json = false

  func run() throws {
    if let threads { threadCount = threads }
    let parts = only.map { $0.split(separator: ",").map(String.init) }
    let chosen = Workload.all.filter { workload in
      guard let parts else { return true }
      return parts.contains { workload.name == $0 } || parts.contains { workload.name.contains($0) }
    }
    // An exact name means that workload alone.
    let exact = chosen.filter { parts?.contains($0.name) ?? false }
    let measured = exact.isEmpty ? chosen : exact
    guard !measured.isEmpty else {
      throw ValidationError(
        "no workload is called like \(only ?? ""); there are: \(Workload.all.map(\.name).joined(separator: ", "))")
    }
    for workload in measured {
      let (median, fastest) = try measure(workload)
      if json {
        print(
          "{\"workload\":\"\(workload.name)\",\"median\":\(median),\"min\":\(fastest),\"unit\":\"\(workload.unit.rawValue)\","
            + "\"threads\":\(threadCount),\"peak_rss\":\(Process.peakMegabytes)}")
      } else {
        print(
          "\(workload.name.padded(to: 34))\(median.rounded(to: 4)) \(workload.unit.rawValue) (fastest \(fastest.rounded(to: 4)))")
      }
    }
  }
}

extension Bench {
  /// The median and the best of the repetitions, in the workload's unit.
  private func measure(_ workload: Workload) throws -> (median: Double, fastest: Double) {
    if let name = workload.peakOf {
      let peak = try Process.peakMegabytes(
        running: ["bench", "--only", name, "--threads", "\(threadCount)", "--json"])
      return (peak, peak)
    }
    let samples = Stopwatch.samples(of: workload.prepare())
    return (workload.value(samples[samples.count / 2]), workload.value(samples[0]))
  }
}

extension String {
  fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(1, width - count)) }
}

extension Double {
  /// With so many significant digits.
  fileprivate func rounded(to digits: Int) -> String {
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
