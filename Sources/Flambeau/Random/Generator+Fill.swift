import CKernels

// Fills of dense memory. A tensor that is dense in another order than the row-major one is filled in memory order, as
// torch does it, and a strided one through a dense copy of that order.
extension Generator {
  /// [from, to). Floating-point dtypes.
  package func fillUniform(_ out: UnsafeMutableRawPointer, _ dtype: DType, count: Int, from: Double = 0, to: Double = 1) {
    draw { fb_random_uniform($0, dtype.code, out, count, from, to) }
  }

  /// Floating-point dtypes. `contiguous`: the tensor is row-major, which decides the algorithm from 16 elements on.
  func fillNormal(
    _ out: UnsafeMutableRawPointer, _ dtype: DType, count: Int, mean: Double = 0, std: Double = 1, contiguous: Bool = true
  ) {
    draw { fb_random_normal($0, dtype.code, out, count, mean, std, contiguous) }
  }

  /// low..<high, all dtypes. The caller has checked that low < high and that the dtype holds both ends.
  package func fillIntegers(_ out: UnsafeMutableRawPointer, _ dtype: DType, count: Int, low: Int64, high: Int64) {
    draw { fb_random_integers($0, dtype.code, out, count, UInt64(bitPattern: high &- low), low) }
  }

  /// Every one of the 2^64 values of int64.
  func fillAllBits(_ out: UnsafeMutableRawPointer, count: Int) {
    draw { fb_random_integers($0, DType.int64.code, out, count, 0, 0) }
  }

  /// The non-negative integers the dtype holds exactly, `random_()` without bounds.
  func fillWholeRange(_ out: UnsafeMutableRawPointer, _ dtype: DType, count: Int) {
    draw { fb_random_whole_range($0, dtype.code, out, count) }
  }

  /// 1 with the probability `p`, else 0. `bernoulli_(p)` and dropout.
  func fillBernoulli(_ out: UnsafeMutableRawPointer, _ dtype: DType, count: Int, p: Double) {
    draw { fb_random_bernoulli($0, dtype.code, out, count, p) }
  }

  /// 1 with a probability for each element. Probabilities of the half types are converted to float32 first.
  func fillBernoulli(_ out: UnsafeMutableRawPointer, _ dtype: DType, probabilities: UnsafeBufferPointer<Float>) {
    draw { fb_random_bernoulli_f32($0, dtype.code, out, probabilities.count, probabilities.baseAddress) }
  }

  func fillBernoulli(_ out: UnsafeMutableRawPointer, _ dtype: DType, probabilities: UnsafeBufferPointer<Double>) {
    draw { fb_random_bernoulli_f64($0, dtype.code, out, probabilities.count, probabilities.baseAddress) }
  }

  /// Density rate · exp(−rate · x). Floating-point dtypes.
  func fillExponential(_ out: UnsafeMutableRawPointer, _ dtype: DType, count: Int, rate: Double = 1) {
    draw { fb_random_exponential($0, dtype.code, out, count, rate) }
  }

  /// Cauchy's distribution. Floating-point dtypes.
  func fillCauchy(_ out: UnsafeMutableRawPointer, _ dtype: DType, count: Int, median: Double, sigma: Double) {
    draw { fb_random_cauchy($0, dtype.code, out, count, median, sigma) }
  }

  /// Powers of e with normal exponents. Floating-point dtypes.
  func fillLogNormal(_ out: UnsafeMutableRawPointer, _ dtype: DType, count: Int, mean: Double, std: Double) {
    draw { fb_random_log_normal($0, dtype.code, out, count, mean, std) }
  }

  /// The number of the first success.
  func fillGeometric(_ out: UnsafeMutableRawPointer, _ dtype: DType, count: Int, p: Double) {
    draw { fb_random_geometric($0, dtype.code, out, count, p) }
  }

  /// The number of events, of which `rates` are expected. Floating-point dtypes.
  func fillPoisson(_ out: UnsafeMutableRawPointer, _ dtype: DType, rates: UnsafeBufferPointer<Double>) {
    draw { fb_random_poisson($0, dtype.code, out, rates.count, rates.baseAddress) }
  }

  /// 0..<count in random order.
  func fillPermutation(_ out: UnsafeMutablePointer<Int64>, count: Int) {
    draw { fb_random_permutation($0, out, count) }
  }
}

extension DType {
  /// `fb_dtype`, whose numbers are this type's.
  fileprivate var code: Int32 { Int32(rawValue) }
}
