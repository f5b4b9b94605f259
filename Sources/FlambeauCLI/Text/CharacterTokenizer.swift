import FlambeauText

/// A tokenizer whose tokens are the characters of a text.
enum CharacterTokenizer {
  /// The tokenizer.json of the characters of `text`, numbered in the order of Unicode: byte-pair encoding without pairs.
  static func json(of text: String) throws -> String {
    // By hand, because a dictionary of strings takes some different characters for one.
    let entries = try Set(text.unicodeScalars).sorted().enumerated().map { try "\(JSONLines.line(String($1))):\($0)" }
    return "{\"version\":\"1.0\",\"added_tokens\":[],\"decoder\":{\"type\":\"Fuse\"},"
      + "\"model\":{\"type\":\"BPE\",\"vocab\":{\(entries.joined(separator: ","))},\"merges\":[]}}"
  }
}

extension Tokenizer {
  /// The tokens of a text; a character that has none is an error, where the tokenizer would pass over it.
  func tokens(of text: String) throws -> [Int] {
    let tokens = try encode(text, addSpecialTokens: false).ids
    let back = try decode(tokens, skipSpecialTokens: false).unicodeScalars
    if back.count >= text.unicodeScalars.count { return tokens }
    let known = Set(back)
    guard let lost = text.unicodeScalars.first(where: { !known.contains($0) }) else { return tokens }
    throw RememberedText.Unusable(
      description: "the model's tokenizer has no token for '\(lost)' (\(lost.escaped(asASCII: true)))")
  }
}
