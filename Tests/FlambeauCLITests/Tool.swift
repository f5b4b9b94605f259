import Foundation
import Testing

/// The built command-line tool, run as a user runs it.
enum Tool {
  static let path: String? = {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let beside = Bundle.main.executableURL?.resolvingSymlinksInPath().deletingLastPathComponent().appendingPathComponent(
      "flambeau")
    let candidates: [String?] = [beside?.path, root.appendingPathComponent(".build/debug/flambeau").path]
    let found = candidates.compactMap { $0 }.first { FileManager.default.isExecutableFile(atPath: $0) }
    if found == nil { print("skipped: the tests of the flambeau tool, which is not built") }
    return found
  }()

  static func process(_ arguments: [String]) -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path!)
    process.arguments = arguments
    return process
  }

  /// What `flambeau` prints on both channels with `arguments`, and its exit code.
  static func run(_ arguments: [String]) throws -> (text: String, code: Int32) {
    let process = process(arguments)
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (String(decoding: output, as: UTF8.self), process.terminationStatus)
  }
}

/// A Python: FLAMBEAU_PYTHON, or the package's .venv.
enum Python {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  private static let path: String? = {
    let candidates: [String?] = [
      ProcessInfo.processInfo.environment["FLAMBEAU_PYTHON"], root.appendingPathComponent(".venv/bin/python").path,
    ]
    return candidates.compactMap { $0 }.first { FileManager.default.isExecutableFile(atPath: $0) }
  }()

  /// What `script` prints as JSON; nil, with a word about what is skipped, where it cannot be run.
  static func ask<Answer: Decodable>(_ what: String, _ script: String, _ arguments: [String]) throws -> Answer? {
    guard let path else {
      print("skipped: \(what): there is no Python; FLAMBEAU_PYTHON names one")
      return nil
    }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = ["-c", "import json, sys\n" + script] + arguments
    let (output, complaint) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = complaint
    try process.run()
    let text = output.fileHandleForReading.readDataToEndOfFile()
    let errors = String(decoding: complaint.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    if errors.contains("ModuleNotFoundError") {
      print("skipped: \(what): \(errors.split(separator: "\n").last ?? "")")
      return nil
    }
    try #require(process.terminationStatus == 0, "\(errors)")
    return try JSONDecoder().decode(Answer.self, from: text)
  }
}
