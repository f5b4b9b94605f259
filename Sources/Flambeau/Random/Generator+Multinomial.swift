import CKernels

/// An element type multinomial draws compute in.
protocol MultinomialElement: BinaryFloatingPoint {
  static var dtypeCode: Int32 { get }
  /// Positions whose running sum first reaches a uniform number.
  static func choose(
    _ random: OpaquePointer, _ out: UnsafeMutablePointer<Int64>, _ count: Int, _ sums: UnsafeBufferPointer<Self>)
}

extension Float: MultinomialElement {
  static var dtypeCode: Int32 { Int32(DType.float32.rawValue) }
  static func choose(
    _ random: OpaquePointer, _ out: UnsafeMutablePointer<Int64>, _ count: Int, _ sums: UnsafeBufferPointer<Float>
  ) { fb_random_choices_f32(random, out, count, sums.baseAddress, sums.count) }
}

extension Double: MultinomialElement {
  static var dtypeCode: Int32 { Int32(DType.float64.rawValue) }
  static func choose(
    _ random: OpaquePointer, _ out: UnsafeMutablePointer<Int64>, _ count: Int, _ sums: UnsafeBufferPointer<Double>
  ) { fb_random_choices_f64(random, out, count, sums.baseAddress, sums.count) }
}

extension Generator {
  /// `torch.multinomial`: for each row of `weights` [rows, categories], `draws` categories into `out` [rows, draws].
  ///
  /// The caller has checked the weights (none negative, infinite or NaN, every row with a positive sum) and that
  /// without replacement no row asks for more draws than it has categories. `strides` say in which order numbers are drawn
  /// for the weights without replacement: that of memory laid out so, without gaps.
  func fillMultinomial<Real: MultinomialElement>(
    _ out: UnsafeMutablePointer<Int64>, weights: UnsafePointer<Real>, rows: Int, categories: Int,
    strides: (row: Int, category: Int), draws: Int, replacement: Bool
  ) {
    if rows <= 0 || categories <= 0 || draws <= 0 { return }
    // A single draw is the same either way, and torch takes the way without replacement.
    if replacement && draws > 1 {
      var sums = (0..<rows).map {
        Generator.runningSums(UnsafeBufferPointer(start: weights + $0 * categories, count: categories))
      }
      draw { random in
        for row in 0..<rows {
          sums[row].withUnsafeMutableBufferPointer { Real.choose(random, out + row * draws, draws, UnsafeBufferPointer($0)) }
        }
      }
    } else {
      var ratios = [Real](repeating: 0, count: rows * categories)
      var drawn = false
      ratios.withUnsafeMutableBytes { bytes in
        draw {
          fb_random_exponential($0, Real.dtypeCode, bytes.baseAddress, rows * categories, 1)
          drawn = true
        }
      }
      if !drawn { return }
      for row in 0..<rows {
        let ranked = (0..<categories).map {
          weights[row * categories + $0] / ratios[row * strides.row + $0 * strides.category]
        }
        Generator.largest(ranked, Swift.min(draws, categories), into: out + row * draws)
      }
    }
  }

  private static func runningSums<Real: MultinomialElement>(_ weights: UnsafeBufferPointer<Real>) -> [Real] {
    var total: Real = 0
    var sums = weights.map { weight in
      total += weight
      return total
    }
    for i in sums.indices { sums[i] /= total }
    sums[sums.count - 1] = 1
    return sums
  }

  /// The positions of the largest values, largest first.
  private static func largest<Real: MultinomialElement>(
    _ values: [Real], _ count: Int, into out: UnsafeMutablePointer<Int64>
  ) {
    if count == 1 {
      out[0] = Int64(values.indices.max { values[$0] < values[$1] }!)
    } else {
      let order = values.indices.sorted { values[$0] > values[$1] }
      for i in 0..<count { out[i] = Int64(order[i]) }
    }
  }
}
