import Foundation
import Testing

/// The built command-line tool.
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

  /// What `flambeau` prints with `arguments`, and its exit code.
  static func run(_ arguments: String...) throws -> (text: String, code: Int32) {
    let process = process(arguments)
    return (try process.text(), process.terminationStatus)
  }
}
