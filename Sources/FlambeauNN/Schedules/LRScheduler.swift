import Flambeau

/// Changes an optimizer's learning rates from epoch to epoch, or from batch to batch. Torch's `LRScheduler`.
///
/// Making one sets the rates of epoch 0; ``step()`` moves on. Several may be attached to one optimizer, each working on
/// what the others leave. A subclass overrides ``nextRates(_:baseLr:)``.
open class LRScheduler {
  /// The optimizer whose rates it sets.
  public let optimizer: any Optimizer
  /// The number of steps taken; 0 at first.
  public internal(set) var lastEpoch: Int
  /// The learning rates of each group as this schedule last set them.
  public internal(set) var lastLr: [Double] = []
  /// The learning rates that the schedule counts from.
  public internal(set) var baseLrs: [Double]

  /// As torch's constructor.
  public init(_ optimizer: any Optimizer) {
    self.optimizer = optimizer
    lastEpoch = 0
    for (i, rates) in optimizer.rates.enumerated() where rates.initialLr == nil { optimizer.rates[i].initialLr = rates.lr }
    baseLrs = optimizer.rates.map { $0.initialLr ?? $0.lr }
    begin()
  }

  /// Attached to an optimizer whose rates stay what they are.
  init(watching optimizer: any Optimizer) {
    self.optimizer = optimizer
    lastEpoch = 0
    baseLrs = optimizer.rates.map(\.lr)
    lastLr = baseLrs
  }

  /// The rates of the epoch `lastEpoch` for a group that now has `rates`. Torch's `get_lr`.
  ///
  /// - Parameter baseLr: The learning rate the schedule counts from.
  open func nextRates(_ rates: Rates, baseLr: Double) -> Rates { rates }

  /// The rates of epoch 0 for a group that was in the hands of other schedules before.
  open func restartRates(_ rates: Rates, baseLr: Double) -> Rates {
    var rates = rates
    rates.lr = baseLr
    return nextRates(rates, baseLr: baseLr)
  }

  /// ``nextRates(_:baseLr:)`` where groups have numbers of their own.
  func nextRates(_ rates: Rates, ofGroup group: Int) -> Rates { nextRates(rates, baseLr: baseLrs[group]) }

  /// ``restartRates(_:baseLr:)`` where groups have numbers of their own.
  func restartRates(_ rates: Rates, ofGroup group: Int) -> Rates { restartRates(rates, baseLr: baseLrs[group]) }

  /// How many steps may be taken; nil, the default, for any number.
  open var totalSteps: Int? { nil }

  /// Sets the rates of the next epoch.
  public func step(file: StaticString = #fileID, line: UInt = #line) {
    if Context.current.isFailed { return }
    advance(file, line)
  }

  func advance(_ file: StaticString, _ line: UInt) {
    if let totalSteps, lastEpoch >= totalSteps {
      let problem = "Tried to step \(lastEpoch + 1) times. The specified number of total steps is \(totalSteps)"
      return Door.fail(TensorError(.argument, problem), in: "\(type(of: self)).step", file: file, line: line)
    }
    lastEpoch += 1
    setRates { nextRates($1, ofGroup: $0) }
  }

  /// Sets the rates of epoch 0 from what they are.
  func begin() {
    lastEpoch = 0
    setRates { nextRates($1, ofGroup: $0) }
  }

  /// Sets the rates of epoch 0 whatever they are.
  func restart() {
    lastEpoch = 0
    setRates { restartRates($1, ofGroup: $0) }
  }

  func setRates(_ change: (Int, Rates) -> Rates) {
    if Context.current.isFailed { return }
    optimizer.rates = zip(baseLrs.indices, optimizer.rates).map(change)
    lastLr = optimizer.rates.map(\.lr)
  }

  /// What the schedule needs to go on where another of its kind stopped; the rates themselves are the optimizer's.
  open func stateDict() -> [String: [Double]] { ["last_epoch": [Double(lastEpoch)], "_last_lr": lastLr] }

  /// Takes over what ``stateDict()`` gave.
  open func loadStateDict(_ state: [String: [Double]]) {
    lastEpoch = savedCount("last_epoch", state) ?? lastEpoch
    if let rates = state["_last_lr"] { lastLr = rates }
  }

  /// A count in a state dict; nil where it has none, with an error where that is no count.
  func savedCount(_ key: String, _ state: [String: [Double]]) -> Int? {
    guard let value = state[key]?.first else { return nil }
    let count = Int(counted: value)
    Schedule.require(
      count != nil, "'\(key)' is a number of steps, but the state dict has \(value)", "\(type(of: self)).loadStateDict", #fileID,
      #line)
    return count
  }
}
