/// What an output element is made of.
enum ResamplingRule: Sendable, Hashable {
  enum Kernel: Sendable { case linear, cubic }

  case nearest(exact: Bool)
  /// Two or four neighbours.
  case taps(Kernel)
  /// All that lies under the output.
  case smooth(Kernel)
  case area
}

/// A dimension in another size: where its outputs lie among its inputs, computed in torch's precision.
struct Resampling: Hashable {
  let input: Int
  let output: Int
  /// What the size was multiplied by, where that is to count.
  let factor: Double?
  let alignCorners: Bool
  /// In float64, else in float32.
  let isFine: Bool

  private struct Request: Hashable {
    let resampling: Resampling
    let rule: ResamplingRule
  }

  func map(_ rule: ResamplingRule) -> DimensionMap {
    DimensionMap.of(Request(resampling: self, rule: rule)) {
      isFine ? map(rule, in: Double.self) : map(rule, in: Float.self)
    }
  }

  private func map<T: BinaryFloatingPoint>(_ rule: ResamplingRule, in: T.Type) -> DimensionMap {
    DimensionMap(
      inputSize: input,
      (0..<output).map { i in
        switch rule {
        case .nearest(let exact): [(nearest(i, exact, scale(alignCorners: false) as T), 1)]
        case .taps(let kernel): merged(taps(i, kernel, scale(alignCorners: alignCorners) as T))
        case .smooth(let kernel): smooth(i, kernel, scale(alignCorners: alignCorners) as T)
        case .area: area(i)
        }
      })
  }

  /// Inputs from output to output.
  private func scale<T: BinaryFloatingPoint>(alignCorners: Bool) -> T {
    if alignCorners { return output > 1 ? T(input - 1) / T(output - 1) : 0 }
    if let factor, factor > 0 { return T(1 / factor) }
    return T(input) / T(output)
  }

  private func nearest<T: BinaryFloatingPoint>(_ i: Int, _ exact: Bool, _ scale: T) -> Int {
    let place = exact ? scale * (T(i) + 0.5) : scale * T(i)
    return Swift.min(Int(place.rounded(.down)), input - 1)
  }

  private func taps<T: BinaryFloatingPoint>(
    _ i: Int, _ kernel: ResamplingRule.Kernel, _ scale: T
  ) -> [(input: Int, weight: Double)] {
    if kernel == .linear && input == output { return [(i, 1)] }
    var place = alignCorners ? scale * T(i) : scale * (T(i) + 0.5) - 0.5
    if kernel == .linear && place < 0 { place = 0 }
    let first = Swift.min(Int(place.rounded(.down)), input - 1)
    let t = Swift.min(Swift.max(place - T(first), 0), 1)
    if kernel == .linear { return [(first, Double(1 - t)), (Swift.min(first + 1, input - 1), Double(t))] }
    let distances = [t + 1, t, 1 - t, 2 - t]
    return distances.enumerated().map { (k, distance) in
      (Swift.min(Swift.max(first - 1 + k, 0), input - 1), Double(cubic(distance, T(-0.75))))
    }
  }

  /// Neighbours held at the edge are one.
  private func merged(_ terms: [(input: Int, weight: Double)]) -> [(input: Int, weight: Double)] {
    var result: [(input: Int, weight: Double)] = []
    for term in terms {
      if let last = result.last, last.input == term.input {
        result[result.count - 1].weight += term.weight
      } else {
        result.append(term)
      }
    }
    return result
  }

  private func smooth<T: BinaryFloatingPoint>(
    _ i: Int, _ kernel: ResamplingRule.Kernel, _ scale: T
  ) -> [(input: Int, weight: Double)] {
    let reach: T = kernel == .linear ? 1 : 2
    let support = scale >= 1 ? reach * scale : reach
    let inverse = scale >= 1 ? 1 / scale : 1
    let centre = scale * (T(i) + 0.5)
    let first = Swift.max(Int(centre - support + 0.5), 0)
    let end = Swift.min(Int(centre + support + 0.5), input)
    let weights = (first..<Swift.max(end, first)).map { j in
      let distance = abs((T(j) - centre + 0.5) * inverse)
      return kernel == .linear ? Swift.max(1 - distance, 0) : cubic(distance, -0.5)
    }
    let total = weights.reduce(0, +)
    return weights.enumerated().map { (first + $0, Double(total == 0 ? $1 : $1 / total)) }
  }

  private func area(_ i: Int) -> [(input: Int, weight: Double)] {
    let (first, end) = (i * input / output, ((i + 1) * input + output - 1) / output)
    return (first..<end).map { ($0, 1 / Double(end - first)) }
  }

  /// The weight at a distance from 0 to 2 (Keys, 1981).
  private func cubic<T: BinaryFloatingPoint>(_ x: T, _ a: T) -> T {
    if x <= 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0
  }
}
