import Flambeau
import Foundation
import TestSupport
import Testing

@testable import FlambeauFormats

/// `flambeau inspect` and `flambeau convert`, as a user runs them.
@Suite(.enabled(if: Tool.path != nil), .serialized) struct ToolTests {
  private static let state: StateDict = [
    "a.weight": Tensor([1, 2, 3, .nan] as [Float], shape: [2, 2]), "b.n": Tensor([4] as [Int64]),
  ]

  private struct Report: Decodable {
    struct Tensor: Decodable {
      struct Statistics: Decodable {
        let min, max, mean, std: Double?
        let notFinite: Int
      }
      let name: String
      let shape: [Int]
      let dtype: String
      let bytes: Int
      let statistics: Statistics?
    }
    let format: String
    let tensors: [Tensor]
    let metadata: [String: String]
    let parameters, bytes: Int
  }

  @Test func inspectSaysWhatIsThere() throws {
    try withFolder { folder in
      let path = try Checkpoint.save(Self.state, metadata: ["k": "two\nlines"], to: folder + "/a.safetensors")
      let plain = try Tool.run("inspect", path)
      #expect(plain.code == 0)
      let expected = """
        \(path): safetensors, 2 tensors, 5 elements, 24 B
          k = two lines
        a.weight  float32  [2, 2]  16 B
        b.n       int64    [1]      8 B

        """
      #expect(plain.text.split(separator: "\n").sorted() == expected.split(separator: "\n").sorted())
      let json = try Tool.run("inspect", path, "--json", "--stats")
      let decoder = JSONDecoder()
      let report = try decoder.decode(Report.self, from: Data(json.text.utf8))
      #expect(
        report.format == "safetensors" && report.metadata == ["k": "two\nlines"] && report.parameters == 5 && report.bytes == 24)
      let weight = try #require(report.tensors.first { $0.name == "a.weight" })
      #expect(weight.shape == [2, 2] && weight.dtype == "float32" && weight.bytes == 16)
      let statistics = try #require(weight.statistics)
      #expect(
        statistics.min == 1 && statistics.max == 3 && statistics.mean == 2 && statistics.std == 1 && statistics.notFinite == 1)
    }
  }

  @Test func convertKeepsOrChangesWhatIsAsked() throws {
    try withFolder { folder in
      let path = try Checkpoint.save(Self.state, metadata: ["k": "v"], to: folder + "/a.safetensors")
      for (output, back) in [("b.pt", "c.safetensors"), ("b.npz", "d.safetensors")] {
        for (from, to) in [(path, "\(folder)/\(output)"), ("\(folder)/\(output)", "\(folder)/\(back)")] {
          let result = try Tool.run("convert", from, to)
          #expect(result.code == 0 && result.text == "\(to): 2 tensors\n", "\(result.text)")
        }
        let found = try Checkpoint.load("\(folder)/\(back)")
        #expect(
          found["b.n"]!.isEqual(to: Self.state["b.n"]!) && found["a.weight"]!.allClose(Self.state["a.weight"]!, equalNan: true))
      }
      #expect(try Tool.run("convert", path, folder + "/h.safetensors", "--dtype", "bfloat16").code == 0)
      let half = try Checkpoint.open(folder + "/h.safetensors")
      #expect(half.metadata == ["k": "v"] && Set(half.entries.map(\.dtype)) == [.bfloat16, .int64])
      #expect(try Tool.run("convert", path, folder + "/u.npy", "--under", "a.").code == 0)
      #expect(try Npy.load(folder + "/u.npy").shape == [2, 2])
      let shards = try Tool.run("convert", path, folder + "/s.safetensors", "--shard-size", "10B")
      #expect(shards.text == "\(folder)/s.safetensors.index.json: 2 tensors\n")
      #expect(try Checkpoint.load(folder + "/s.safetensors.index.json").count == 2)
    }
  }

  @Test func errorsAreSentences() throws {
    try withFolder { folder in
      let path = try Checkpoint.save(Self.state, to: folder + "/a.safetensors")
      try write([0x80, 2] + Array("cos\nsystem\n.".utf8), to: folder + "/evil.pt")
      for (arguments, says) in [
        (["inspect", folder + "/none"], "none: cannot be opened: No such file or directory"),
        (
          ["inspect", folder + "/evil.pt"],
          "evil.pt: byte 2: names os.system, which is code, and code in a checkpoint is never run"
        ),
        (["convert", path, folder + "/a.model"], "does not say in which format to write"),
        (["convert", path, folder + "/b.pt", "--dtype", "int8"], "--dtype is int8, but it must be one of"),
        (["convert", path, folder + "/b.safetensors", "--shard-size", "huge"], "--shard-size is huge"),
        (["convert", path, folder + "/b.pt", "--under", "z."], "holds no tensors under 'z.'"),
      ] {
        let process = Tool.process(arguments)
        let text = try process.text()
        #expect(process.terminationReason == .exit && process.terminationStatus > 0 && text.contains(says), "\(text)")
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["a.safetensors", "evil.pt"])
    }
  }

  /// Killed at any moment, a save leaves the old checkpoint or the new one.
  @Test(arguments: ["out.pt", "out.safetensors", "out.npz", "shards"]) func killedSavesLeaveOldOrNew(_ name: String) throws {
    try withFolder { folder in
      let states = try [1, 2].map { (value: Int) throws -> String in
        let state = StateDict((0..<6).map { ("w\($0)", Tensor.full([400_000], Double(value))) })
        return try Checkpoint.save(state, to: "\(folder)/in\(value).safetensors")
      }
      let isSharded = name == "shards"
      let output = folder + "/out/" + (isSharded ? "out.safetensors" : name)
      try FileManager.default.createDirectory(atPath: folder + "/out", withIntermediateDirectories: true)
      func start(_ source: Int) throws -> Process {
        let process = Tool.process(["convert", states[source], output] + (isSharded ? ["--shard-size", "4MB"] : []))
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        return process
      }
      /// Which of the two states the checkpoint is.
      func found() throws -> Double {
        let state = try Checkpoint.load(isSharded ? output + ".index.json" : output)
        let values = state.map { ($0.value.min().item(), $0.value.max().item()) }
        let first = try #require(values.first)
        #expect(values.count == 6 && values.allSatisfy { $0.0 == first.0 && $0.1 == first.0 })
        return first.0
      }
      let clock = ContinuousClock()
      let began = clock.now
      try start(0).waitUntilExit()
      let whole = began.duration(to: clock.now)
      #expect(try found() == 1)
      var killed = 0
      for round in 1...30 {
        let source = round % 2
        let before = try found()
        let process = try start(source)
        let share = Double.random(in: 0.2...1.1)
        usleep(
          UInt32(
            share * Double(whole.components.attoseconds / 1_000_000_000_000) + share * 1e6 * Double(whole.components.seconds)))
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        killed += process.terminationReason == .uncaughtSignal ? 1 : 0
        let after = try found()
        #expect(after == before || after == Double(source + 1), "round \(round)")
      }
      #expect(killed > 5)
    }
  }
}
