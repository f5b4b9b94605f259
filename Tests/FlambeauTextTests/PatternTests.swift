import Foundation
import Testing

@testable import FlambeauText

/// Regular expressions and the patterns that are read by hand.
@Suite struct PatternTests {
  private static func matches(_ pattern: any Pattern, _ text: String) throws -> [String] {
    var text = text
    return try text.withBytes { (bytes) throws(TokenizerError) in
      var found: [String] = []
      try pattern.forEachMatch(in: bytes, 0..<bytes.count) { found.append(bytes.string($0)) }
      return found
    }
  }

  @Test(arguments: [
    ("a+?b|c", "aab c ab", ["aab", "c", "ab"]), ("(?i:straße)", "STRASSE Straße", ["Straße"]),
    ("x{2,3}", "x xx xxxxx", ["xx", "xxx", "xx"]),
    ("[^\\W\\d_]+", "ab1_cd", ["ab", "cd"]), ("(?<=a)b", "ab b", ["b"]), ("(?<!a)b", "ab cb", ["b"]),
    ("\\bfoo\\b", "foo food foo", ["foo", "foo"]),
    ("[\\p{L}&&[^a-c]]+", "abcdef", ["def"]), ("[一-龥]+", "漢字かな", ["漢字"]), ("(?>a+)ab", "aaab", []), ("a++b", "aab", ["aab"]),
    ("(ab|a)(bc|c)", "abc", ["abc"]), ("(a*)*b", "aaab", ["aaab"]), ("\\x{41}\\u0042\\x43", "ABC", ["ABC"]),
    ("a.c", "a\nc abc", ["abc"]),
    ("^a|b$", "ab\nab", ["a", "b", "a", "b"]), ("[]a]+", "a]b", ["a]"]), ("(?:){3}a", "a", ["a"]),
    ("\\p{Han}+|\\P{L}", "漢1a", ["漢", "1"]),
  ])
  func expressionsMatchAsElsewhere(_ pattern: String, _ text: String, _ expected: [String]) throws {
    #expect(try Self.matches(RegexPattern(pattern), text) == expected, "\(pattern)")
  }

  private static let later =
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

  @Test(arguments: [
    KnownSplit.gpt2, later, later.replacingOccurrences(of: "{1,3}", with: ""), later.replacingOccurrences(of: "{1,3}", with: "+"),
  ])
  func patternsReadByHandAreTheExpressions(_ pattern: String) throws {
    let known = try #require(KnownSplit(pattern))
    let expression = try RegexPattern(pattern)
    var random = SystemRandomNumberGenerator()
    let alphabet = [
      "a", "B", "é", "ſ", "日", "1", "２", "Ⅷ", " ", " ", "\n", "\r", "\t", "\u{A0}", "\u{2003}", "'", "'", "s", "L", "l", "re",
      "V", "!", "，", "😀", "\u{301}",
    ]
    for _ in 0..<3000 {
      let text = (0..<Int.random(in: 0...14, using: &random)).map { _ in alphabet.randomElement(using: &random)! }.joined()
      #expect(try Self.matches(known, text) == Self.matches(expression, text), "\(text.debugDescription)")
    }
  }
}
