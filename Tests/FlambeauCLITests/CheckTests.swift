import Flambeau
import Testing

@testable import FlambeauCLI

/// The guard against slower code must fail when something is slower, and only then.
@Suite struct CheckTests {
  private static let add = Workload("add", .gigabytes, 12e-3) {
    let (a, b) = (Tensor.ones([1_000_000]), Tensor.ones([1_000_000]))
    return { _ = a + b }
  }
  private static let addSlowed = Workload("add", .gigabytes, 12e-3) {
    let (a, b) = (Tensor.ones([1_000_000]), Tensor.ones([1_000_000]))
    return { for _ in 0..<5 { _ = a + b } }
  }

  @Test func aDeliberatelySlowedMeasurementFails() throws {
    let check = Check { try Fraction.ofReference($0) }
    let share = try #require(try check.typical(of: Self.add))
    #expect(share > 0.01 && share < 100)
    // Half of what was reached leaves room for other work on the machine; a fifth of it does not.
    #expect(try check.run(Self.add, against: share / 2).slip == nil)
    let slip = try #require(try check.run(Self.addSlowed, against: share / 2).slip)
    #expect(slip.contains("add has become slower"))
  }

  /// What `run` makes of these shares, and how many of them it looked at.
  private func outcome(of shares: [Double?], against threshold: Double) throws -> (slip: String?, looks: Int) {
    var looks = 0
    let check = Check { _ in
      defer { looks += 1 }
      return shares[looks]
    }
    return (try check.run(Self.add, against: threshold).slip, looks)
  }

  @Test func onlyThreeInARowFail() throws {
    #expect(try outcome(of: [0.5], against: 0.6) == (nil, 1))
    #expect(try outcome(of: [0.47, 0.47, 0.49], against: 0.6) == (nil, 3))
    let failed = try outcome(of: [0.47, 0.46, 0.45, 0.6], against: 0.6)
    #expect(failed.looks == 3)
    #expect(
      failed.slip
        == "add has become slower: it ran at 0.47, 0.46, 0.45 of its reference loop's speed, 3 times in a row more than 20 % "
        + "below the 0.6 it is known to reach")
    #expect(try outcome(of: [nil], against: 0.6).slip?.contains("nothing is known") == true)
  }

  @Test func theCommittedThresholdsNameWorkloads() throws {
    let folder = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    let thresholds = try Thresholds(file: "/\(folder)/Benchmarks/thresholds.json")
    let names = Set(Workload.all.map(\.name))
    for set in ["avx512", "avx2"] {
      let shares = thresholds.shares(for: set)
      #expect(shares.count >= 15)
      for (name, share) in shares { #expect(names.contains(name) && share > 0, "\(set) \(name)") }
    }
    #expect(throws: Thresholds.Unreadable.self) { try Thresholds(file: "/\(folder)/no-such-file") }
  }

  @Test func everyWorkloadButTimesIsHeldAgainstALimit() throws {
    for workload in Workload.all where workload.unit == .gflops || workload.unit == .gigabytes {
      #expect(workload.least(of: {}) != nil, "\(workload.name)")
    }
  }
}
