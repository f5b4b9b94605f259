import Foundation
import Testing

@testable import Flambeau

/// A library of Tests/Emulation, compiled once.
struct EmulatedLibrary: Sendable {
  private let name: String
  private let code: Data?

  /// - Parameter name: What NVIDIA's file is called.
  init(_ source: String, as name: String) {
    self.name = name
    if EmulatedKernels.compiler == nil {
      code = nil
      return
    }
    do {
      code = try EmulatedKernels.withFolder { folder in
        let text = try String(contentsOfFile: Torch.root + "/Tests/Emulation/" + source, encoding: .utf8)
        return try Data(contentsOf: EmulatedKernels.compile(text, in: folder, "-O1", "-Wall", "-Werror", "-frtti"))
      }
    } catch {
      code = nil
      Issue.record("\(source) does not compile: \(error)")
    }
  }

  /// One with its own memory and notes: each has its own file, so that the loader makes another.
  func open() throws -> NVIDIALibrary {
    let code = try #require(code)
    return try EmulatedKernels.withFolder { folder in
      let file = folder.appendingPathComponent(name)
      try code.write(to: file)
      return try NVIDIALibrary.open(file: file.path)
    }
  }
}
