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
    case tokens = "tok/s"
    case sequences = "seq/s"
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

    /// What a call that does so much in this unit consists of.
    fileprivate func work(_ amount: Double) -> ReferenceLoop.Work? {
      switch self {
      case .gflops: .arithmetic(operations: amount * 1e9)
      case .gigabytes: .memory(read: Int(amount * 1e9 / 2), written: Int(amount * 1e9 / 2))
      default: nil
      }
    }
  }

  let name: String
  let unit: Unit
  /// For a rate, what a call does, in the unit; for a time, how many a call times.
  let amount: Double
  /// The least a call must do; nil where that is counted while it runs.
  private let least: ReferenceLoop.Work?
  /// What `--check` runs beside it, where that is not `least`: for what arithmetic bounds though it is counted in bytes,
  /// operations that take about as long; for what memory bounds though it is counted in operations, its bytes.
  let beside: ReferenceLoop.Work?
  /// Makes what is timed.
  let prepare: @Sendable () -> () -> Void
  /// The workload of this name is run in a process of its own, and that process's peak memory is what is measured.
  let peakOf: String?

  /// By default, a rate's `least` is its amount: half of the bytes are written.
  init(
    _ name: String, _ unit: Unit, _ amount: Double, least: ReferenceLoop.Work? = nil,
    beside: ReferenceLoop.Work? = nil, _ prepare: @escaping @Sendable () -> () -> Void
  ) {
    self.name = name
    self.unit = unit
    self.amount = amount
    self.prepare = prepare
    self.least = least ?? unit.work(amount)
    self.beside = beside
    peakOf = nil
  }

  /// The peak memory of the workload `name`.
  init(peakOf name: String) {
    (self.name, unit, amount, peakOf) = ("rss_\(name)", .megabytes, 1, name)
    (least, beside) = (nil, nil)
    prepare = { {} }
  }

  /// What took `seconds`, in the unit; of a peak, the peak.
  func value(_ seconds: Double) -> Double {
    if peakOf != nil { return seconds }
    guard let scale = unit.seconds else { return amount / seconds }
    return seconds / amount / scale
  }

  /// The least that `call`, which this workload has prepared, must do: what is known of it, or else the multiplications and
  /// additions it starts; nil where it starts none.
  func least(of call: () -> Void) -> ReferenceLoop.Work? {
    if let least { return least }
    let operations = profile(call).events.reduce(0) { $0 + $1.operations }
    return operations > 0 ? .arithmetic(operations: operations) : nil
  }

  static let all: [Workload] =
    products + elementwise + reductions + rows + attentions + overheads + convolutions + layers + selections + trainings
    + inferences + languageModels + files + memories
}
