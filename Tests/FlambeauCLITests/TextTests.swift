import Flambeau
import FlambeauFormats
import Foundation
import Testing

/// `flambeau train text` and `flambeau generate`, as a user runs them.
@Suite(.enabled(if: Tool.path != nil), .serialized) struct TextTests {
  private struct Summary: Decodable {
    let dataset: String
    let test_loss, train_loss, test_accuracy: Double
    let steps, epochs: Int
    let interrupted: Bool
  }

  private struct Written: Decodable {
    let prompt, text: String
    let seed: UInt64
  }

  private static let small = [
    "--layers", "1", "--heads", "2", "--width", "32", "--block", "16", "--batch-size", "8", "--lr", "0.01",
  ]

  @Test func aModelLearnsAndWrites() throws {
    try withFolder { folder in
      let (file, run) = (folder + "/text.txt", folder + "/run")
      // Nothing but the place in the line decides what comes next, which one block can learn.
      try Data(String(repeating: "abcdéfgh\n", count: 300).utf8).write(to: URL(fileURLWithPath: file))
      let trained = try Tool.run(
        ["train", "text", "--file", file, "--out", run, "--steps", "120", "--eval-every", "50", "--tensorboard", "--json"]
          + Self.small)
      try #require(trained.code == 0, "\(trained.text)")
      let summary = try JSONDecoder().decode(Summary.self, from: Data(trained.text.utf8))
      #expect(summary.dataset == "text" && summary.steps == 120 && summary.epochs == 3 && !summary.interrupted)
      #expect(summary.test_loss < 0.1 && summary.test_accuracy > 0.99)
      let events = try FileManager.default.contentsOfDirectory(atPath: run + "/tensorboard")
      #expect(events.count == 1 && events[0].hasPrefix("events.out.tfevents."))
      let curves = try String(contentsOfFile: run + "/curves.svg", encoding: .utf8)
      #expect(curves.contains("<svg") && curves.contains("text, seed 0"))

      let plain = try Tool.run(["generate", run, "--prompt", "\nabc", "--count", "14", "--temperature", "0"])
      #expect(plain.code == 0 && plain.text == "\nabcdéfgh\nabcdéfgh\n", "\(plain.text)")
      let arguments = [
        "generate", run, "--prompt", "ab", "--count", "30", "--temperature", "3", "--top-k", "4", "--json", "--seed",
      ]
      let texts = try ["1", "1", "2"].map { seed in
        try JSONDecoder().decode(Written.self, from: Data(Tool.run(arguments + [seed]).text.utf8))
      }
      #expect(texts[0].text == texts[1].text && texts[0].text != texts[2].text)
      #expect(texts[0].prompt == "ab" && texts[0].text.count == 30 && texts[2].seed == 2)

      let checkpoint = try #require(try FileManager.default.contentsOfDirectory(atPath: run + "/checkpoints").sorted().last)
      let fromCheckpoint = try Tool.run(
        [
          "generate", run, "--checkpoint", "\(run)/checkpoints/\(checkpoint)", "--prompt", "\nabc", "--count", "14",
          "--temperature", "0",
        ])
      #expect(fromCheckpoint.text == plain.text)
      for (arguments, says) in [
        ([run, "--prompt", "xyz"], "'x' (x) is not among the characters of the text that the model learned"),
        ([folder], "run.json cannot be read"), ([run, "--temperature=-1"], "--temperature is -1.0"),
        ([run, "--checkpoint", file], "is in none of the formats"),
      ] {
        let result = try Tool.run(["generate"] + arguments)
        #expect(result.code != 0 && result.text.contains(says), "\(result.text)")
      }
      try Data("another text\n".utf8).write(to: URL(fileURLWithPath: file))
      let other = try Tool.run(["train", "text", "--resume", run])
      #expect(other.code == 1 && other.text.contains("is not the text that the run began with"), "\(other.text)")
    }
  }
}
