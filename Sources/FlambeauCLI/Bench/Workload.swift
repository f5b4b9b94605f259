import Flambeau

/// Something that is measured, as Benchmarks/torch_workloads.py measures it in torch: same names, shapes and units.
struct Workload: Sendable {
  enum Unit: String {
    case gflops = "GFLOP/s"
    case gigabytes = "GB/s"
    case milliseconds = "ms"
    case microseconds = "us"
    case nanoseconds = "ns"
    case steps = "steps/s"
    case images = "images/s"
    case megabytes = "MB"

    /// Seconds; nil for rates.
    var seconds: Double? {
      switch self {
      case .milliseconds: 1e-3
      case .microseconds: 1e-6
      case .nanoseconds: 1e-9
      default: nil
      }
    }
  }

  let name: String
  let unit: Unit
  /// For a rate, what a call does, in the unit; for a time, how many a call times.
  let amount: Double
  /// Makes what is timed.
  let prepare: @Sendable () -> () -> Void
  /// The workload of this name is run in a process of its own, and that process's peak memory is what is measured.
  let peakOf: String?

  init(_ name: String, _ unit: Unit, _ amount: Double, _ prepare: @escaping @Sendable () -> () -> Void) {
    self.name = name
    self.unit = unit
    self.amount = amount
    self.prepare = prepare
    peakOf = nil
  }

  /// The peak memory of the workload `name`.
  init(peakOf name: String) {
    (self.name, unit, amount, peakOf) = ("rss_\(name)", .megabytes, 1, name)
    prepare = { {} }
  }

  func value(_ seconds: Double) -> Double {
    guard let scale = unit.seconds else { return amount / seconds }
    return seconds / amount / scale
  }

  static let all: [Workload] =
    products + elementwise + reductions + rows + attentions + overheads + convolutions + trainings + inferences + memories
}
