import Flambeau

/// A place along a direction, with what the loss is there and how it changes.
struct LinePoint {
  let rate: Double
  let loss: Double
  let gradient: Tensor
  /// Along the direction.
  let slope: Double

  /// Where the cubic through this point and another has its minimum, between the bounds; the middle if it has none.
  func minimum(_ other: LinePoint, between least: Double, _ most: Double) -> Double {
    let d1 = slope + other.slope - 3 * (loss - other.loss) / (rate - other.rate)
    let square = d1 * d1 - slope * other.slope
    guard square >= 0 else { return (least + most) / 2 }
    let (left, right) = rate <= other.rate ? (self, other) : (other, self)
    let d2 = square.squareRoot()
    let share = (right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2)
    return Swift.min(Swift.max(right.rate - (right.rate - left.rate) * share, least), most)
  }
}

/// The search along a direction for a place where the strong Wolfe conditions hold (Nocedal and Wright, Algorithm 3.5). Torch's
/// `_strong_wolfe`.
struct WolfeSearch {
  private static let (leastFall, mostSlope) = (1e-4, 0.9)

  let direction: Tensor
  let start: LinePoint
  /// A bracket that moves no parameter by more than this is small enough.
  let tolerance: Double
  let evaluate: (Double) -> LinePoint
  private(set) var evaluations = 0

  init(direction: Tensor, start: LinePoint, tolerance: Double, _ evaluate: @escaping (Double) -> LinePoint) {
    (self.direction, self.start, self.tolerance, self.evaluate) = (direction, start, tolerance, evaluate)
  }

  private mutating func point(at rate: Double) -> LinePoint {
    evaluations += 1
    return evaluate(rate)
  }

  private func isTooHigh(_ point: LinePoint) -> Bool {
    point.loss > start.loss + Self.leastFall * point.rate * start.slope
  }

  private func isFlat(_ point: LinePoint) -> Bool { abs(point.slope) <= -Self.mostSlope * start.slope }

  /// - Parameter most: The evaluations, at most, after that at `rate`.
  mutating func run(from rate: Double, evaluations most: Int) -> LinePoint {
    var (previous, new) = (start, point(at: rate))
    var steps = 0
    while steps < most {
      if isTooHigh(new) || (steps > 1 && new.loss >= previous.loss) { return zoom(previous, new, steps, most) }
      if isFlat(new) { return new }
      if new.slope >= 0 { return zoom(previous, new, steps, most) }
      let least = new.rate + 0.01 * (new.rate - previous.rate)
      let next = previous.minimum(new, between: least, new.rate * 10)
      (previous, new) = (new, point(at: next))
      steps += 1
    }
    return start.loss <= new.loss ? start : new
  }

  /// Makes a bracket smaller until it holds a place that will do.
  private mutating func zoom(_ first: LinePoint, _ second: LinePoint, _ taken: Int, _ most: Int) -> LinePoint {
    let reach: Double = direction.abs().max().item()
    var ends = [first, second]
    var low = first.loss <= second.loss ? 0 : 1
    var isSlow = false
    for _ in taken..<most {
      let (left, right) = (Swift.min(ends[0].rate, ends[1].rate), Swift.max(ends[0].rate, ends[1].rate))
      if (right - left) * reach < tolerance { break }
      var rate = ends[0].minimum(ends[1], between: left, right)
      // Too near to an end, and not for the first time.
      let margin = 0.1 * (right - left)
      if Swift.min(right - rate, rate - left) < margin {
        if isSlow || rate >= right || rate <= left {
          rate = abs(rate - right) < abs(rate - left) ? right - margin : left + margin
          isSlow = false
        } else {
          isSlow = true
        }
      } else {
        isSlow = false
      }
      let new = point(at: rate)
      if isTooHigh(new) || new.loss >= ends[low].loss {
        ends[1 - low] = new
        low = ends[0].loss <= ends[1].loss ? 0 : 1
      } else {
        if isFlat(new) { return new }
        if new.slope * (ends[1 - low].rate - ends[low].rate) >= 0 { ends[1 - low] = ends[low] }
        ends[low] = new
      }
    }
    return ends[low]
  }
}
