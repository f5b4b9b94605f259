import Flambeau

/// From maxLr / divFactor up to `maxLr` in the first part of the run, then down to a tiny rate, with the momentum going the
/// other way (Smith and Topin, 2017); one ``LRScheduler/step()`` a batch. Torch's `OneCycleLR`.
public final class OneCycleLR: LRScheduler {
  private struct Point {
    let lr: Double
    let momentum: Double
  }

  public override var totalSteps: Int? { steps }
  private let steps: Int
  private let annealStrategy: AnnealStrategy
  private let cyclesMomentum: Bool
  /// Where each phase ends and what it leads to, after the point of step 0.
  private let phases: [(end: Double, point: Point)]
  private let start: Point

  /// - Parameters:
  ///   - totalSteps: The steps of the whole run.
  ///   - pctStart: The part of the run in which the learning rate rises.
  ///   - cycleMomentum: Lead SGD's momentum or Adam's first beta from `maxMomentum` to `baseMomentum` and back.
  ///   - divFactor: `maxLr` over the learning rate at the start.
  ///   - finalDivFactor: The learning rate at the start over that at the end.
  ///   - threePhase: Come down to the starting rate as fast as it rose, and to the final one after that.
  public init(
    _ optimizer: any Optimizer, maxLr: Double, totalSteps: Int, pctStart: Double = 0.3, annealStrategy: AnnealStrategy = .cos,
    cycleMomentum: Bool = true, baseMomentum: Double = 0.85, maxMomentum: Double = 0.95, divFactor: Double = 25,
    finalDivFactor: Double = 1e4, threePhase: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) {
    let name = "OneCycleLR"
    Schedule.require(totalSteps > 0, "Expected positive integer totalSteps, but got \(totalSteps)", name, file, line)
    Schedule.require(
      pctStart >= 0 && pctStart <= 1, "Expected float between 0 and 1 pctStart, but got \(pctStart)", name, file, line)
    Schedule.require(
      !cycleMomentum || optimizer.rates.allSatisfy { $0.momentum != nil },
      "optimizer must support momentum or beta1 with `cycleMomentum` option enabled", name, file, line)
    steps = totalSteps
    self.annealStrategy = annealStrategy
    cyclesMomentum = cycleMomentum
    let initialLr = maxLr / divFactor
    start = Point(lr: initialLr, momentum: maxMomentum)
    let rise = (end: pctStart * Double(totalSteps) - 1, point: Point(lr: maxLr, momentum: baseMomentum))
    let fall = (end: Double(totalSteps - 1), point: Point(lr: initialLr / finalDivFactor, momentum: maxMomentum))
    let back = (end: 2 * pctStart * Double(totalSteps) - 2, point: start)
    phases = threePhase ? [rise, back, fall] : [rise, fall]
    for i in optimizer.rates.indices { optimizer.rates[i].initialLr = initialLr }
    super.init(optimizer)
  }

  public override func nextRates(_ rates: Rates, baseLr: Double) -> Rates {
    let step = Double(lastEpoch)
    var (from, begin) = (start, 0.0)
    var phase = 0
    while step > phases[phase].end && phase < phases.count - 1 {
      (from, begin) = (phases[phase].point, phases[phase].end)
      phase += 1
    }
    let (end, to) = phases[phase]
    let part = (step - begin) / (end - begin)
    var result = rates.with(lr: annealStrategy.between(from.lr, to.lr, part))
    if cyclesMomentum { result.momentum = annealStrategy.between(from.momentum, to.momentum, part) }
    return result
  }
}
