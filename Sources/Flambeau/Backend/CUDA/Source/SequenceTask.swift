import CKernels

/// Evenly spaced numbers, each made of its place.
enum EvenNumbers: Sendable {
  /// start + i · step, wrapping.
  case integers(start: Int64, step: Int64)
  /// start + i · step for the first `half`, and from there on counted back from the last one, which is `end`.
  case reals(start: Double, step: Double, end: Double, half: Int)

  /// What they are computed in.
  var dtype: DType {
    switch self {
    case .integers: .int64
    case .reals: .float64
    }
  }

  /// Writes the first `count` to dense memory of their own dtype.
  func write(_ count: Int, to start: UnsafeMutableRawPointer) {
    switch self {
    case .integers(let first, let step):
      let place = start.assumingMemoryBound(to: Int64.self)
      for i in 0..<count { place[i] = first &+ Int64(i) &* step }
    case .reals(let first, let step, let end, let half):
      let place = start.assumingMemoryBound(to: Double.self)
      for i in 0..<count { place[i] = i < half ? first + step * Double(i) : end - step * Double(count - 1 - i) }
    }
  }
}

/// A dense vector becomes evenly spaced numbers.
struct SequenceTask: KernelTask {
  let sequence: EvenNumbers
  private(set) var output: Elements

  init(_ sequence: EvenNumbers, into output: Elements) { (self.sequence, self.output) = (sequence, output) }

  var operands: [Elements] { [output] }
  var results: [Elements] { [output] }
  func mapOperands(_ f: (Elements) -> Elements) -> SequenceTask { SequenceTask(sequence, into: f(output)) }

  /// Whether it is of whole numbers.
  var attributes: Bool { if case .integers = sequence { true } else { false } }

  var numbers: [Number] {
    switch sequence {
    case .integers(let start, let step): [Number(start), Number(step)]
    case .reals(let start, let step, let end, let half): [Number(start), Number(step), Number(end), Number(half)]
    }
  }

  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool) {
    let count = output.layout.elementCount
    if count == 0 { return }
    var arguments = KernelArguments()
    arguments.address("p", output.address)
    arguments.integer("count", count)
    let number: String
    let numbers = numbers
    switch sequence {
    case .integers:
      for (place, name) in ["start", "step"].enumerated() { arguments.number(name, place, of: numbers, in: fb_i64) }
      number = "(int64_t)((uint64_t)a.start + (uint64_t)i * (uint64_t)a.step)"
    case .reals:
      for (place, name) in ["start", "step", "end"].enumerated() { arguments.number(name, place, of: numbers, in: fb_f64) }
      arguments.number("half", 3, of: numbers, in: fb_i64)
      number = "i < a.half ? a.start + a.step * (double)i : a.end - a.step * (double)(a.count - 1 - i)"
    }
    let computed = sequence.dtype.computeClass.deviceName
    let body = """
        const int64_t step = (int64_t)gridDim.x * blockDim.x;
        for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < a.count; i += step)
          put<\(computed), \(output.dtype.deviceName)>(a.p, i, Lanes<\(computed)>(\(number)));

      """
    let source = KernelSource("sequence", arguments: arguments.declaration, body: body)
    work.launches.append(KernelLaunch(source, grid: (device.blocks((count + 255) / 256), 1), arguments))
  }
}
