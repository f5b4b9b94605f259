import Flambeau

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

// Each computes a rate from the one before, operation by operation as torch does, so the values are torch's to the bit.

/// Multiplies the learning rate by `gamma` every `stepSize` epochs. Torch's `StepLR`.
public final class StepLR: LRScheduler {
  private let stepSize: Int
  private let gamma: Double

  /// As torch's constructor.
  public init(
    _ optimizer: any Optimizer, stepSize: Int, gamma: Double = 0.1, file: StaticString = #fileID, line: UInt = #line
  ) {
    Schedule.require(stepSize > 0, "stepSize must be positive, but got \(stepSize)", "StepLR", file, line)
    self.stepSize = Swift.max(stepSize, 1)
    self.gamma = gamma
    super.init(optimizer)
  }

  public override func nextRates(_ rates: Rates, baseLr: Double) -> Rates {
    lastEpoch == 0 || lastEpoch % stepSize != 0 ? rates : rates.with(lr: rates.lr * gamma)
  }
}

/// Multiplies the learning rate by `gamma` at each milestone; at one that is given twice, twice. Torch's `MultiStepLR`.
public final class MultiStepLR: LRScheduler {
  private let milestones: [Int]
  private let gamma: Double

  /// As torch's constructor.
  public init(_ optimizer: any Optimizer, milestones: [Int], gamma: Double = 0.1) {
    self.milestones = milestones
    self.gamma = gamma
    super.init(optimizer)
  }

  private func factor(_ isDue: (Int) -> Bool) -> Double { pow(gamma, Double(milestones.count(where: isDue))) }

  public override func nextRates(_ rates: Rates, baseLr: Double) -> Rates {
    rates.with(lr: rates.lr * factor { $0 == lastEpoch })
  }

  public override func restartRates(_ rates: Rates, baseLr: Double) -> Rates {
    rates.with(lr: baseLr * factor { $0 <= 0 })
  }
}

/// Multiplies the learning rate by `gamma` every epoch. Torch's `ExponentialLR`.
public final class ExponentialLR: LRScheduler {
  private let gamma: Double

  /// As torch's constructor.
  public init(_ optimizer: any Optimizer, gamma: Double) {
    self.gamma = gamma
    super.init(optimizer)
  }

  public override func nextRates(_ rates: Rates, baseLr: Double) -> Rates {
    lastEpoch == 0 ? rates : rates.with(lr: rates.lr * gamma)
  }
}

/// Leads the learning rate to 0 in `totalIters` epochs, by a power of the epochs that are left. Torch's `PolynomialLR`.
public final class PolynomialLR: LRScheduler {
  private let totalIters: Int
  private let power: Double

  /// As torch's constructor.
  public init(_ optimizer: any Optimizer, totalIters: Int = 5, power: Double = 1) {
    self.totalIters = totalIters
    self.power = power
    super.init(optimizer)
  }

  public override func nextRates(_ rates: Rates, baseLr: Double) -> Rates {
    if lastEpoch == 0 || lastEpoch > totalIters { return rates }
    let (epoch, total) = (Double(lastEpoch), Double(totalIters))
    return rates.with(lr: rates.lr * pow((1 - epoch / total) / (1 - (epoch - 1) / total), power))
  }
}

/// Multiplies the learning rate by `factor` for the first `totalIters` epochs. Torch's `ConstantLR`.
public final class ConstantLR: LRScheduler {
  private let factor: Double
  private let totalIters: Int

  /// As torch's constructor.
  public init(
    _ optimizer: any Optimizer, factor: Double = 1.0 / 3, totalIters: Int = 5, file: StaticString = #fileID,
    line: UInt = #line
  ) {
    Schedule.require(
      factor >= 0 && factor <= 1, "Constant multiplicative factor expected to be between 0 and 1.", "ConstantLR", file, line)
    self.factor = factor
    self.totalIters = totalIters
    super.init(optimizer)
  }

  public override func nextRates(_ rates: Rates, baseLr: Double) -> Rates {
    if lastEpoch == 0 { return rates.with(lr: rates.lr * factor) }
    return lastEpoch == totalIters ? rates.with(lr: rates.lr * (1 / factor)) : rates
  }

  public override func restartRates(_ rates: Rates, baseLr: Double) -> Rates {
    rates.with(lr: baseLr * (factor + (0 >= totalIters ? 1 : 0) * (1 - factor)))
  }
}

/// Leads the learning rate's factor from `startFactor` to `endFactor` in `totalIters` equal steps: a warm-up. Torch's `LinearLR`.
public final class LinearLR: LRScheduler {
  private let startFactor: Double
  private let endFactor: Double
  private let totalIters: Int

  /// As torch's constructor.
  public init(
    _ optimizer: any Optimizer, startFactor: Double = 1.0 / 3, endFactor: Double = 1, totalIters: Int = 5,
    file: StaticString = #fileID, line: UInt = #line
  ) {
    Schedule.require(
      startFactor > 0 && startFactor <= 1,
      "Starting multiplicative factor expected to be greater than 0 and less or equal to 1.", "LinearLR", file, line)
    Schedule.require(
      endFactor >= 0 && endFactor <= 1, "Ending multiplicative factor expected to be between 0 and 1.", "LinearLR", file, line)
    self.startFactor = startFactor
    self.endFactor = endFactor
    self.totalIters = totalIters
    super.init(optimizer)
  }

  public override func nextRates(_ rates: Rates, baseLr: Double) -> Rates {
    if lastEpoch == 0 { return rates.with(lr: rates.lr * startFactor) }
    if lastEpoch > totalIters { return rates }
    let before = Double(totalIters) * startFactor + Double(lastEpoch - 1) * (endFactor - startFactor)
    return rates.with(lr: rates.lr * (1 + (endFactor - startFactor) / before))
  }
}

/// Half a cosine from the base learning rate down to `etaMin` in `tMax` epochs (Loshchilov and Hutter, 2016), and back up.
/// Torch's `CosineAnnealingLR`.
public final class CosineAnnealingLR: LRScheduler {
  private let tMax: Int
  private let etaMin: Double

  /// As torch's constructor.
  public init(
    _ optimizer: any Optimizer, tMax: Int, etaMin: Double = 0, file: StaticString = #fileID, line: UInt = #line
  ) {
    Schedule.require(tMax > 0, "tMax must be positive, but got \(tMax)", "CosineAnnealingLR", file, line)
    self.tMax = Swift.max(tMax, 1)
    self.etaMin = etaMin
    super.init(optimizer)
  }

  public override func nextRates(_ rates: Rates, baseLr: Double) -> Rates {
    if lastEpoch == 0 { return rates }
    let (epoch, period) = (Double(lastEpoch), Double(tMax))
    // A remainder of 0 also for negative numbers, as Python's.
    if (lastEpoch - 1 - tMax) % (2 * tMax) == 0 {
      return rates.with(lr: rates.lr + (baseLr - etaMin) * (1 - cos(Double.pi / period)) / 2)
    }
    let ratio = (1 + cos(Double.pi * epoch / period)) / (1 + cos(Double.pi * (epoch - 1) / period))
    return rates.with(lr: ratio * (rates.lr - etaMin) + etaMin)
  }

  public override func restartRates(_ rates: Rates, baseLr: Double) -> Rates {
    rates.with(lr: etaMin + (baseLr - etaMin) * 2 / 2)
  }
}

enum Schedule {
  static func require(
    _ condition: Bool, _ problem: String, _ operation: String, _ file: StaticString, _ line: UInt
  ) {
    if !condition && !Context.current.isFailed {
      Door.fail(TensorError(.argument, problem), in: operation, file: file, line: line)
    }
  }
}

extension Rates {
  func with(lr: Double) -> Rates {
    var rates = self
    rates.lr = lr
    return rates
  }
}
