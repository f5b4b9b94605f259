#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The shares of their reference loops that workloads are known to reach, by instruction set and name.
struct Thresholds {
  private var sets: [String: [String: Double]]

  struct Unreadable: Error, CustomStringConvertible {
    let description: String
  }

  init(_ sets: [String: [String: Double]] = [:]) { self.sets = sets }

  init(file: String) throws {
    guard let text = FileManager.default.contents(atPath: file) else {
      throw Unreadable(description: "\(file) cannot be read: --check is run in the project's folder, or with --thresholds FILE")
    }
    do {
      sets = try JSONDecoder().decode([String: [String: Double]].self, from: text)
    } catch {
      throw Unreadable(description: "\(file) is not a JSON object of instruction sets, workloads and shares")
    }
  }

  func shares(for instructionSet: String) -> [String: Double] { sets[instructionSet] ?? [:] }

  /// With two digits.
  mutating func set(_ share: Double, for workload: String, _ instructionSet: String) {
    sets[instructionSet, default: [:]][workload] = Double(share.rounded(to: 2))
  }

  func write(to file: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
    try (encoder.encode(sets) + Data("\n".utf8)).write(to: URL(fileURLWithPath: file), options: .atomic)
  }
}
