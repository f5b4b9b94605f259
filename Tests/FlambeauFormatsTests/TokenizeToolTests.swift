import FlambeauText
import Foundation
import TestSupport
import Testing

/// `flambeau tokenize`, as a user runs it.
@Suite(.enabled(if: Tool.path != nil)) struct TokenizeToolTests {
  private static let vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nhello\nworld\n##s\n"

  private struct Report: Decodable {
    let ids: [Int]
    let tokens: [String]
    let offsets: [[Int]]
    let typeIds: [Int]
  }

  @Test func textBecomesTokensAndTokensText() throws {
    try withFolder { folder in
      let path = folder + "/vocab.txt"
      try Data(Self.vocabulary.utf8).write(to: URL(fileURLWithPath: path))
      let plain = try Tool.run("tokenize", "--tokenizer", path, "Hello worlds", "hello")
      #expect(plain.code == 0 && plain.text == "2 4 5 6 3\n2 4 3\n")
      #expect(try Tool.run("tokenize", "--tokenizer", path, "--plain", "hello").text == "4\n")
      let json = try Tool.run("tokenize", "--tokenizer", path, "--json", "hello dogs")
      let report = try JSONDecoder().decode(Report.self, from: Data(json.text.utf8))
      #expect(report.tokens == ["[CLS]", "hello", "[UNK]", "[SEP]"] && report.offsets == [[0, 0], [0, 5], [6, 10], [0, 0]])
      #expect(try Tool.run("tokenize", "--tokenizer", path, "--decode", "--plain", "2 4, 5 6 3").text == "hello worlds\n")
      let wrong = try Tool.run("tokenize", "--tokenizer", path, "--decode", "2 four")
      #expect(wrong.code != 0 && wrong.text.contains("'four' is not the number of a token"))
      let none = try Tool.run("tokenize", "--tokenizer", folder + "/none.json", "hello")
      #expect(none.code != 0 && none.text.contains("none.json: cannot be opened"))
    }
  }
}
