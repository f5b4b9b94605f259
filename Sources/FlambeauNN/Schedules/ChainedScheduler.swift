import Flambeau

/// Several schedules of one optimizer, stepped together: each works on what those before it leave. Torch's `ChainedScheduler`.
public final class ChainedScheduler: LRScheduler {
  private let schedulers: [LRScheduler]

  /// - Parameter schedulers: Schedules made for one optimizer.
  public init(_ schedulers: [LRScheduler], file: StaticString = #fileID, line: UInt = #line) {
    let optimizer = schedulers.first?.optimizer
    Schedule.requireParts(schedulers, of: optimizer, "ChainedScheduler", file, line)
    self.schedulers = schedulers
    super.init(watching: optimizer ?? SGD([]))
  }

  override func advance(_ file: StaticString, _ line: UInt) {
    for scheduler in schedulers { scheduler.advance(file, line) }
    if Context.current.isFailed { return }
    lastEpoch += 1
    lastLr = optimizer.rates.map(\.lr)
  }

  public override func stateDict() -> [String: [Double]] { super.stateDict().merging(schedulers.stateDict()) { $1 } }

  public override func loadStateDict(_ state: [String: [Double]]) {
    super.loadStateDict(state)
    schedulers.loadStateDict(state)
  }
}

extension [LRScheduler] {
  private func prefix(_ i: Int) -> String { "_schedulers.\(i)." }

  /// Those of the schedules that another consists of.
  func stateDict() -> [String: [Double]] {
    var state: [String: [Double]] = [:]
    for (i, scheduler) in enumerated() { for (key, value) in scheduler.stateDict() { state[prefix(i) + key] = value } }
    return state
  }

  func loadStateDict(_ state: [String: [Double]]) {
    for (i, scheduler) in enumerated() {
      let own = state.filter { $0.key.hasPrefix(prefix(i)) }.map { (String($0.key.dropFirst(prefix(i).count)), $0.value) }
      scheduler.loadStateDict(Dictionary(uniqueKeysWithValues: own))
    }
  }
}

extension Schedule {
  /// What another schedule consists of must be there, be stepped without a metric, and steer one optimizer.
  static func requireParts(
    _ schedulers: [LRScheduler], of optimizer: (any Optimizer)?, _ name: String, _ file: StaticString, _ line: UInt
  ) {
    require(!schedulers.isEmpty, "expects at least one scheduler, but got no scheduler.", name, file, line)
    for (i, scheduler) in schedulers.enumerated() {
      require(
        !(scheduler is ReduceLROnPlateau),
        "does not support `ReduceLROnPlateau`, whose steps need a metric, but got one at index \(i)", name, file, line)
      require(
        scheduler.optimizer === optimizer,
        "expects all schedulers to belong to the same optimizer, but that at index \(i) has another", name, file, line)
    }
  }
}
