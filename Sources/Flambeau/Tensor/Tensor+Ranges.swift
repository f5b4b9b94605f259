// Vectors of evenly spaced numbers.
extension Tensor {
  /// 0, 1, … below `end`. Torch's `arange`.
  public static func arange(
    _ end: Int, dtype: DType = .int64, device: Device? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { arange(0, end, dtype: dtype, device: device, file: file, line: line) }

  /// 0, 1, … below `end`. Torch's `arange`.
  public static func arange(
    _ end: Double, dtype: DType = .float32, device: Device? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { arange(0, end, dtype: dtype, device: device, file: file, line: line) }

  /// `start`, `start + step`, … up to, but without, `end`. Torch's `arange`.
  public static func arange(
    _ start: Int, _ end: Int, step: Int = 1, dtype: DType = .int64, device: Device? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    create("arange", on: device, at: CallSite(file, line)) { (device) throws(TensorError) in
      let count = try rangeCount(Double(start), Double(end), Double(step), dtype)
      return try sequence(count, dtype, .integers(start: Int64(start), step: Int64(step)), on: device)
    }
  }

  /// `start`, `start + step`, … up to, but without, `end`. Torch's `arange`.
  ///
  /// For an integer `dtype` start and step lose their fractions; for int64 the end does too, before the numbers are counted.
  public static func arange(
    _ start: Double, _ end: Double, step: Double = 1, dtype: DType = .float32, device: Device? = nil,
    file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    if dtype.isInteger, let first = Int(exactly: start.rounded(.towardZero)),
      let last = Int(exactly: end.rounded(.towardZero)), let stride = Int(exactly: step.rounded(.towardZero))
    {
      if dtype == .int64 { return arange(first, last, step: stride, dtype: dtype, device: device, file: file, line: line) }
      return create("arange", on: device, at: CallSite(file, line)) { (device) throws(TensorError) in
        let count = try rangeCount(start, end, step, dtype)
        return try sequence(count, dtype, .integers(start: Int64(first), step: Int64(stride)), on: device)
      }
    }
    return create("arange", on: device, at: CallSite(file, line)) { (device) throws(TensorError) in
      let count = try rangeCount(start, end, step, dtype)
      return try sequence(count, dtype, .reals(start: start, step: step, end: end, half: count), on: device)
    }
  }

  /// `steps` numbers from `start` to `end`, both included. Torch's `linspace`.
  public static func linspace(
    _ start: Double, _ end: Double, steps: Int, dtype: DType = .float32, device: Device? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    create("linspace", on: device, at: CallSite(file, line)) { (device) throws(TensorError) in
      guard steps >= 0 else { throw .argument("number of steps must be non-negative") }
      guard dtype != .bool else { throw .dtype("linspace is not implemented for bool") }
      for bound in [start, end] { _ = try dtype.element(Number(bound), .floatingPoint) }
      let step = (end - start) / Double(Swift.max(steps - 1, 1))
      // From either end, so that both are met.
      let half = steps == 1 ? 1 : steps / 2
      return try sequence(steps, dtype, .reals(start: start, step: step, end: end, half: half), on: device)
    }
  }

  /// `steps` powers of `base`, whose exponents go from `start` to `end`, both included. Torch's `logspace`.
  public static func logspace(
    _ start: Double, _ end: Double, steps: Int, base: Double = 10, dtype: DType = .float32, device: Device? = nil,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let exponents = linspace(start, end, steps: steps, dtype: .float64, device: device, file: file, line: line)
    return ops.binary.pow(Number(base), .floatingPoint, exponents, at: CallSite(file, line)).to(dtype)
  }

  private static func rangeCount(
    _ start: Double, _ end: Double, _ step: Double, _ dtype: DType
  ) throws(TensorError) -> Int {
    guard dtype != .bool else { throw .dtype("arange is not implemented for bool") }
    guard step != 0 else { throw .argument("step must be nonzero") }
    guard start.isFinite, end.isFinite else { throw .argument("unsupported range: \(start) -> \(end)") }
    guard step > 0 ? end >= start : end <= start else {
      throw .argument("upper bound and lower bound inconsistent with step sign")
    }
    guard let count = Int(exactly: ((end - start) / step).rounded(.up)) else {
      throw .argument("invalid size, possible overflow?")
    }
    return count
  }

  private static func sequence(
    _ count: Int, _ dtype: DType, _ numbers: EvenNumbers, on device: Device
  ) throws(TensorError) -> Value {
    let result = try Value(checked: [count], dtype, on: device)
    // Numbers that are converted have memory of their own first.
    let wide = device.isCPU && dtype != numbers.dtype ? try Value(checked: [count], numbers.dtype) : result
    try KernelCall.task(on: device, SequenceTask(numbers, into: result.elements)) {
      numbers.write(count, to: wide.elements.start)
      if wide.storage !== result.storage { wide.elements.copyOnProcessor(to: result.elements) }
    }
    return result
  }
}
