#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Shows how a round goes: a bar that is redrawn on a terminal, a line at its end elsewhere. Nothing when quiet.
struct Progress {
  private let isTerminal: Bool
  private let isQuiet: Bool
  private let clock = ContinuousClock()
  private var drawn: ContinuousClock.Instant?

  init(isQuiet: Bool) {
    self.isQuiet = isQuiet
    isTerminal = isatty(STDOUT_FILENO) == 1
  }

  /// `done` of `total` batches; at most ten times a second.
  mutating func show(
    title: String, done: Int, total: Int, loss: Double, accuracy: Double, rate: Double, unit: String
  ) {
    guard isTerminal, !isQuiet else { return }
    let now = clock.now
    if let drawn, done < total, now - drawn < .milliseconds(100) { return }
    drawn = now
    let width = 24
    let filled = total > 0 ? width * done / total : width
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
    write("\r\u{1B}[K\(title) \(bar) loss \(loss.fixed(4))  accuracy \(accuracy.percent)  \(Int(rate)) \(unit)/s")
  }

  mutating func finish(_ metrics: EpochMetrics, title: String, unit: String) {
    drawn = nil
    guard !isQuiet else { return }
    write(
      (isTerminal ? "\r\u{1B}[K" : "")
        + "\(title)  loss \(metrics.trainLoss.fixed(4))  accuracy \(metrics.trainAccuracy.percent)"
        + "  test loss \(metrics.testLoss.fixed(4))  accuracy \(metrics.testAccuracy.percent)"
        + "  \(Int(metrics.samplesPerSecond)) \(unit)/s\n")
  }

  func say(_ line: String) {
    if !isQuiet { write(line + "\n") }
  }

  private func write(_ text: String) {
    print(text, terminator: "")
    fflush(nil)
  }
}

extension Double {
  /// With so many digits after the point.
  func fixed(_ digits: Int) -> String {
    guard isFinite else { return "\(self)" }
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let whole = Int((magnitude * scale).rounded())
    let (before, after) = whole.quotientAndRemainder(dividingBy: Int(scale))
    let tail = String(after)
    let point = digits > 0 ? "." + String(repeating: "0", count: digits - tail.count) + tail : ""
    return (self < 0 && whole > 0 ? "-" : "") + "\(before)\(point)"
  }

  /// A share as per cent.
  var percent: String { (self * 100).fixed(2) + " %" }
}
