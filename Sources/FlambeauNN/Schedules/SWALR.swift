import Flambeau

/// Leads the learning rate from where it is to a constant one, at which parameters are averaged (Izmailov et al., 2018). Torch's
/// `optim.swa_utils.SWALR`.
public final class SWALR: LRScheduler {
  private let swaLr: Double
  private let annealEpochs: Int
  private let annealStrategy: AnnealStrategy

  /// - Parameters:
  ///   - swaLr: The rate that is reached after `annealEpochs` steps, and stays.
  ///   - annealEpochs: With 0 it is reached at once.
  public init(
    _ optimizer: any Optimizer, swaLr: Double, annealEpochs: Int = 10, annealStrategy: AnnealStrategy = .cos,
    file: StaticString = #fileID, line: UInt = #line
  ) {
    Schedule.require(
      annealEpochs >= 0, "annealEpochs must be equal or greater than 0, but got \(annealEpochs)", "SWALR", file, line)
    (self.swaLr, self.annealEpochs, self.annealStrategy) = (swaLr, Swift.max(annealEpochs, 0), annealStrategy)
    super.init(optimizer)
  }

  /// The share of the constant rate after `step` steps.
  private func share(_ step: Int) -> Double {
    let t = Swift.max(0, Swift.min(1, Double(step) / Double(Swift.max(1, annealEpochs))))
    return annealStrategy.share(at: t)
  }

  public override func nextRates(_ rates: Rates, baseLr: Double) -> Rates {
    let step = annealEpochs == 0 ? Swift.max(1, lastEpoch) : lastEpoch
    let (before, now) = (share(step - 1), share(step))
    // Where the way began, from what is left of it.
    let start = before == 1 ? swaLr : (rates.lr - before * swaLr) / (1 - before)
    return rates.with(lr: swaLr * now + start * (1 - now))
  }
}
