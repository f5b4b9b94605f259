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
    create("arange", on: device, at: CallSite(file, line)) { (_) throws(TensorError) in
      let count = try rangeCount(Double(start), Double(end), Double(step), dtype)
      return try sequence(count, dtype, computedIn: .int64) { (place: UnsafeMutablePointer<Int64>) in
        for i in 0..<count { place[i] = Int64(start &+ i &* step) }
      }
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
      return create("arange", on: device, at: CallSite(file, line)) { (_) throws(TensorError) in
        let count = try rangeCount(start, end, step, dtype)
        return try sequence(count, dtype, computedIn: .int64) { (place: UnsafeMutablePointer<Int64>) in
          for i in 0..<count { place[i] = Int64(first &+ i &* stride) }
        }
      }
    }
    return create("arange", on: device, at: CallSite(file, line)) { (_) throws(TensorError) in
      let count = try rangeCount(start, end, step, dtype)
      return try sequence(count, dtype, computedIn: .float64) { (place: UnsafeMutablePointer<Double>) in
        for i in 0..<count { place[i] = start + Double(i) * step }
      }
    }
  }

  /// `steps` numbers from `start` to `end`, both included. Torch's `linspace`.
  public static func linspace(
    _ start: Double, _ end: Double, steps: Int, dtype: DType = .float32, device: Device? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    create("linspace", on: device, at: CallSite(file, line)) { (_) throws(TensorError) in
      guard steps >= 0 else { throw .argument("number of steps must be non-negative") }
      guard dtype != .bool else { throw .dtype("linspace is not implemented for bool") }
      for bound in [start, end] { _ = try dtype.element(Number(bound), .floatingPoint) }
      return try sequence(steps, dtype, computedIn: .float64) { (place: UnsafeMutablePointer<Double>) in
        let step = (end - start) / Double(Swift.max(steps - 1, 1))
        // From either end, so that both are met.
        for i in 0..<steps {
          place[i] = i < steps / 2 || steps == 1 ? start + step * Double(i) : end - step * Double(steps - 1 - i)
        }
      }
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

  /// A vector of what `fill` writes, converted.
  private static func sequence<Element>(
    _ count: Int, _ dtype: DType, computedIn class: DType, _ fill: (UnsafeMutablePointer<Element>) -> Void
  ) throws(TensorError) -> Value {
    let numbers = try Value(checked: [count], `class`)
    withExtendedLifetime(numbers.storage) { fill(numbers.elements.start.assumingMemoryBound(to: Element.self)) }
    if dtype == `class` { return numbers }
    let result = try Value(numbers.layout, dtype)
    withExtendedLifetime(numbers.storage) { numbers.elements.copyOnProcessor(to: result.elements) }
    return result
  }
}
