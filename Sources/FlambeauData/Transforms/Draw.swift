import Flambeau

/// Single numbers from the current generator, with the bits of the torch call that torchvision makes for them.
enum Draw {
  /// `torch.empty(1).uniform_(low, high).item()`.
  static func uniform(_ low: Double, _ high: Double) -> Double {
    var value: Float = 0
    Generator.current.fillUniform(&value, .float32, count: 1, from: low, to: high)
    return Double(value)
  }

  /// `torch.randint(0, bound, (1,))`.
  static func below(_ bound: Int) -> Int {
    var value: Int64 = 0
    Generator.current.fillIntegers(&value, .int64, count: 1, low: 0, high: Int64(bound))
    return Int(value)
  }

  /// `torch.rand(1) < probability`.
  static func happens(_ probability: Double) -> Bool { uniform(0, 1) < probability }

  /// From Beta(`alpha`, `alpha`), by Jöhnk's method (1964) below 1, as the share of one of two gamma numbers of Marsaglia and Tsang
  /// (2000) from 1 on.
  static func beta(_ alpha: Double) -> Double {
    if alpha < 1 {
      while true {
        let (u, v) = (pow(uniform(0, 1), 1 / alpha), pow(uniform(0, 1), 1 / alpha))
        if u + v > 0 && u + v <= 1 { return u / (u + v) }
        if Context.current.isFailed { return 0 }
      }
    }
    let (a, b) = (gamma(alpha), gamma(alpha))
    return a / (a + b)
  }

  private static func gamma(_ shape: Double) -> Double {
    let d = shape - 1.0 / 3
    let c = 1 / (9 * d).squareRoot()
    while true {
      let x = Tensor.randn([1], device: .cpu).item()
      let v = (1 + c * x) * (1 + c * x) * (1 + c * x)
      if v > 0 && log(Swift.max(uniform(0, 1), 1e-30)) < x * x / 2 + d - d * v + d * log(v) { return d * v }
      if Context.current.isFailed { return 1 }
    }
  }
}

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif
