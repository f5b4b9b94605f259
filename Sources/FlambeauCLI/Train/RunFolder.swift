import Flambeau
import FlambeauFormats
import FlambeauNN

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Where a run leaves what it learned: model.safetensors, metrics.jsonl and curves.svg.
final class RunFolder {
  let path: String
  private let about: [String: String]
  private let metrics: UnsafeMutablePointer<FILE>

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// Makes the folder, and begins its metrics anew. `about` goes into the model's metadata.
  init(_ path: String, about: [String: String]) throws {
    self.path = path
    self.about = about
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    guard let file = fopen("\(path)/metrics.jsonl", "w") else {
      throw Failure(description: "\(path)/metrics.jsonl cannot be written: \(String(cString: strerror(errno)))")
    }
    metrics = file
  }

  deinit { fclose(metrics) }

  func append(_ metric: Metric) throws {
    let line = try JSONLines.line(metric) + "\n"
    guard fputs(line, metrics) >= 0 else {
      throw Failure(description: "\(path)/metrics.jsonl cannot be written: \(String(cString: strerror(errno)))")
    }
    if case .epoch = metric { fflush(metrics) }
  }

  func save(_ model: Sequential) throws {
    try Safetensors.save(model.stateDict().dictionary, metadata: about, to: "\(path)/model.safetensors")
  }

  func write(curves: String) throws { try RunFolder.write(curves, to: "\(path)/curves.svg") }

  static func write(_ text: String, to path: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
  }
}

enum JSONLines {
  /// One object on one line, its keys in order.
  static func line(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }
}
