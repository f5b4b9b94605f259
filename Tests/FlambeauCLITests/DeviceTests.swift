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

  /// What the tool prints where `folder` is looked into first for the driver.
  private func rows(folder: String) throws -> [Row] {
    let process = Tool.process(["devices", "--json"])
    process.environment = ProcessInfo.processInfo.environment.merging(["FLAMBEAU_CUDA_PATH": folder]) { $1 }
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let text = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    return try String(decoding: text, as: UTF8.self).split(separator: "\n").map {
      try JSONDecoder().decode(Row.self, from: Data($0.utf8))
    }
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

  @Test func aDriverIsFoundWhereTheVariableSays() throws {
    try withFolder { folder in
      let source = Python.root.appendingPathComponent("Tests/Emulation/driver.cpp").path
      let clang = Process()
      clang.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      clang.arguments = ["clang++", "-std=c++17", "-shared", "-fPIC", source, "-o", folder + "/libcuda.so.1"]
      clang.standardError = FileHandle.nullDevice
      try clang.run()
      clang.waitUntilExit()
      if clang.terminationStatus == 127 { return print("skipped: an emulated GPU for the tool: clang++ is not in PATH") }
      #expect(clang.terminationStatus == 0)
      let rows = try rows(folder: folder)
      #expect(rows.map(\.device) == ["cpu", "cuda:0"])
      #expect(rows[1].name == "Emulated GPU" && rows[1].memory == 1 << 30)
    }
  }
}
