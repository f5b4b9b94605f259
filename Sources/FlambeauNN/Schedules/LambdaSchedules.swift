import Flambeau

/// The base learning rate times a function of the epoch. Torch's `LambdaLR`.
public final class LambdaLR: LRScheduler {
  private let factors: GroupFactors

  /// As torch's constructor.
  public init(_ optimizer: any Optimizer, _ factor: @escaping (Int) -> Double) {
    factors = .shared(factor)
    super.init(optimizer)
  }

  /// With a function for each parameter group; an error unless there are as many.
  public init(
    _ optimizer: any Optimizer, _ factors: [(Int) -> Double], file: StaticString = #fileID, line: UInt = #line
  ) {
    self.factors = GroupFactors(factors, of: optimizer, "LambdaLR", file, line)
    super.init(optimizer)
  }

  override func nextRates(_ rates: Rates, ofGroup group: Int) -> Rates {
    rates.with(lr: baseLrs[group] * factors[group, lastEpoch])
  }

  override func restartRates(_ rates: Rates, ofGroup group: Int) -> Rates { nextRates(rates, ofGroup: group) }
}

/// Multiplies the learning rate by a function of the epoch, every epoch. Torch's `MultiplicativeLR`.
public final class MultiplicativeLR: LRScheduler {
  private let factors: GroupFactors

  /// As torch's constructor.
  public init(_ optimizer: any Optimizer, _ factor: @escaping (Int) -> Double) {
    factors = .shared(factor)
    super.init(optimizer)
  }

  /// With a function for each parameter group; an error unless there are as many.
  public init(
    _ optimizer: any Optimizer, _ factors: [(Int) -> Double], file: StaticString = #fileID, line: UInt = #line
  ) {
    self.factors = GroupFactors(factors, of: optimizer, "MultiplicativeLR", file, line)
    super.init(optimizer)
  }

  override func nextRates(_ rates: Rates, ofGroup group: Int) -> Rates {
    lastEpoch == 0 ? rates : restartRates(rates, ofGroup: group)
  }

  /// Torch counts from the rate that it finds, not from the base rate.
  override func restartRates(_ rates: Rates, ofGroup group: Int) -> Rates {
    rates.with(lr: rates.lr * factors[group, lastEpoch])
  }
}

/// A factor as a function of the epoch: one for all parameter groups, or one each.
private enum GroupFactors {
  case shared((Int) -> Double)
  case each([(Int) -> Double])

  init(
    _ factors: [(Int) -> Double], of optimizer: any Optimizer, _ operation: String, _ file: StaticString, _ line: UInt
  ) {
    let groups = optimizer.rates.count
    Schedule.require(factors.count == groups, "Expected \(groups) lr_lambdas, but got \(factors.count)", operation, file, line)
    self = factors.count == groups ? .each(factors) : .shared { _ in 1 }
  }

  subscript(group: Int, epoch: Int) -> Double {
    switch self {
    case .shared(let factor): factor(epoch)
    case .each(let factors): factors[group](epoch)
    }
  }
}
