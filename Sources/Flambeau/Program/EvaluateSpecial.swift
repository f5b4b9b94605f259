import CKernels

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Special functions by other ways than the kernels', as the reference those are tested against.
enum Special {
  /// The derivative of log Γ: recurrence, then the asymptotic series.
  static func digamma(_ x: Double) -> Double {
    if x == 0 { return -1 / x }
    if x < 0 {
      if x == x.rounded(.down) { return .nan }
      return digamma(1 - x) - .pi / tan(.pi * (x - x.rounded(.towardZero)))
    }
    var (x, sum) = (x, 0.0)
    while x < 20 {
      sum -= 1 / x
      x += 1
    }
    let z = 1 / (x * x)
    return sum + log(x) - 0.5 / x - z * (1 / 12.0 - z * (1 / 120.0 - z * (1 / 252.0 - z * (1 / 240.0 - z / 132))))
  }

  /// By bisection.
  static func erfinv(_ y: Double) -> Double {
    if !(Swift.abs(y) < 1) { return Swift.abs(y) == 1 ? y * .infinity : .nan }
    let left = 1 - Swift.abs(y)
    var (low, high) = (0.0, 6.0)
    for _ in 0..<100 {
      let middle = (low + high) / 2
      let isBelow = left < 0.5 ? erfc(middle) > left : erf(middle) < Swift.abs(y)
      if isBelow { low = middle } else { high = middle }
    }
    return y < 0 ? -high : high
  }

  /// By its definition, and its series where the factors leave the range.
  static func erfcx(_ x: Double) -> Double {
    if x < 20 { return exp(x * x) * erfc(x) }
    let z = 1 / (2 * x * x)
    return (1 - z * (1 - 3 * z * (1 - 5 * z * (1 - 7 * z * (1 - 9 * z))))) / (x * Double.pi.squareRoot())
  }

  /// By bisection.
  static func ndtri(_ p: Double) -> Double {
    if !(p > 0 && p < 1) { return p == 0 ? -.infinity : p == 1 ? .infinity : .nan }
    var (low, high) = (-40.0, 40.0)
    for _ in 0..<100 {
      let middle = (low + high) / 2
      if erfc(-middle / 2.0.squareRoot()) / 2 < p { low = middle } else { high = middle }
    }
    return high
  }

  /// The lower share of a gamma distribution, from its power series, whose terms have one sign.
  static func igamma(_ a: Double, _ x: Double) -> Double {
    if !(a >= 0 && x >= 0) || a == 0 && x == 0 { return .nan }
    if a == 0 || x == .infinity { return a == .infinity ? .nan : 1 }
    if a == .infinity { return 0 }
    var (term, sum, n) = (1.0, 1.0, a)
    while term > 1e-18 * sum {
      n += 1
      term *= x / n
      sum += term
    }
    return exp(a * log(x) - x - fb_log_gamma(a + 1)) * sum
  }

  /// The modified Bessel function of the first kind, from its power series, whose terms have one sign.
  static func bessel(_ order: Int, _ x: Double) -> Double {
    let square = x * x / 4
    var (term, sum) = (order == 0 ? 1 : x / 2, 0.0)
    for k in 1..<2000 {
      sum += term
      term *= square / Double(k * (k + order))
    }
    return sum
  }
}
