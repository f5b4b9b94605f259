import TestSupport
import Flambeau
import FlambeauFormats
import Foundation

/// A Python with torch, torchvision and Pillow: FLAMBEAU_PYTHON, or the package's .venv.
enum Vision {
  static let python: String? = {
    let candidates: [String?] = [
      ProcessInfo.processInfo.environment["FLAMBEAU_PYTHON"], repository.appendingPathComponent(".venv/bin/python").path,
    ]
    return candidates.compactMap { $0 }.first { FileManager.default.isExecutableFile(atPath: $0) }
  }()

  /// `python3 vision.py` writes nothing without a task; what matters is that everything it needs is there.
  static let isThere: Bool = {
    let found =
      python != nil
      && (try? run(["-c", "import numpy, PIL, safetensors, torch, importlib.util as u; assert u.find_spec('torchvision')"]))
        != nil
    if !found { print("skipped beside torchvision: FLAMBEAU_PYTHON has no torch, torchvision, Pillow and safetensors") }
    return found
  }()

  /// Calls `body` with the folder where vision.py did `task`, and what it computed.
  static func with<R>(_ task: String, _ body: (String, [String: Tensor]) throws -> R) throws -> R {
    try withFolder { folder in
      try run([repository.appendingPathComponent("Tests/Judge/vision.py").path, task, folder])
      return try body(folder, Safetensors.load(folder + "/results.safetensors"))
    }
  }

  private static func run(_ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: python!)
    process.arguments = arguments
    let pipe = Pipe()
    process.standardError = pipe
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    let complaint = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Complaint(text: String(decoding: complaint, as: UTF8.self)) }
  }

  struct Complaint: Error { let text: String }
}
