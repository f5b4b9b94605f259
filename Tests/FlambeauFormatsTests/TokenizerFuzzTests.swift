import FlambeauText
import Foundation
import Testing

@testable import FlambeauFormats

/// Damaged tokenizer.json files: each is read or refused with a sentence, and what is read makes tokens, or says why not.
@Suite struct TokenizerFuzzTests {
  private struct Case: Decodable { let definition: String }
  private struct File: Decodable { let cases: [Case] }

  private static let text = "Hello, wörld! 123  <|endoftext|>日本語 e\u{301} [CLS]"

  /// A file with every kind of part.
  private static let motley = """
    {"version":"1.0","truncation":{"direction":"Right","max_length":9,"strategy":"LongestFirst","stride":2},
    "padding":{"strategy":"BatchLongest","direction":"Left","pad_to_multiple_of":4,"pad_id":0,"pad_type_id":0,"pad_token":"p"},
    "added_tokens":[{"id":3,"content":"[CLS]","single_word":true,"lstrip":true,"rstrip":true,"normalized":true,"special":true}],
    "normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Replace","pattern":{"Regex":"o+(?=r)|(l|e)*?x"},"content":"0"},
    {"type":"Strip","strip_left":true,"strip_right":false},{"type":"Prepend","prepend":"_"},{"type":"Nmt"},{"type":"NFD"},
    {"type":"StripAccents"},{"type":"Lowercase"},{"type":"BertNormalizer","clean_text":true,"lowercase":false}]},
    "pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"String":" "},"behavior":"MergedWithNext","invert":false},
    {"type":"Punctuation","behavior":"Contiguous"},{"type":"Digits","individual_digits":true},{"type":"Metaspace","replacement":"_"},
    {"type":"FixedLength","length":4},{"type":"ByteLevel","add_prefix_space":true}]},
    "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
    "pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],
    "special_tokens":{"[CLS]":{"id":"[CLS]","ids":[3],"tokens":["[CLS]"]}}},
    "decoder":{"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Strip","content":"_","start":1,"stop":1},
    {"type":"Replace","pattern":{"String":"_"},"content":" "},{"type":"Fuse"}]},
    "model":{"type":"BPE","unk_token":"u","fuse_unk":true,"byte_fallback":false,"vocab":{"h":0,"e":1,"he":2,"[CLS]":3,"u":4,"l":5},
    "merges":["h e"]}}
    """

  private static func seeds() throws -> [[UInt8]] {
    let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Golden/tokenizers.json")
    // The beginnings of the files, where the parts are, and the ends; the vocabularies are alike.
    let files = try JSONDecoder().decode(File.self, from: Data(contentsOf: golden)).cases.map { Array($0.definition.utf8) }
    return [Array(motley.utf8), Array(motley.utf8)] + files
  }

  @Test func damagedFilesAreReadOrRefused() throws {
    let asked = ProcessInfo.processInfo.environment["FLAMBEAU_FUZZ_INPUTS"].flatMap(Int.init)
    let rounds = asked ?? 1500
    let seed = asked == nil ? 23 : UInt64.random(in: 0...(.max))
    let seeds = try Self.seeds()
    var (read, refused) = (0, 0)
    for (number, bytes) in seeds.enumerated() {
      #expect(throws: Never.self) { _ = try Tokenizer(json: bytes, file: "f") }
      // The large files only now and then: they cost a hundred times as much.
      mutate(bytes, rounds: number < 2 ? rounds / 2 : rounds / 60 + 1, seed: seed &+ UInt64(number)) { bytes in
        do throws(FormatError) {
          let tokenizer = try Tokenizer(json: bytes, file: "f")
          read += 1
          if let encoding = try? tokenizer.encode(Self.text, pair: Self.text) {
            let isWithin = encoding.offsets.allSatisfy { $0.upperBound <= Self.text.unicodeScalars.count }
            #expect(isWithin && encoding.tokens.count == encoding.count)
            _ = try? tokenizer.decode(encoding.ids)
          }
        } catch {
          refused += 1
          #expect(!error.what.isEmpty)
        }
      }
    }
    #expect(read > 10 && refused > rounds / 4, "seed \(seed): \(read) read, \(refused) refused")
    if asked != nil { print("fuzz tokenizer.json, seed \(seed): \(read) read, \(refused) refused") }
  }
}
