import FlambeauFormats
import FlambeauText
import Foundation
import TestSupport
import Testing

/// Small tokenizers whose results with Hugging Face's `tokenizers` are committed (Tests/Golden/make_tokenizers.py).
@Suite struct TokenizerTests {
  private struct Case: Decodable {
    let name, definition, expected: String
    let lines: [String]
  }
  private struct File: Decodable { let cases: [Case] }

  private static let cases: [Case] = {
    let file = repository.appendingPathComponent("Tests/Golden/tokenizers.json")
    return (try? JSONDecoder().decode(File.self, from: Data(contentsOf: file)).cases) ?? []
  }()

  private static func tokenizer(_ name: String) throws -> Tokenizer {
    let found = try #require(cases.first { $0.name == name })
    return try Tokenizer(json: Array(found.definition.utf8), file: name)
  }

  @Test func committedResultsAreEqual() throws {
    #expect(Self.cases.count == 4)
    for item in Self.cases {
      let tokenizer = try Tokenizer(json: Array(item.definition.utf8), file: item.name)
      let differences = try tokenizer.differences(from: item.expected, lines: item.lines)
      #expect(differences.isEmpty, "\(item.name): \(differences)")
    }
  }

  @Test func aStreamGivesOutWholeCharacters() throws {
    for name in ["gpt2", "llama2", "unigram", "wordpiece"] {
      let tokenizer = try Self.tokenizer(name)
      let ids = try tokenizer.encode("A naïve 😀👍🏽 test: 日本語, हिन्दी ends\u{1F600}", addSpecialTokens: false).ids
      var stream = tokenizer.decodeStream()
      var pieces: [String] = []
      for id in ids { pieces.append(try stream.append(id)) }
      #expect(pieces.allSatisfy { !$0.contains("\u{FFFD}") }, "\(name): \(pieces)")
      #expect(pieces.count { !$0.isEmpty } > 5)
      pieces.append(try stream.finish())
      #expect(pieces.joined() == (try tokenizer.decode(ids)), "\(name)")
    }
  }

  @Test func aStreamThatBreaksOffSaysSo() throws {
    let tokenizer = try Self.tokenizer("gpt2")
    let byte = try #require(tokenizer.idOf("ð"))  // 0xF0 begins a character of four bytes.
    var stream = tokenizer.decodeStream()
    #expect(try stream.append(byte) == "")
    #expect(try stream.finish() == "\u{FFFD}")
  }

  @Test func batchesAreFilledUp() throws {
    var tokenizer = try Self.tokenizer("gpt2")
    tokenizer.padding = Padding(id: 7, token: "pad", multiple: 4, side: .left)
    let texts = ["a", "a longer text of several tokens", ""]
    let batch = try tokenizer.encodeBatch(texts)
    #expect(Set(batch.map(\.count)).count == 1 && batch[0].count % 4 == 0)
    for (text, encoding) in zip(texts, batch) {
      let own = try Self.tokenizer("gpt2").encode(text).ids
      #expect(encoding.ids == [Int](repeating: 7, count: encoding.count - own.count) + own)
      #expect(encoding.attentionMask.reduce(0, +) == own.count)
    }
    #expect(batch[2].tokens.allSatisfy { $0 == "pad" })
  }

  @Test func longTextsAreCut() throws {
    var tokenizer = try Self.tokenizer("gpt2")
    let all = try tokenizer.encode("one two three four five six seven eight nine ten").ids
    tokenizer.truncation = Truncation(maxLength: 8, stride: 3)
    let cut = try tokenizer.encode("one two three four five six seven eight nine ten")
    #expect(cut.ids == Array(all.prefix(8)))
    #expect(cut.overflowing.first?.ids == Array(all[5..<13]))
    #expect(cut.overflowing.last?.ids.last == all.last)
    tokenizer.truncation = Truncation(maxLength: 8, side: .left)
    #expect(try tokenizer.encode("one two three four five six seven eight nine ten").ids == Array(all.suffix(8)))
    tokenizer.truncation = Truncation(maxLength: 8, stride: 8)
    #expect(throws: TokenizerError.self) { try tokenizer.encode("one two three four five six seven eight nine ten") }
    tokenizer.truncation = Truncation(maxLength: 8, strategy: .onlySecond)
    #expect(throws: TokenizerError.self) { try tokenizer.encode("one two three four five six seven eight nine ten") }
  }

  @Test func tokensHaveNumbers() throws {
    let tokenizer = try Self.tokenizer("wordpiece")
    #expect(tokenizer.idOf("[CLS]") == 2 && tokenizer.tokenOf(2) == "[CLS]")
    #expect(tokenizer.idOf("no such token") == nil && tokenizer.tokenOf(1 << 40) == nil && tokenizer.tokenOf(-1) == nil)
    #expect(tokenizer.vocabularySize == 500)
    #expect(try tokenizer.decode([-5, 1 << 50]) == "")
  }

  @Test func aVocabularyFileIsBERT() throws {
    try withFolder { folder in
      let path = folder + "/vocab.txt"
      try Data("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nworld\n##s\n!\nnaive\n".utf8).write(to: URL(fileURLWithPath: path))
      let tokenizer = try Tokenizer(contentsOf: path)
      let encoding = try tokenizer.encode("Hello WORLDS! naïve [MASK] dog", pair: "hello")
      #expect(
        encoding.tokens == ["[CLS]", "hello", "world", "##s", "!", "naive", "[MASK]", "[UNK]", "[SEP]", "hello", "[SEP]"])
      #expect(encoding.typeIds == [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1])
      #expect(encoding.offsets[5] == 14..<19 && encoding.specialTokensMask.first == 1)
      #expect(try tokenizer.decode(encoding.ids) == "hello worlds! naive hello")
      try Data("a\nb\n".utf8).write(to: URL(fileURLWithPath: path))
      let error = #expect(throws: FormatError.self) { try Tokenizer(contentsOf: path) }
      #expect(error?.description.contains("[UNK] is missing") == true)
    }
  }

  @Test func trainingIsDeterministicAndSmall() throws {
    let texts = (0..<50).map { "text number \($0) of many texts, numbered" }
    let first = try Tokenizer.trainByteLevelBPE(on: texts, vocabularySize: 300, specialTokens: ["<|end|>"])
    let second = try Tokenizer.trainByteLevelBPE(on: texts, vocabularySize: 300, specialTokens: ["<|end|>"])
    #expect(first.vocabularySize == 300 && first.idOf("<|end|>") == 0)
    #expect(try texts.allSatisfy { try first.encode($0).ids == second.encode($0).ids })
    #expect(try first.encode("text").count < 4)
    #expect(throws: TokenizerError.self) { try Tokenizer.trainByteLevelBPE(on: texts, vocabularySize: 200) }
  }
}
