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
    Schedule.requireParts(schedulers, of: optimizer, name, file, line)
    Schedule.require(
      !schedulers.contains { $0 is ChainedScheduler },
      "does not support `ChainedScheduler`, which cannot begin anew: chain the SequentialLR instead", name, file, line)
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

  public override func stateDict() -> [String: [Double]] { super.stateDict().merging(schedulers.stateDict()) { $1 } }

  public override func loadStateDict(_ state: [String: [Double]]) {
    super.loadStateDict(state)
    schedulers.loadStateDict(state)
  }
}
