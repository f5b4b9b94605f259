import Flambeau

/// One schedule after the other: the next takes over at each milestone, from the base learning rate. Torch's `SequentialLR`.
public final class SequentialLR: LRScheduler {
  private let schedulers: [LRScheduler]
  private let milestones: [Int]

  /// - Parameters:
  ///   - schedulers: Schedules made for `optimizer`.
  ///   - milestones: The epochs at which the second, third, … begins, rising; one fewer than there are schedules.
  public init(
    _ optimizer: any Optimizer, _ schedulers: [LRScheduler], milestones: [Int], file: StaticString = #fileID,
    line: UInt = #line
  ) {
    let name = "SequentialLR"
    Schedule.require(!schedulers.isEmpty, "expects at least one scheduler, but got no scheduler.", name, file, line)
    Schedule.require(
      schedulers.allSatisfy { $0.optimizer === optimizer }, "expects all schedulers to belong to the same optimizer", name,
      file, line)
    Schedule.require(
      milestones.count == schedulers.count - 1,
      "expects number of schedulers provided to be one more than the number of milestone points, but got number of "
        + "schedulers \(schedulers.count) and the number of milestones to be equal to \(milestones.count)", name, file, line)
    self.schedulers = schedulers
    self.milestones = milestones
    super.init(optimizer)
  }

  private var current: LRScheduler? {
    let index = milestones.prefix { $0 <= lastEpoch }.count
    return index < schedulers.count ? schedulers[index] : nil
  }

  override func begin() {
    if Context.current.isFailed { return }
    // Making the schedules has moved the rates.
    for (i, lr) in baseLrs.enumerated() { optimizer.rates[i].lr = lr }
    lastEpoch = 0
    current?.begin()
    lastLr = current?.lastLr ?? baseLrs
  }

  override func restart() {
    lastEpoch = 0
    current?.restart()
    lastLr = current?.lastLr ?? baseLrs
  }

  override func advance(_ file: StaticString, _ line: UInt) {
    lastEpoch += 1
    if milestones.contains(lastEpoch) { current?.restart() } else { current?.advance(file, line) }
    if Context.current.isFailed {
      lastEpoch -= 1
      return
    }
    lastLr = current?.lastLr ?? baseLrs
  }

  public override func stateDict() -> [String: [Double]] {
    var state = super.stateDict()
    for (i, scheduler) in schedulers.enumerated() {
      for (key, value) in scheduler.stateDict() { state["_schedulers.\(i).\(key)"] = value }
    }
    return state
  }

  public override func loadStateDict(_ state: [String: [Double]]) {
    super.loadStateDict(state)
    for (i, scheduler) in schedulers.enumerated() {
      let prefix = "_schedulers.\(i)."
      let own = state.filter { $0.key.hasPrefix(prefix) }.map { (String($0.key.dropFirst(prefix.count)), $0.value) }
      scheduler.loadStateDict(Dictionary(uniqueKeysWithValues: own))
    }
  }
}
