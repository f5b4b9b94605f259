/// The operator table's samples on a GPU beside the processor, forward and backward.
package struct DeviceComparison: Sendable {
  /// Cases that agree.
  package private(set) var agreed = 0
  /// What differs, a sentence each.
  package private(set) var differences: [String] = []
  /// How many cases wanted each row that has no kernels.
  package private(set) var missing: [String: Int] = [:]

  package init() {}

  /// How many samples there are.
  package static var sampleCount: Int { Table.entries.count }

  /// The row and the call of a sample.
  package static func description(ofSample index: Int) -> String { "\(Table.entries[index])" }

  package mutating func add(_ other: DeviceComparison) {
    agreed += other.agreed
    differences += other.differences
    missing.merge(other.missing, uniquingKeysWith: +)
  }

  /// Runs the cases of a sample.
  ///
  /// - Parameter variants: Which, by their names; all for nil.
  package mutating func run(sample index: Int, on device: Device, variants: Set<String>? = nil) {
    let entry = Table.entries[index]
    for sample in SampleCase.all(entry) where variants?.contains(sample.variant) ?? true {
      let current = Self.makesTensors(sample: index) ? device : .cpu
      guard let expected = try? Self.outcome(sample, on: .cpu) else { continue }
      do {
        let mine = try Self.outcome(sample, on: device, current: current)
        if let difference = Self.difference(mine, expected, of: sample) {
          differences.append("\(entry), \(sample.variant): \(difference)")
        } else {
          agreed += 1
        }
      } catch let error as TensorError where error.message.hasPrefix("there is no kernel") {
        missing[error.operation, default: 0] += 1
      } catch {
        differences.append("\(entry), \(sample.variant): \(error)")
      }
    }
  }

  /// Results and gradients, brought to the processor.
  static func outcome(_ sample: SampleCase, on device: Device, current: Device = .cpu) throws -> [Tensor] {
    try withTensorErrors {
      let leaves = zip(sample.operands, sample.requiresGrad).map { $0.detach().to(device).requiresGrad_($1) }
      let outputs = Device.with(current) { sample.entry.sample.call(leaves) }
      var all = outputs
      let (tracked, roots) = (leaves.filter(\.requiresGrad), outputs.filter(\.requiresGrad))
      if !tracked.isEmpty && !roots.isEmpty {
        let weights = roots.map { weight($0).to(device) }
        all += Tensor.grad(of: roots, withRespectTo: tracked, gradients: weights, allowUnused: true).compactMap { $0 }
      }
      if let stray = all.first(where: { $0.failure == nil && $0.requiresGrad && $0.device != device }) {
        throw TensorError(.device, "a result lives on \(stray.device)")
      }
      return all.map { $0.cpu().detach() }
    }
  }

  /// The sample has tensors of its own, or none.
  static func makesTensors(sample index: Int) -> Bool {
    let sample = Table.entries[index].sample
    return sample.operands.isEmpty
      || ["torch.tensor(", "torch.arange(", "torch.empty(", "[["].contains { sample.torch.contains($0) }
  }

  /// What a result's gradient is weighted with.
  private static func weight(_ x: Tensor) -> Tensor {
    Tensor((0..<x.count).map { Double((7 * $0 + 3) % 11 - 5) / 8 }, shape: x.shape).to(x.dtype)
  }

  static func difference(_ mine: [Tensor], _ expected: [Tensor], of sample: SampleCase) -> String? {
    sample.entry.sample.draws ? shapeDifference(mine, expected) : difference(mine, expected)
  }

  private static func shapeDifference(_ mine: [Tensor], _ expected: [Tensor]) -> String? {
    if mine.count != expected.count { return "\(mine.count) results instead of \(expected.count)" }
    for (k, (a, b)) in zip(mine, expected).enumerated() {
      if a.shape != b.shape || a.dtype != b.dtype { return "result \(k) is \(a.summary), the processor has \(b.summary)" }
    }
    return nil
  }

  private static func difference(_ mine: [Tensor], _ expected: [Tensor]) -> String? {
    if let difference = shapeDifference(mine, expected) { return difference }
    for (k, (a, b)) in zip(mine, expected).enumerated() {
      let tolerance = SampleTolerance.of(a.dtype, isGradient: true)
      let (x, y) = (a.array(of: Double.self), b.array(of: Double.self))
      for i in x.indices {
        let isClose = Swift.abs(x[i] - y[i]) <= tolerance.absolute + tolerance.relative * Swift.abs(y[i])
        if !(x[i] == y[i] || x[i].isNaN && y[i].isNaN || isClose) {
          return "result \(k), element \(i) is \(x[i]), the processor has \(y[i])"
        }
      }
    }
    return nil
  }
}
