import FlambeauText
import Foundation
import TestSupport
import Testing

/// Every kind of tokenizer beside Hugging Face's `tokenizers`: ids, types, masks, offsets, tokens and decoded text, of real texts in
/// many scripts, alone and in pairs.
///
/// Takes half a minute, most of it training in Python: only real vocabularies and texts bring the rare paths together.
/// `FLAMBEAU_TOKENIZER_LINES` says how many texts; the long form is 10000.
@Suite struct BesideTokenizersTests {
  private static let lineCount =
    ProcessInfo.processInfo.environment["FLAMBEAU_TOKENIZER_LINES"].flatMap(Int.init) ?? 1500

  @Test(.enabled(if: Python.path != nil)) func everyKindIsEqual() throws {
    try withFolder { folder in
      let judge = repository.appendingPathComponent("Tests/Judge/tokenize_text.py").path
      let names = try Python.run(Python.path!, judge, folder, String(Self.lineCount)).split(separator: "\n")
      #expect(names.count >= 10)
      func read(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")) }
      let lines = try JSONDecoder().decode([String].self, from: read("lines.json"))
      #expect(lines.count == Self.lineCount)
      for name in names {
        let tokenizer = try Tokenizer(contentsOf: "\(folder)/\(name).json")
        let differences = try tokenizer.differences(
          from: String(decoding: read("\(name).expected"), as: UTF8.self), lines: lines)
        #expect(differences.isEmpty, "\(name): \(differences.count) differ, such as \(differences.prefix(2))")
      }
    }
  }

  @Test(.enabled(if: Python.path != nil)) func trainingMakesTheSameTokenizer() throws {
    let script = """
      import json, sys
      from tokenizers import Tokenizer, models, pre_tokenizers, trainers
      texts = json.load(open(sys.argv[1]))
      tokenizer = Tokenizer(models.BPE())
      tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
      tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=1200, show_progress=False,
        special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
      model = json.loads(tokenizer.to_str())["model"]
      print(json.dumps({"vocab": model["vocab"], "merges": [" ".join(pair) for pair in model["merges"]]}))
      """
    struct Model: Decodable, Equatable {
      let vocab: [String: Int]
      let merges: [String]
    }
    struct Saved: Decodable {
      struct Model: Decodable {
        let vocab: [String: Int]
        let merges: [[String]]
      }
      let model: Model
    }
    let readme = try String(contentsOf: repository.appendingPathComponent("docs/architecture.md"), encoding: .utf8)
    let texts = readme.split(separator: "\n").map(String.init) + ["naïve café 😀 日本語 हिन्दी", "aaaaaaa aaaa aaab abababab"]
    try withFolder { folder in
      try JSONEncoder().encode(texts).write(to: URL(fileURLWithPath: folder + "/texts.json"))
      let wanted = try JSONDecoder().decode(
        Model.self, from: Data(Python.run(Python.path!, "-c", script, folder + "/texts.json").utf8))
      let trained = try Tokenizer.trainByteLevelBPE(on: texts, vocabularySize: 1200, specialTokens: ["<|endoftext|>"])
      try trained.save(to: folder + "/trained.json")
      let saved = try JSONDecoder().decode(Saved.self, from: Data(contentsOf: URL(fileURLWithPath: folder + "/trained.json")))
        .model
      #expect(saved.vocab == wanted.vocab)
      #expect(saved.merges.map { $0.joined(separator: " ") } == wanted.merges)
      let again = try Tokenizer(contentsOf: folder + "/trained.json")
      for text in texts { #expect(try again.decode(again.encode(text).ids) == text) }
    }
  }
}
