import Foundation
import TestSupport
import Testing

/// Runs that are killed again and again, beside the same runs left alone. Slow, because each is many processes: nothing less
/// shows that what is on the disk is all that a run needs.
@Suite(.enabled(if: Tool.path != nil), .serialized) struct ResumeTests {
  private static let text = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("docs/architecture.md").path

  private func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

  /// The steps of a run and their losses, which have no times in them.
  private func steps(_ folder: String) throws -> [String] {
    String(decoding: try bytes("\(folder)/metrics.jsonl"), as: UTF8.self).split(separator: "\n").map(String.init)
      .filter { $0.contains("\"kind\":\"step\"") }
  }

  private func start(_ arguments: [String]) throws -> Process {
    let process = Tool.process(arguments + ["--json", "--threads", "1"])
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    return process
  }

  /// The step of the newest checkpoint; 0 if there is none.
  private func newest(_ folder: String) -> Int {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder + "/checkpoints")) ?? []
    return names.compactMap { $0.hasPrefix("step-") ? Int($0.dropFirst(5).prefix(8)) : nil }.max() ?? 0
  }

  /// With a checkpoint after every step, most of a run's time goes into saving, so that many of the kills come in the middle of it.
  @Test(arguments: [
    (["digits", "--epochs", "3", "--seed", "5"], 9), (["digits", "--epochs", "1", "--seed", "6", "--amp", "float16"], 1),
    (
      [
        "text", "--file", text, "--layers", "2", "--heads", "2", "--width", "32", "--block", "32", "--batch-size", "4",
        "--dropout", "0.1", "--steps", "200", "--eval-every", "70", "--seed", "7",
      ], 4
    ),
  ]) func killedRunsEndAsTheOthers(arguments: [String], every: Int) throws {
    try withFolder { folder in
      let (whole, killed) = (folder + "/whole", folder + "/killed")
      let often = ["--checkpoint-every", "\(every)"]
      let alone = try Tool.run(["train"] + arguments + ["--out", whole, "--json", "--threads", "1"] + often)
      try #require(alone.code == 0, "\(alone.text)")
      let begin = ["train"] + arguments + ["--out", killed] + often
      var process = try start(begin)
      var kills = 0
      while kills < 12 {
        // Lives of some checkpoints, which end at whatever the process is doing then: starting, learning, saving.
        let goal = newest(killed) + every * Int.random(in: 0...4)
        while process.isRunning && newest(killed) < goal { usleep(1000) }
        usleep(UInt32.random(in: 0...60_000))
        guard process.isRunning else { break }
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        kills += 1
        let isBegun = FileManager.default.fileExists(atPath: killed + "/run.json")
        process = try start(isBegun ? ["train", arguments[0], "--resume", killed] + often : begin)
      }
      process.waitUntilExit()
      #expect(process.terminationReason == .exit && process.terminationStatus == 0)
      print("killed \(kills) times: train \(arguments[0]), a checkpoint every \(every) steps")
      #expect(kills > 0)
      #expect(try bytes(whole + "/model.safetensors") == bytes(killed + "/model.safetensors"))
      #expect(try steps(whole) == steps(killed))
      let left = try FileManager.default.contentsOfDirectory(atPath: killed + "/checkpoints")
      #expect(left.count <= 3 && left.allSatisfy { $0.hasSuffix(".pt") }, "\(left)")
      // Resuming what is over changes nothing.
      let again = try Tool.run(["train", arguments[0], "--resume", killed, "--json"])
      #expect(again.code == 0 && again.text.contains("\"interrupted\":false"), "\(again.text)")
      #expect(try bytes(whole + "/model.safetensors") == bytes(killed + "/model.safetensors"))
    }
  }

  @Test func anInterruptedRunSaysHowToGoOn() throws {
    try withFolder { folder in
      let process = Tool.process(["train", "digits", "--epochs", "500", "--out", folder + "/run", "--threads", "1"])
      let pipe = Pipe()
      process.standardOutput = pipe
      try process.run()
      while !FileManager.default.fileExists(atPath: folder + "/run/checkpoints/step-00000023.pt") && process.isRunning {
        usleep(5000)
      }
      process.interrupt()
      let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      #expect(process.terminationStatus == 0 && text.contains("stopped after") && text.contains("--resume \(folder)/run goes on"))
      for file in ["model.safetensors", "curves.svg", "run.json"] {
        #expect(FileManager.default.fileExists(atPath: "\(folder)/run/\(file)"), "\(file)")
      }
    }
  }

  @Test func whatCannotBeResumedIsASentence() throws {
    try withFolder { folder in
      try #require(try Tool.run(["train", "digits", "--epochs", "1", "--out", folder + "/run", "--json"]).code == 0)
      let checkpoint = try FileManager.default.contentsOfDirectory(atPath: folder + "/run/checkpoints")[0]
      for (arguments, says) in [
        (["digits", "--resume", folder + "/none"], "/none/run.json cannot be read"),
        (["mnist", "--resume", folder + "/run"], "is a run of `train digits`: resume it with that command"),
        (["digits", "--resume", folder + "/run", "--seed", "3"], "--seed cannot be given with --resume"),
        (["digits", "--resume", folder + "/run", "--epochs", "3"], "--epochs cannot be given with --resume"),
        (["text", "--resume", folder + "/run", "--steps", "3"], "--steps cannot be given with --resume"),
        (["text", "--file", folder + "/none.txt"], "none.txt cannot be read as a text"),
        (["text"], "--file is missing"), (["mnist"], "--data is missing"),
        (["text", "--file", Self.text, "--heads", "3"], "must be a multiple of the 3 heads"),
        (["text", "--file", Self.text, "--block", "4000"], "too few to hold out a tenth"),
      ] {
        let result = try Tool.run(["train"] + arguments)
        #expect(result.code != 0 && result.text.contains(says), "\(arguments): \(result.text)")
      }
      var data = try bytes(folder + "/run/checkpoints/" + checkpoint)
      data[data.count / 2] ^= 1
      try data.write(to: URL(fileURLWithPath: folder + "/run/checkpoints/" + checkpoint))
      let result = try Tool.run(["train", "digits", "--resume", folder + "/run"])
      #expect(result.code != 0 && result.text.contains("the checksum does not agree with the data"), "\(result.text)")
    }
  }
}
