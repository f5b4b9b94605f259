@testable import Flambeau

extension SampleCase {
  /// Of the numbers where functions change their minds: zeros of both signs, infinities, NaN, the largest and smallest
  /// numbers, kinks and ties in each floating-point dtype, the extremes of each integer dtype.
  static func special(_ entry: TableEntry) -> [SampleCase] {
    entry.sample.isPointwise ? points(entry) : patterns(entry)
  }

  /// Pointwise samples: every combination of special numbers.
  private static func points(_ entry: TableEntry) -> [SampleCase] {
    let count = entry.sample.operands.count
    return DType.allCases.filter { $0 != .bool }.map { dtype in
      let numbers = SpecialPoints.numbers(dtype, entry, operands: count)
      // The cotangents repeat after 11 elements, and some are 0: each number meets others of them.
      let repeats = count == 1 ? 3 : 1
      let places = repeats * (0..<count).reduce(1) { size, _ in size * numbers.count }
      let operands = (0..<count).map { operand in
        let step = (0..<operand).reduce(1) { size, _ in size * numbers.count }
        return SpecialPoints.tensor((0..<places).map { numbers[$0 / step % numbers.count] }, [places], dtype)
      }
      return SampleCase(entry: entry, variant: "special \(dtype)", operands: operands, isSpecial: true)
    }
  }

  /// Others: operands of ties, zeros, and ordinary numbers with one special number among them.
  private static func patterns(_ entry: TableEntry) -> [SampleCase] {
    var cases: [SampleCase] = []
    for (index, pattern) in SpecialPoints.patterns.enumerated() {
      for dtype in [DType.float32, .float64, .bfloat16] {
        var draw = Draw(state: UInt64(31 + index))
        let operands = entry.sample.operands.map { operand in
          guard case .real = operand.values else { return draw.tensor(operand, operand.shape, dtype, layout: 0) }
          let ordinary = draw.tensor(operand, operand.shape, .float64, layout: 0).array(of: Double.self)
          return SpecialPoints.tensor(
            ordinary.enumerated().map { pattern.number($0, $1, ordinary.count) }.map { Number($0) }, operand.shape, dtype)
        }
        cases.append(SampleCase(entry: entry, variant: "\(pattern.name), \(dtype)", operands: operands, isSpecial: true))
      }
    }
    return cases
  }

  private init(entry: TableEntry, variant: String, operands: [Tensor], isSpecial: Bool) {
    // Half types round after each of torch's steps, and not between ours: at extremes that is another number.
    let needs = zip(entry.sample.operands, operands).map { $1.dtype.byteCount > 2 && $0.needsGradient(in: $1.dtype) }
    self.init(
      entry: entry, variant: variant, operands: operands, requiresGrad: needs, isSecondOrder: false, isSpecial: isSpecial)
  }
}

extension SampleCase {
  /// The operands' numbers at an element of a pointwise sample's result.
  func numbers(at element: Int) -> String {
    guard entry.sample.isPointwise, operands.allSatisfy({ $0.shape == operands[0].shape && element < $0.count }) else {
      return ""
    }
    return " at \(operands.map { $0.detach().to(.float64).array(of: Double.self)[element] })"
  }
}

enum SpecialPoints {
  /// From an element's place and ordinary value, and the count of elements.
  static let patterns: [(name: String, number: @Sendable (Int, Double, Int) -> Double)] = [
    ("ties", { place, _, _ in Double(place % 2) }),
    ("zeros", { place, _, _ in place % 3 == 1 ? -0.0 : 0 }),
    ("a NaN", { place, x, count in place == count / 2 ? .nan : x }),
    ("an infinity", { place, x, count in place == count / 2 ? .infinity : x }),
    ("infinities", { place, x, count in place == count / 2 ? -.infinity : place == count / 3 ? .infinity : x }),
  ]

  static func tensor(_ numbers: [Number], _ shape: Shape, _ dtype: DType) -> Tensor {
    dtype.isFloatingPoint
      ? Tensor(numbers.map(\.double), shape: shape).to(dtype) : Tensor(numbers.map(\.integer), shape: shape).to(dtype)
  }

  /// Fewer where they are combined.
  static func numbers(_ dtype: DType, _ entry: TableEntry, operands: Int) -> [Number] {
    guard dtype.isFloatingPoint else { return integers(dtype, operands).map { Number($0) } }
    var positive: [Double] = [0, .infinity, 1, 0.5]
    if operands < 3 { positive += [dtype.largest, dtype.smallest, 3] }
    if operands == 1 { positive += [dtype.smallest * dtype.steps, 6, 20, 1.5, 2.5, 0.25, 100, 1e4] + constants(entry) }
    return ([.nan] + positive.flatMap { [$0, -$0] }).map { Number($0) }
  }

  private static func integers(_ dtype: DType, _ operands: Int) -> [Int64] {
    let spare = 64 - dtype.byteCount * 8
    let high = dtype.isSigned ? Int64.max >> spare : Int64(UInt64.max >> spare)
    let low = dtype.isSigned ? Int64.min >> spare : 0
    return [low, low + 1, high - 1, high, 0, 1, 2, 7] + (dtype.isSigned ? [-1, -2, -7] : [])
  }

  /// The numbers that stand in the expression: thresholds, bounds.
  private static func constants(_ entry: TableEntry) -> [Double] {
    entry.sample.torch.split { !($0.isNumber || $0 == ".") }.compactMap { Double($0) }
  }
}

extension DType {
  /// The smallest normal number.
  var smallest: Double {
    switch self {
    case .float16: 0x1p-14
    case .float64: .leastNormalMagnitude
    default: 0x1p-126
    }
  }

  /// The smallest number above 0, as a multiple of the smallest normal one.
  fileprivate var steps: Double {
    switch self {
    case .float16: 0x1p-10
    case .bfloat16: 0x1p-7
    case .float64: 0x1p-52
    default: 0x1p-23
    }
  }
}
