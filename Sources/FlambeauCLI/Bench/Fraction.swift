import Flambeau

/// How near a workload comes to what the machine can do.
enum Fraction {
  /// The least time that the machine's limits allow, over `seconds`; nil where no limit of memory or arithmetic applies. Above 1
  /// the data was in a cache.
  static func ofLimit(_ workload: Workload, _ call: () -> Void, seconds: Double) throws -> Double? {
    guard let work = workload.least(of: call) else { return nil }
    switch work {
    case .memory(let read, let written):
      return try limits.get().seconds(byteCount: Double(read + written), operations: 0) / seconds
    case .arithmetic(let operations): return try limits.get().seconds(byteCount: 0, operations: operations) / seconds
    case .objects: return nil
    }
  }

  /// Measured when first asked for, because it takes memory.
  private static let limits = Result { () throws(TensorError) in try MachineLimits.measure() }

  /// The time of a loop that does nothing but the least a call must do, over that of the call; nil where nothing is known of
  /// that. Each is timed right after the other, and the median of these shares counts, so that a slow or a busy machine slows both.
  static func ofReference(_ workload: Workload, rounds: Int = 11) throws -> Double? {
    let call = workload.prepare()
    call()
    guard let work = workload.beside ?? workload.least(of: call) else { return nil }
    let loop = try ReferenceLoop(work)
    let sizes = (group(call), group(loop.run))
    let shares = (0..<rounds).map { _ in
      let taken = seconds(call, sizes.0)
      return seconds(loop.run, sizes.1) / taken
    }
    return shares.sorted()[rounds / 2]
  }

  /// How many calls take about 10 ms.
  private static func group(_ call: () -> Void) -> Int {
    max(1, Int(1e-2 / max(min(seconds(call, 1), seconds(call, 1)), 1e-7)))
  }

  /// Seconds a call.
  private static func seconds(_ call: () -> Void, _ count: Int) -> Double {
    ContinuousClock().measure { for _ in 0..<count { call() } }.seconds / Double(count)
  }
}
