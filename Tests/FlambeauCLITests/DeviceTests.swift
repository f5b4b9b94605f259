import Foundation
import Testing

@Suite(.enabled(if: Tool.path != nil, "the flambeau tool is not built")) struct DeviceTests {
  private struct Row: Decodable {
    let device: String
    let threads: Int?
    let name: String?
    let memory: Int?
    let reason: String?
  }

  /// What the tool prints where `folder` is looked into first for the driver, and its exit code.
  private func run(_ arguments: [String], folder: String) throws -> (text: String, code: Int32) {
    let process = Tool.process(arguments)
    process.environment = ProcessInfo.processInfo.environment.merging(
      ["FLAMBEAU_CUDA_PATH": folder, "FLAMBEAU_CUDA_CACHE": ""]) { $1 }
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let text = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (String(decoding: text, as: UTF8.self), process.terminationStatus)
  }

  private func rows(folder: String) throws -> [Row] {
    let (text, code) = try run(["devices", "--json"], folder: folder)
    #expect(code == 0)
    return try text.split(separator: "\n").map { try JSONDecoder().decode(Row.self, from: Data($0.utf8)) }
  }

  @Test func theProcessorIsThereAndGPUsOrTheReasonWhyNot() throws {
    let rows = try rows(folder: "/nowhere")
    #expect(rows[0].device == "cpu" && rows[0].threads ?? 0 > 0)
    #expect(rows.count > 1)
    for row in rows.dropFirst() {
      if row.device == "cuda" { #expect(row.reason?.isEmpty == false) } else { #expect(row.memory ?? 0 > 1 << 30) }
    }
    let (text, code) = try Tool.run(["devices"])
    #expect(code == 0 && text.hasPrefix("cpu  ") && (text.contains("no GPU: ") || text.contains("cuda:0")))
  }

  /// A driver and a compiler of emulated GPUs in the place of NVIDIA's: the whole way of a tensor, in a program of its own. Kernels are
  /// compiled one by one, which is what takes long.
  @Test func aGPUIsUsedWhereTheVariableSays() throws {
    try withFolder { folder in
      let build = Process()
      build.executableURL = Python.root.appendingPathComponent("Tests/Emulation/build")
      build.arguments = [folder]
      build.standardError = FileHandle.nullDevice
      try build.run()
      build.waitUntilExit()
      if build.terminationStatus == 3 { return print("skipped: an emulated GPU for the tool: clang++ is not in PATH") }
      #expect(build.terminationStatus == 0)
      let rows = try rows(folder: folder)
      #expect(rows.map(\.device) == ["cpu", "cuda:0"])
      #expect(rows[1].name == "Emulated GPU" && rows[1].memory == 1 << 30)
      let (text, code) = try run(["check-gpu", "--brief", "--only", "memory,graphs,pinned,files"], folder: folder)
      #expect(code == 0, "\(text)")
      for name in ["memory      ", "graphs      ", "pinned      ", "files       "] {
        #expect(text.contains(name + "holds"), "\(text)")
      }
      let (wrong, failure) = try run(["check-gpu", "--only", "speed"], folder: folder)
      #expect(failure != 0 && wrong.isEmpty)
    }
  }
}
