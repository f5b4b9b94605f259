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

/// Where a run leaves what it learned: run.json, metrics.jsonl, checkpoints, and at the end model.safetensors and curves.svg.
final class RunFolder {
  let path: String
  private let metrics: UnsafeMutablePointer<FILE>

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  private static let (checkpoints, events) = ("checkpoints", "tensorboard")
  var checkpoints: String { "\(path)/\(Self.checkpoints)" }
  /// TensorBoard's files.
  var events: String { "\(path)/\(Self.events)" }

  /// A folder for a new run, which forgets the metrics, checkpoints and events of an earlier one in it.
  init(_ path: String, of record: RunRecord<some RunSettings>) throws {
    self.path = path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    // First, or a resumed run could find checkpoints that are not its own.
    for old in [Self.checkpoints, Self.events] where FileManager.default.fileExists(atPath: "\(path)/\(old)") {
      try FileManager.default.removeItem(atPath: "\(path)/\(old)")
    }
    metrics = try Self.open("\(path)/metrics.jsonl", "w")
    try Self.write(try JSONLines.line(record) + "\n", to: "\(path)/run.json")
  }

  /// The folder of a run that goes on.
  init(resuming path: String) throws {
    self.path = path
    metrics = try Self.open("\(path)/metrics.jsonl", "a")
  }

  deinit { fclose(metrics) }

  private static func open(_ path: String, _ mode: String) throws -> UnsafeMutablePointer<FILE> {
    guard let file = fopen(path, mode) else {
      throw Failure(description: "\(path) cannot be written: \(String(cString: strerror(errno)))")
    }
    return file
  }

  private struct Head: Decodable { let task: String }

  /// How the run in the folder at `path` was set up.
  static func record<Settings: RunSettings>(of path: String, task: String) throws -> RunRecord<Settings> {
    let file = "\(path)/run.json"
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: file)) else {
      throw Failure(description: "\(file) cannot be read, so \(path) holds no run to resume; `flambeau train` writes it")
    }
    guard let head = try? JSONDecoder().decode(Head.self, from: data) else {
      throw Failure(description: "\(file) is not what `flambeau train` writes")
    }
    guard head.task == task else {
      throw Failure(
        description: "\(path) is a run of `train \(head.task)`: resume it with that command, not with `train \(task)`")
    }
    do { return try JSONDecoder().decode(RunRecord<Settings>.self, from: data) } catch {
      throw Failure(description: "\(file) is not what this version of `flambeau train \(task)` writes")
    }
  }

  func append(_ metric: Metric) throws {
    let line = try JSONLines.line(metric) + "\n"
    guard fputs(line, metrics) >= 0 else { throw unwritable }
    if case .epoch = metric { fflush(metrics) }
  }

  private var unwritable: Failure {
    Failure(description: "\(path)/metrics.jsonl cannot be written: \(String(cString: strerror(errno)))")
  }

  /// Hands all metrics to the system; how many bytes they are.
  func flushMetrics() throws -> Int {
    guard fflush(metrics) == 0 else { throw unwritable }
    fseek(metrics, 0, SEEK_END)
    return ftell(metrics)
  }

  /// Forgets the metrics after the first `count` bytes; the losses of the steps in those that stay.
  func rewindMetrics(to count: Int) throws -> [Double] {
    struct Line: Decodable {
      let kind: String
      let loss: Double?
    }
    guard fflush(metrics) == 0, try flushMetrics() <= count || ftruncate(fileno(metrics), count) == 0 else { throw unwritable }
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    let text = try Data(contentsOf: URL(fileURLWithPath: "\(path)/metrics.jsonl"))
    return text.split(separator: UInt8(ascii: "\n")).compactMap { line in
      guard let line = try? decoder.decode(Line.self, from: line), line.kind == "step" else { return nil }
      return line.loss
    }
  }

  func save(_ model: any Module, about: [String: String]) throws {
    try Safetensors.save(model.stateDict().dictionary, metadata: about, to: "\(path)/model.safetensors")
  }

  func write(curves: String) throws { try RunFolder.write(curves, to: "\(path)/curves.svg") }

  /// Copies a small file whole, over another if need be.
  static func copy(_ source: String, to target: String) throws {
    try Data(contentsOf: URL(fileURLWithPath: source)).write(to: URL(fileURLWithPath: target), options: .atomic)
  }

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
