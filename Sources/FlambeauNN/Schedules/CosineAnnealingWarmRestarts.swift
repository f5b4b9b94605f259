import Flambeau

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Half a cosine from the base learning rate down to `etaMin`, begun anew after `t0` epochs, then after `tMult` times as many, and so
/// on (Loshchilov and Hutter, 2016). Torch's `CosineAnnealingWarmRestarts`.
public final class CosineAnnealingWarmRestarts: LRScheduler {
  private let t0: Int
  private let tMult: Int
  private let etaMin: Double
  /// The epochs since the last restart, and those from it to the next.
  private var (current, period): (Double, Double)

  /// As torch's constructor.
  public init(
    _ optimizer: any Optimizer, t0: Int, tMult: Int = 1, etaMin: Double = 0, file: StaticString = #fileID, line: UInt = #line
  ) {
    let name = "CosineAnnealingWarmRestarts"
    Schedule.require(t0 > 0, "Expected positive integer t0, but got \(t0)", name, file, line)
    Schedule.require(tMult >= 1, "Expected integer tMult >= 1, but got \(tMult)", name, file, line)
    self.t0 = Swift.max(t0, 1)
    self.tMult = Swift.max(tMult, 1)
    self.etaMin = etaMin
    (current, period) = (0, Double(self.t0))
    super.init(optimizer)
  }

  public override func nextRates(_ rates: Rates, baseLr: Double) -> Rates {
    rates.with(lr: etaMin + (baseLr - etaMin) * (1 + cos(Double.pi * current / period)) / 2)
  }

  /// Sets the rates of any epoch, or of a part of one: `schedule.step(epoch: Double(epoch) + Double(batch) / Double(loader.count))`
  /// after every batch.
  public func step(epoch: Double, file: StaticString = #fileID, line: UInt = #line) {
    let problem = "Expected non-negative epoch, but got \(epoch)"
    Schedule.require(epoch >= 0 && epoch.isFinite, problem, "\(type(of: self)).step", file, line)
    if Context.current.isFailed { return }
    go(to: epoch)
    setRates { nextRates($1, ofGroup: $0) }
  }

  private func go(to epoch: Double) {
    let (first, factor) = (Double(t0), Double(tMult))
    lastEpoch = Int(epoch.rounded(.down))
    if epoch < first {
      (current, period) = (epoch, first)
    } else if tMult == 1 {
      current = epoch.truncatingRemainder(dividingBy: first)
    } else {
      let restarts = (log(epoch / first * (factor - 1) + 1) / log(factor)).rounded(.towardZero)
      current = epoch - first * (pow(factor, restarts) - 1) / (factor - 1)
      period = first * pow(factor, restarts)
    }
  }

  override func begin() {
    go(to: 0)
    super.begin()
  }

  override func advance(_ file: StaticString, _ line: UInt) {
    current += 1
    if current >= period {
      current = current.truncatingRemainder(dividingBy: period)
      period *= Double(tMult)
    }
    super.advance(file, line)
  }

  public override func stateDict() -> [String: [Double]] {
    super.stateDict().merging(["T_cur": [current], "T_i": [period]]) { $1 }
  }

  public override func loadStateDict(_ state: [String: [Double]]) {
    super.loadStateDict(state)
    if let saved = state["T_cur"]?.first { current = saved }
    if let saved = state["T_i"]?.first { period = saved }
  }
}
