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

  static let all: [Workload] = gemms + elementwise + overheads
}

private let mega = 1 << 20

/// Gigabytes of so many floats.
private func gigabytes(_ floats: Int) -> Double { 4 * Double(floats) / 1e9 }

func normal(_ shape: Shape) -> Tensor {
  var state: UInt64 = 88_172_645_463_325_252
  return Tensor(
    (0..<shape.elementCount).map { _ -> Float in
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Float(Int64(bitPattern: state) >> 40) * 0x1p-22
    }, shape: shape)
}

private let gemms: [Workload] = [256, 512, 1024, 2048].map { n in
  Workload("gemm_f32_\(n)", .gflops, 2 * Double(n * n * n) / 1e9) {
    let (a, b) = (normal([n, n]), normal([n, n]))
    return { noGrad { _ = a.mm(b) } }
  }
}

private let elementwise: [Workload] = [
  Workload("ew_add_16M", .gigabytes, gigabytes(48 * mega)) {
    let (a, b) = (normal([16 * mega]), normal([16 * mega]))
    return { _ = a + b }
  }
]

private let overheads: [Workload] =
  [false, true].map { withGrad in
    Workload(withGrad ? "overhead_add4_grad" : "overhead_add4", .nanoseconds, 200) {
      let (a, b) = (normal([4]).requiresGrad_(withGrad), normal([4]))
      return { for _ in 0..<200 { _ = a + b } }
    }
  } + [
    Workload("overhead_chain100_fwdbwd", .microseconds, 1) {
      let (x, c) = (normal([4]).requiresGrad_(), Tensor.full([4], 1.001))
      return {
        x.grad = nil
        var y = x
        for _ in 0..<50 { y = y * c + c }
        y.sum().backward()
      }
    }
  ]
