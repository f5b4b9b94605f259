/// Finds workloads that have become slower beside a reference loop in the same process.
struct Check {
  /// What may be lost: other work on the machine costs a few per cent, a mistake mostly more.
  static let allowance = 0.2
  /// How often in a row a workload must be too slow.
  static let attempts = 3

  /// The share of its reference that a workload reaches; nil where it has none.
  let measure: (Workload) throws -> Double?

  struct Outcome {
    let line: String
    /// What is wrong; nil if nothing is.
    let slip: String?
  }

  struct Failure: Error, CustomStringConvertible {
    let slips: [String]
    var description: String { slips.joined(separator: "\n") }
  }

  func run(_ workload: Workload, against threshold: Double) throws -> Outcome {
    let least = threshold * (1 - Check.allowance)
    var seen: [Double] = []
    while seen.count < Check.attempts {
      guard let share = try measure(workload) else {
        let text = "\(workload.name) has a threshold, but nothing is known that it could be held against"
        return Outcome(line: text, slip: text)
      }
      seen.append(share)
      if share >= least {
        return Outcome(line: "\(workload.name.padded(to: 34))\(share.rounded(to: 3)) of \(threshold)", slip: nil)
      }
    }
    let shares = seen.map { $0.rounded(to: 3) }.joined(separator: ", ")
    return Outcome(
      line: "\(workload.name.padded(to: 34))\(shares) of \(threshold): too slow",
      slip: "\(workload.name) has become slower: it ran at \(shares) of its reference loop's speed, \(Check.attempts) times in a "
        + "row more than \(Int(Check.allowance * 100)) % below the \(threshold) it is known to reach")
  }

  /// The median share of several measurements, to be a threshold.
  func typical(of workload: Workload) throws -> Double? {
    var shares: [Double] = []
    for _ in 0..<Check.attempts {
      guard let share = try measure(workload) else { return nil }
      shares.append(share)
    }
    return shares.sorted()[shares.count / 2]
  }
}
