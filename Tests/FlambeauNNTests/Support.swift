import Flambeau
import Foundation
import Testing

let packageRoot = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()

/// A Python with torch: FLAMBEAU_PYTHON, or the package's .venv.
enum Torch {
  static let python: String? = {
    let candidates: [String?] = [
      ProcessInfo.processInfo.environment["FLAMBEAU_PYTHON"], packageRoot.appendingPathComponent(".venv/bin/python").path,
    ]
    let found = candidates.compactMap { $0 }.first { FileManager.default.isExecutableFile(atPath: $0) }
    if found == nil { print("skipped beside torch: set FLAMBEAU_PYTHON to a Python that has it") }
    return found
  }()

  /// What the script of this name in Tests/Judge writes, given `input` as a file.
  static func run(_ script: String, input: Data) throws -> Data {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("flambeau-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let (inputFile, outputFile) = (folder.appendingPathComponent("input"), folder.appendingPathComponent("output"))
    try input.write(to: inputFile)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: python!)
    let path = packageRoot.appendingPathComponent("Tests/Judge/\(script)").path
    process.arguments = [path, inputFile.path, outputFile.path]
    let pipe = Pipe()
    process.standardError = pipe
    try process.run()
    let complaint = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(String(decoding: complaint, as: UTF8.self))")
    return try Data(contentsOf: outputFile)
  }
}

extension Tensor {
  var floats: [Float] { array(of: Float.self) }
  var doubles: [Double] { array(of: Double.self) }
  var bits: [UInt32] { floats.map(\.bitPattern) }

  static func random(_ shape: Shape, in range: ClosedRange<Float> = -1...1) -> Tensor {
    Tensor((0..<shape.elementCount).map { _ in Float.random(in: range) }, shape: shape)
  }
}
