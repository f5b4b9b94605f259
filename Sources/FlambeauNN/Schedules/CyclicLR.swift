import Flambeau

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// From `baseLr` up to `maxLr` and back, again and again, with the momentum going the other way (Smith, 2015); one
/// ``LRScheduler/step()`` a batch. Torch's `CyclicLR`.
public final class CyclicLR: LRScheduler {
  /// How far a cycle rises.
  public enum Mode {
    /// All alike.
    case triangular
    /// Each half as far as the one before.
    case triangular2
    /// By `gamma` to the power of the steps taken.
    case expRange(gamma: Double)
    /// By a function of the cycle, which counts from 1. Torch's `scale_fn`.
    case scaledByCycle((Int) -> Double)
    /// By a function of the steps taken. Torch's `scale_fn` with `scale_mode="iterations"`.
    case scaledByIteration((Int) -> Double)
  }

  private let maxLrs: [Double]
  private let cycle: Double
  private let rise: Double
  private let mode: Mode
  private let momentum: (base: Double, max: Double)?

  /// With rates of their own for the parameter groups; an error unless there are as many.
  ///
  /// - Parameters:
  ///   - stepSizeUp: The steps in which the learning rate rises.
  ///   - stepSizeDown: Those in which it falls; nil for as many.
  ///   - cycleMomentum: Lead SGD's momentum or Adam's first beta from `maxMomentum` to `baseMomentum` and back.
  public init(
    _ optimizer: any Optimizer, baseLr: [Double], maxLr: [Double], stepSizeUp: Int = 2000, stepSizeDown: Int? = nil,
    mode: Mode = .triangular, cycleMomentum: Bool = true, baseMomentum: Double = 0.8, maxMomentum: Double = 0.9,
    file: StaticString = #fileID, line: UInt = #line
  ) {
    let (name, groups) = ("CyclicLR", optimizer.rates.count)
    for (label, rates) in [("baseLr", baseLr), ("maxLr", maxLr)] {
      let problem = "\(label) has \(rates.count) values, but the optimizer has \(groups) parameter groups"
      Schedule.require(rates.count == groups, problem, name, file, line)
    }
    let down = stepSizeDown ?? stepSizeUp
    Schedule.require(
      stepSizeUp > 0 && down >= 0, "stepSizeUp must be positive and stepSizeDown not negative, but got \(stepSizeUp) and \(down)",
      name, file, line)
    Schedule.require(
      !cycleMomentum || optimizer.rates.allSatisfy { $0.momentum != nil },
      "optimizer must support momentum or beta1 with `cycleMomentum` option enabled", name, file, line)
    maxLrs = maxLr
    cycle = Double(stepSizeUp) + Double(down)
    rise = Double(stepSizeUp) / cycle
    self.mode = mode
    momentum = cycleMomentum ? (baseMomentum, maxMomentum) : nil
    if baseLr.count == groups { for (i, lr) in baseLr.enumerated() { optimizer.rates[i].lr = lr } }
    super.init(optimizer)
    baseLrs = baseLr
  }

  /// With the same rates for all parameter groups.
  public convenience init(
    _ optimizer: any Optimizer, baseLr: Double, maxLr: Double, stepSizeUp: Int = 2000, stepSizeDown: Int? = nil,
    mode: Mode = .triangular, cycleMomentum: Bool = true, baseMomentum: Double = 0.8, maxMomentum: Double = 0.9,
    file: StaticString = #fileID, line: UInt = #line
  ) {
    func each(_ lr: Double) -> [Double] { optimizer.rates.map { _ in lr } }
    self.init(
      optimizer, baseLr: each(baseLr), maxLr: each(maxLr), stepSizeUp: stepSizeUp, stepSizeDown: stepSizeDown, mode: mode,
      cycleMomentum: cycleMomentum, baseMomentum: baseMomentum, maxMomentum: maxMomentum, file: file, line: line)
  }

  override func nextRates(_ rates: Rates, ofGroup group: Int) -> Rates {
    let cycles = Double(lastEpoch) / cycle
    let number = (1 + cycles).rounded(.down)
    let part = 1 + cycles - number
    let height = part <= rise ? part / rise : (part - 1) / (rise - 1)
    let scale =
      switch mode {
      case .triangular: 1.0
      case .triangular2: 1 / pow(2, number - 1)
      case .expRange(let gamma): pow(gamma, Double(lastEpoch))
      case .scaledByCycle(let function): function(Int(number))
      case .scaledByIteration(let function): function(lastEpoch)
      }
    let baseLr = baseLrs[group]
    var result = rates.with(lr: baseLr + (maxLrs[group] - baseLr) * height * scale)
    if let momentum { result.momentum = momentum.max - (momentum.max - momentum.base) * height * scale }
    return result
  }

  override func restartRates(_ rates: Rates, ofGroup group: Int) -> Rates { nextRates(rates, ofGroup: group) }
}
