#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

enum Stopwatch {
  /// Seconds a call takes, sorted: at least five samples over `wanted` seconds, short calls in groups of 2 ms.
  static func samples(of call: () -> Void, wanted: Double = 0.8, limit: Double = 12) -> [Double] {
    let clock = ContinuousClock()
    let start = clock.now
    repeat { call() } while (clock.now - start).seconds < 0.2
    let once = clock.measure(call).seconds
    let group = max(1, Int(2e-3 / max(once, 1e-7)))
    var samples: [Double] = []
    let begun = clock.now
    while true {
      let elapsed = clock.measure { for _ in 0..<group { call() } }
      samples.append(elapsed.seconds / Double(group))
      let total = (clock.now - begun).seconds
      if total >= wanted && samples.count >= 5 || total >= limit && samples.count >= 2 { return samples.sorted() }
    }
  }
}

extension Duration {
  var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
