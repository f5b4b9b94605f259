import Foundation
import TestSupport
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
  private func run(
    _ arguments: [String], folder: String, cache: String = "", withErrors: Bool = false
  ) throws -> (text: String, code: Int32) {
    let process = Tool.process(arguments)
    process.environment = ProcessInfo.processInfo.environment.merging(
      ["FLAMBEAU_CUDA_PATH": folder, "FLAMBEAU_CUDA_CACHE": cache]) { $1 }
    let pipe = Pipe()
    process.standardOutput = pipe
    if withErrors { process.standardError = pipe }
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

  /// Calls `body` with a folder of a driver and a compiler of emulated GPUs in the place of NVIDIA's.
  private func withEmulatedGPU(_ body: (String) throws -> Void) throws {
    try withFolder { folder in
      let build = Process()
      build.executableURL = Python.root.appendingPathComponent("Tests/Emulation/build")
      build.arguments = [folder]
      build.standardError = FileHandle.nullDevice
      try build.run()
      build.waitUntilExit()
      if build.terminationStatus == 3 { return print("skipped: an emulated GPU for the tool: clang++ is not in PATH") }
      #expect(build.terminationStatus == 0)
      try body(folder)
    }
  }

  /// The whole way of a tensor, in a program of its own. Kernels are compiled one by one, which is what takes long.
  @Test func aGPUIsUsedWhereTheVariableSays() throws {
    try withEmulatedGPU { folder in
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

  private struct Step: Decodable {
    let loss: Double?
  }

  private func losses(_ run: String) throws -> [Double] {
    try String(contentsOfFile: run + "/metrics.jsonl", encoding: .utf8).split(separator: "\n").compactMap {
      try JSONDecoder().decode(Step.self, from: Data($0.utf8)).loss
    }
  }

  @Test func commandsComputeOnAGPU() throws {
    try withEmulatedGPU { folder in
      func flambeau(_ arguments: [String], on device: String?, fails: Bool = false) throws -> String {
        let all = arguments + (device.map { ["--device", $0] } ?? [])
        let (text, code) = try run(all, folder: folder, cache: folder + "/kernels", withErrors: true)
        #expect((code != 0) == fails, "\(all): \(text)")
        return text
      }
      let file = folder + "/text.txt"
      try String(repeating: "abcdéfgh\n", count: 60).write(toFile: file, atomically: true, encoding: .utf8)
      let small = ["--block", "8", "--batch-size", "2", "--steps", "4", "--eval-every", "2"]
      let text = ["train", "text", "--file", file, "--layers", "1", "--heads", "2", "--width", "16"]
      let (here, there) = (folder + "/here", folder + "/there")
      _ = try flambeau(text + small + ["--out", here], on: nil)
      let said = try flambeau(text + small + ["--out", there, "--tensorboard"], on: "cuda")
      #expect(said.contains("parameters, cuda:0"))
      let (mine, expected) = (try losses(there), try losses(here))
      #expect(mine.count == 4 && zip(mine, expected).allSatisfy { abs($0 - $1) < 1e-5 }, "\(mine) \(expected)")

      let model = try Data(contentsOf: URL(fileURLWithPath: there + "/model.safetensors"))
      try FileManager.default.removeItem(atPath: there + "/checkpoints/step-00000004.pt")
      let resumed = try flambeau(["train", "text", "--resume", there], on: nil)
      #expect(resumed.contains("going on after") && resumed.contains("parameters, cuda:0"))
      #expect(try Data(contentsOf: URL(fileURLWithPath: there + "/model.safetensors")) == model)

      let tuned = folder + "/tuned"
      _ = try flambeau(
        ["finetune", there, "--file", file, "--lora", "2", "--amp", "float16", "--out", tuned] + small, on: "cuda:0")
      let generate = ["generate", tuned, "--prompt", "ab", "--count", "12", "--temperature", "0"]
      #expect(try flambeau(generate, on: "cuda") == flambeau(generate, on: "cpu"))

      let digits = folder + "/digits"
      _ = try flambeau(["train", "digits", "--epochs", "1", "--out", digits], on: nil)
      let predict = ["predict", digits, "--count", "1"]
      #expect(try flambeau(predict, on: "cuda") == flambeau(predict, on: nil))

      let large = try flambeau(
        text + ["--width", "256", "--block", "8", "--batch-size", "200000", "--out", folder + "/large"], on: "cuda", fails: true)
      #expect(large.contains("Error: embedding: cuda:0 is out of memory: 1.53 GiB asked of 1.00 GiB"), "\(large)")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/large/checkpoints").isEmpty)
      #expect(try flambeau(generate, on: "cuda:7", fails: true).contains("there is no cuda:7: this machine has 1 GPU"))
      #expect(try flambeau(generate, on: "gpu", fails: true).contains("The value 'gpu' is invalid for '--device <DEVICE>'"))
    }
  }
}
