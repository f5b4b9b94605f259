import Flambeau
import Foundation
import Testing

/// A Python: FLAMBEAU_PYTHON, or the package's .venv.
enum Python {
  static let path: String? = {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let candidates: [String?] = [
      ProcessInfo.processInfo.environment["FLAMBEAU_PYTHON"], root.appendingPathComponent(".venv/bin/python").path,
    ]
    return candidates.compactMap { $0 }.first { FileManager.default.isExecutableFile(atPath: $0) }
  }()

  static let hasTorch = has("torch", for: "averages and checkpoints")
  static let hasSklearn = has("sklearn", for: "metrics")
  static let hasTensorBoard = has("tensorboard", for: "event files")

  private static func has(_ module: String, for what: String) -> Bool {
    let found =
      path != nil
      && (try? run("import importlib.util as u; print(u.find_spec('\(module)') is not None)", [])) == "True\n"
    if !found { print("skipped: \(what) beside \(module), which FLAMBEAU_PYTHON has not") }
    return found
  }

  /// What `script` prints; its arguments are `sys.argv[1:]`.
  static func run(_ script: String, _ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path!)
    process.arguments = ["-c", script] + arguments
    let (output, complaint) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = complaint
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    let errors = String(decoding: complaint.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "\(errors)")
    return text
  }

  /// What `script` prints as JSON, given `input` as JSON in `data`.
  static func ask<Answer: Decodable>(_ script: String, _ input: [String: Any] = [:]) throws -> Answer {
    let text = String(decoding: try JSONSerialization.data(withJSONObject: input), as: UTF8.self)
    let output = try run("import json, sys\ndata = json.loads(sys.argv[1])\n" + script, [text])
    return try JSONDecoder().decode(Answer.self, from: Data(output.utf8))
  }
}

extension Tensor {
  var bytes: [UInt8] { contiguous().withUnsafeBytes { Array($0) } }
  var doubles: [Double] { array(of: Double.self) }
}
