// Rows that write random numbers over what was there.

struct UniformArguments: Sendable {
  let from: Double
  let to: Double
}

struct NormalArguments: Sendable {
  let mean: Double
  let std: Double
}

/// Whole numbers of low..<high; those the dtype holds exactly, from 0 on, without bounds.
struct IntegerArguments: Sendable {
  var low: Int?
  var high: Int?
}

struct Draws: Sendable {
  let uniform: Operator<UniformArguments> = draw(
    "uniform_",
    sample("uniform_()") { $0.uniform_() }, sample("uniform_(-1.5, 2)") { $0.uniform_(from: -1.5, to: 2) },
    check: { (dtype, at) throws(TensorError) in
      try dtype.checkDraws("uniform_")
      for (name, bound) in [("from", at.from), ("to", at.to)] {
        guard Swift.abs(bound) <= dtype.largest else { throw .outOfBounds(name, dtype) }
      }
      guard at.from <= at.to else {
        throw .argument("uniform_ expects to return a [from, to) range, but found from=\(at.from) > to=\(at.to)")
      }
      guard at.to - at.from <= dtype.largest else {
        throw .argument(
          "uniform_ expects to-from <= std::numeric_limits<\(dtype.torchScalarName)>::max(), but found to=\(at.to) and "
            + "from=\(at.from) which result in to-from to exceed the limit")
      }
    },
    onGPU: { _, at in .uniform(from: at.from, to: at.to) }
  ) { generator, start, dtype, count, _, at in
    generator.fillUniform(start, dtype, count: count, from: at.from, to: at.to)
  }

  let normal: Operator<NormalArguments> = draw(
    "normal_",
    sample("normal_()") { $0.normal_() }, sample("normal_(0.5, 3)") { $0.normal_(mean: 0.5, std: 3) },
    check: { (dtype, at) throws(TensorError) in
      try dtype.checkDraws("normal_")
      guard at.std >= 0 else { throw .argument("normal expects std >= 0.0, but found std \(at.std)") }
    },
    onGPU: { _, at in .normal(mean: at.mean, std: at.std) }
  ) { generator, start, dtype, count, isContiguous, at in
    generator.fillNormal(start, dtype, count: count, mean: at.mean, std: at.std, contiguous: isContiguous)
  }

  /// The attribute is the rate.
  let exponential: Operator<Double> = draw(
    "exponential_",
    sample("exponential_()") { $0.exponential_() }, sample("exponential_(2.5)") { $0.exponential_(2.5) },
    check: { (dtype, rate) throws(TensorError) in
      guard dtype.isFloatingPoint else {
        throw .dtype(
          "Exponential distribution is a continuous probability distribution. dtype must be a floating point but you "
            + "specified \(dtype.torchScalarName)")
      }
      guard rate > 0 else { throw .argument("exponential_ expects lambda > 0.0, but found lambda=\(rate)") }
    },
    onGPU: { _, rate in .exponential(rate: rate) }
  ) { generator, start, dtype, count, _, rate in
    generator.fillExponential(start, dtype, count: count, rate: rate)
  }

  /// The attribute is the probability of 1.
  let bernoulli: Operator<Double> = draw(
    "bernoulli_", sample("bernoulli_(0.3)") { $0.bernoulli_(0.3) },
    check: { (_, p) throws(TensorError) in
      guard p >= 0, p <= 1 else { throw .argument("bernoulli_ expects p to be in [0, 1], but got p=\(p)") }
    },
    onGPU: { _, p in .bernoulli(p) }
  ) { generator, start, dtype, count, _, p in generator.fillBernoulli(start, dtype, count: count, p: p) }

  let integers: Operator<IntegerArguments> = draw(
    "random_",
    sample("random_()") { $0.random_() }, sample("random_(2)") { $0.random_(2) },
    sample("random_(0, 2)") { $0.random_(from: 0, to: 2) },
    check: { (dtype, at) throws(TensorError) in
      if let low = at.low, let high = at.high { _ = try dtype.integerBounds(low, high) }
    },
    onGPU: { dtype, at in
      guard let low = at.low, let high = at.high, let bounds = try? dtype.integerBounds(low, high) else {
        return .integers(low: 0, range: dtype.wholeRange)
      }
      return .integers(low: bounds.low, range: UInt64(bitPattern: bounds.high &- bounds.low))
    }
  ) { generator, start, dtype, count, _, at in
    if let low = at.low, let high = at.high, let bounds = try? dtype.integerBounds(low, high) {
      generator.fillIntegers(start, dtype, count: count, low: bounds.low, high: bounds.high)
    } else {
      generator.fillWholeRange(start, dtype, count: count)
    }
  }

  typealias Check<Attributes> = @Sendable (DType, Attributes) throws(TensorError) -> Void
  typealias Fill<Attributes> =
    @Sendable (
      Generator, _ start: UnsafeMutableRawPointer, DType, _ count: Int, _ isContiguous: Bool, Attributes
    ) -> Void

  /// Dense memory is filled in its own order, other memory through a copy of that order, as torch does.
  static func draw<Attributes>(
    _ name: String, _ samples: Sample..., check: @escaping Check<Attributes>,
    onGPU distribution: @escaping @Sendable (DType, Attributes) -> RandomTask.Distribution, fill: @escaping Fill<Attributes>
  ) -> Operator<Attributes> {
    Operator(
      name,
      plan: { (operands, at) throws(TensorError) in
        let target = operands[0]!.body
        try check(target.dtype, at)
        return ResultPlan(layout: target.layout, dtype: target.dtype, compute: target.dtype)
      },
      fill: { (operands, at, _, result) throws(TensorError) in
        if !result.device.isCPU { return try RandomTask.draw(distribution(result.dtype, at), into: result) }
        try result.fillDense { target in
          fill(
            .current, target.start, target.dtype, target.layout.elementCount, target.layout.isContiguous, at)
        }
      },
      backward: { (_, _) throws(TensorError) in Few(nil) }, samples: samples
    ).onGPU()
  }

  static func sample(_ call: String, _ draw: @escaping @Sendable (Tensor) -> Tensor) -> Sample {
    Sample("(torch.manual_seed(7), a * torch.empty(a.shape, dtype=a.dtype).\(call))[1]", [.real([3, 7])]) { operands in
      let a = operands[0]
      return withGenerator(Generator(seed: 7)) { a * draw(.zeros(a.shape, dtype: a.dtype)) }
    }
  }
}

extension Elements {
  /// Lets `fill` write dense memory: this if it is, else a copy of its order.
  func fillDense(_ fill: (Elements) -> Void) throws(TensorError) {
    if layout.isDense { return fill(self) }
    let copy = try Value(layout.dense, dtype)
    try withExtendedLifetime(copy.storage) { () throws(TensorError) in
      fill(copy.elements)
      try copy.elements.copy(to: self)
    }
  }
}

extension DType {
  fileprivate func checkDraws(_ name: String) throws(TensorError) {
    guard isFloatingPoint else { throw .dtype("\"\(name)\" not implemented for '\(torchScalarName)'") }
  }

  /// The bounds of a draw of low..<high, as the dtype holds them.
  fileprivate func integerBounds(_ low: Int, _ high: Int) throws(TensorError) -> (low: Int64, high: Int64) {
    guard low < high else {
      throw .argument("random_ expects 'from' to be less than 'to', but got from=\(low) >= to=\(high)")
    }
    let bounds = isFloatingPoint ? (rounded(up: low), rounded(down: high)) : (low, high)
    guard bounds.0 < bounds.1 else {
      throw .argument(
        "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got from=\(bounds.0) >= "
          + "to=\(bounds.1)")
    }
    for (name, bound) in [("from", bounds.0), ("to - 1", bounds.1 - 1)] where !holds(bound) {
      throw .outOfBounds(name, self)
    }
    return (Int64(bounds.0), Int64(bounds.1))
  }

  private func holds(_ bound: Int) -> Bool {
    if isFloatingPoint { return Double(bound).magnitude <= largest }
    let spare = 64 - byteCount * 8
    if self == .bool { return bound == 0 || bound == 1 }
    return isSigned
      ? bound >= Int.min >> spare && bound <= Int.max >> spare : bound >= 0 && bound <= Int(UInt.max >> UInt(spare))
  }

  /// How many whole numbers from 0 on it holds exactly.
  fileprivate var wholeRange: UInt64 {
    if self == .bool { return 2 }
    return isFloatingPoint ? 1 << UInt64(digits) + 1 : 1 << UInt64(byteCount * 8 - (isSigned ? 1 : 0))
  }

  /// The digits of the significand.
  private var digits: Int {
    switch self {
    case .float16: 11
    case .bfloat16: 8
    case .float32: 24
    default: 53
    }
  }

  /// What `value` becomes as an element and back.
  private func nearest(_ value: Int) -> Int {
    let magnitude = Int(clamping: value.magnitude)
    let excess = Swift.max(Int.bitWidth - magnitude.leadingZeroBitCount - digits, 0)
    if excess == 0 { return value }
    // Half to even.
    let (kept, rest, half) = (magnitude >> excess, magnitude & (1 << excess - 1), 1 << (excess - 1))
    let up = rest > half || rest == half && kept & 1 == 1
    let (result, overflow) = (kept + (up ? 1 : 0)).multipliedReportingOverflow(by: 1 << excess)
    return overflow ? (value < 0 ? .min : .max) : value < 0 ? -result : result
  }

  /// The lower bound, no lower than asked where the dtype has gaps. As torch.
  private func rounded(up low: Int) -> Int {
    let next = nearest(low &+ 1)
    return next < low ? next + gap(at: low &+ 1) : low
  }

  /// The upper bound, no higher than asked where the dtype has gaps. As torch.
  private func rounded(down high: Int) -> Int {
    let last = nearest(high &- 1)
    return last >= high ? last - gap(at: high &- 1) : high
  }

  private func gap(at value: Int) -> Int {
    1 << Swift.max(Int.bitWidth - 1 - Int(clamping: value.magnitude).leadingZeroBitCount - digits + 1, 0)
  }
}

extension TensorError {
  fileprivate static func outOfBounds(_ name: String, _ dtype: DType) -> TensorError {
    .argument("\(name) is out of bounds for \(dtype.drawName)")
  }
}

extension DType {
  /// C++'s name of the element type, as torch's messages about draws have it.
  var drawName: String {
    switch self {
    case .bool: "bool"
    case .uint8: "unsigned char"
    case .int8: "signed char"
    case .int16: "short"
    case .int32: "int"
    case .int64: "long"
    case .float16: "c10::Half"
    case .bfloat16: "c10::BFloat16"
    case .float32: "float"
    case .float64: "double"
    }
  }
}
