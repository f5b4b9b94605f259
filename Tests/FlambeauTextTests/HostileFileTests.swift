import FlambeauFormats
import FlambeauText
import Testing

/// Files that are no tokenizer are refused with one sentence that says where.
@Suite struct HostileFileTests {
  private static func message(_ json: String) -> String {
    do throws(FormatError) {
      _ = try Tokenizer(json: Array(json.utf8), file: "t.json")
      return "read"
    } catch {
      return error.description
    }
  }

  private static func bpe(_ extra: String, vocabulary: String = #"{"a":0,"b":1,"ab":2}"#, merges: String = "[]") -> String {
    #"{"model":{"type":"BPE","vocab":\#(vocabulary),"merges":\#(merges)}\#(extra)}"#
  }

  private static func split(_ pattern: String) -> String {
    bpe(#","pre_tokenizer":{"type":"Split","pattern":{"Regex":"\#(pattern)"},"behavior":"Isolated","invert":false}"#)
  }

  @Test(arguments: [
    ("", "byte 0"), ("{}", "'model' is missing"),
    ("{\"model\":{\"type\":\"LSTM\",\"vocab\":{\"a\":0}}}", "the type 'LSTM' is unknown"),
    (bpe("", merges: #"["a b","b b"]"#), "the merge 'b b'"), (bpe("", merges: #"["ab"]"#), "is not two tokens"),
    (bpe("", vocabulary: #"{"a":2000000000}"#), "far beyond"), (bpe("", vocabulary: #"{"a":-1}"#), "a whole number"),
    (bpe(#","normalizer":{"type":"NFQ"}"#), "normalizer: the type 'NFQ' is unknown"),
    (bpe(#","normalizer":{"type":"Precompiled","precompiled_charsmap":"////"}"#), "no map of characters"),
    (split("(a"), "a group does not end"), (split("[a"), "a bracket does not end"), (split("(a)\\\\1"), "not supported"),
    (split("((((a{999}){999}){999}){999})"), "too long"), (split("((((){999}){999}){999}){999}"), "too long"),
    (split("(?<=a+)b"), "one length"), (split("\\\\p{Klingon}"), "unknown"),
    (bpe(#","post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"B"}}],"pair":[]}"#), "no second text"),
    (#"{"model":{"type":"Unigram","unk_id":5,"vocab":[["a",-1]]}}"#, "'unk_id' is 5"),
    (#"{"model":{"type":"WordPiece","vocab":{"a":0}}}"#, "lacks the unknown token"),
    (String(repeating: #"{"a":"#, count: 5000), "too deep"),
  ])
  func filesThatAreNoneAreRefused(_ json: String, _ expected: String) {
    let message = Self.message(json)
    #expect(message.hasPrefix("t.json: ") && message.contains(expected), "\(message)")
    #expect(!message.contains("\n"))
  }

  @Test func aPatternThatNeverEndsIsGivenUp() throws {
    let tokenizer = try Tokenizer(json: Array(Self.split("(a+)+$").utf8), file: "t.json")
    let error = #expect(throws: TokenizerError.self) { try tokenizer.encode(String(repeating: "a", count: 300) + "b") }
    #expect(error?.description.contains("takes too long") == true)
    #expect(throws: Never.self) { try tokenizer.encode("aaa") }
  }

  @Test func aLongWordIsMergedInGoodTime() throws {
    let tokenizer = try Tokenizer(json: Array(Self.bpe("", merges: #"["a b"]"#).utf8), file: "t.json")
    let encoding = try tokenizer.encode(String(repeating: "ab", count: 200_000))
    #expect(encoding.count == 200_000 && encoding.ids.allSatisfy { $0 == 2 })
  }
}
