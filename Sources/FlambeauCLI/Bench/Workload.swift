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

  init(_ name: String, _ unit: Unit, _ amount: Double, _ prepare: @escaping @Sendable () -> () -> Void) {
    self.name = name
    self.unit = unit
    self.amount = amount
    self.prepare = prepare
  }

  func value(_ seconds: Double) -> Double {
    guard let scale = unit.seconds else { return amount / seconds }
    return seconds / amount / scale
  }

  static let all: [Workload] =
    products + elementwise + reductions + rows + attentions + overheads + convolutions + trainings
}
