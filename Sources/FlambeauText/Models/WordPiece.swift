/// BERT's model: the longest beginning of the word that is a token, then the longest of the rest with a prefix, and so on.
struct WordPiece: TokenModel {
  let vocabulary: Vocabulary
  /// The tokens that go on a word, without their prefix.
  private let continuations: ByteTable
  private let longest: Int
  private let unknown: Int32
  private let mostCharacters: Int

  /// `unknown` is the number of the token for words that cannot be made.
  init(_ vocabulary: Vocabulary, unknown: Int, continuingPrefix: String = "##", mostCharacters: Int = 100) {
    self.vocabulary = vocabulary
    self.unknown = Int32(unknown)
    self.mostCharacters = mostCharacters
    let prefix = Array(continuingPrefix.utf8)
    var continuations = ByteTable(capacity: vocabulary.count / 4)
    var longest = 1
    for entry in vocabulary.table.entries {
      let text = vocabulary.table.text(of: entry)
      longest = max(longest, text.count)
      if text.starts(with: prefix) { continuations.set(Array(text.dropFirst(prefix.count)), Int(entry.value)) }
    }
    self.continuations = continuations
    self.longest = longest
  }

  func tokenize(_ word: Bytes, with scratch: Scratch, into tokens: inout [WordToken]) {
    let before = tokens.count
    if word.count <= mostCharacters || word.characterCount <= mostCharacters {
      var start = 0
      while start < word.count {
        var end = min(word.count, start + longest)
        while end < word.count, word[end] & 0xC0 == 0x80 { end -= 1 }
        var found: Int?
        while end > start {
          let part = word.slice(start..<end)
          found = start == 0 ? vocabulary.id(part) : continuations[part]
          if found != nil { break }
          end = word.start(before: end)
        }
        guard let found else { break }
        tokens.append(WordToken(id: Int32(found), start: Int32(start), end: Int32(end)))
        start = end
      }
      if start == word.count { return }
    }
    tokens.removeLast(tokens.count - before)
    tokens.append(WordToken(id: unknown, start: 0, end: Int32(word.count)))
  }
}

/// Every word is a token or unknown.
struct WordLevel: TokenModel {
  let vocabulary: Vocabulary
  let unknown: Int?

  func tokenize(_ word: Bytes, with scratch: Scratch, into tokens: inout [WordToken]) throws(TokenizerError) {
    guard let id = vocabulary.id(word) ?? unknown else {
      throw TokenizerError("'\(word.string(0..<word.count))' is not in the vocabulary, which has no token for unknown words")
    }
    tokens.append(WordToken(id: Int32(id), start: 0, end: Int32(word.count)))
  }
}
