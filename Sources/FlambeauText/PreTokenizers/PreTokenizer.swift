/// Cuts text into the words that a model sees.
protocol PreTokenizer: Sendable {
  func split(_ text: inout WorkingText) throws(TokenizerError)
}

struct PreTokenizerSequence: PreTokenizer {
  let parts: [any PreTokenizer]
  func split(_ text: inout WorkingText) throws(TokenizerError) {
    for part in parts {
      try part.split(&text)
      try TokenizerError.checkGrowth(text.bytes.count)
    }
  }
}

/// Cuts where a pattern matches.
struct SplitPreTokenizer: PreTokenizer {
  let pattern: any Pattern
  let behavior: SplitBehavior
  var isInverted = false

  func split(_ text: inout WorkingText) throws(TokenizerError) {
    try text.split { (bytes, piece, made) throws(TokenizerError) in
      try pattern.cut(bytes, piece, behavior, isInverted: isInverted, into: &made)
    }
  }
}

/// Words between white space, and every punctuation mark by itself.
struct BertPreTokenizer: PreTokenizer {
  func split(_ text: inout WorkingText) {
    text.split { bytes, piece, made in
      var word = piece.range.lowerBound
      var index = word
      while index < piece.range.upperBound {
        let (code, length) = bytes.character(at: index)
        let kind = code < 0x80 ? Self.ascii[Int(code)] : Self.kind(code)
        if kind != Self.part {
          made.append(word, index)
          word = index + length
          if kind == Self.mark { made.append(index, word) }
        }
        index += length
      }
      made.append(word, piece.range.upperBound)
    }
  }

  private static let part: UInt8 = 0
  private static let gap: UInt8 = 1
  private static let mark: UInt8 = 2
  private static let ascii: [UInt8] = (0..<128).map { kind($0) }

  private static func kind(_ code: UInt32) -> UInt8 {
    CharacterClasses.isSpace(code) ? gap : CharacterClasses.isPunctuation(code) ? mark : part
  }
}

/// Runs of word characters, and runs of what is neither that nor white space.
struct WhitespacePreTokenizer: PreTokenizer {
  func split(_ text: inout WorkingText) {
    text.split { bytes, piece, made in
      var start = piece.range.lowerBound
      var index = start
      var last: UInt8 = 2
      while index < piece.range.upperBound {
        let (code, length) = bytes.character(at: index)
        let kind: UInt8 = Self.isWord(code) ? 0 : CharacterClasses.isSpace(code) ? 2 : 1
        if kind != last {
          if last != 2 { made.append(start, index) }
          (start, last) = (index, kind)
        }
        index += length
      }
      if last != 2 { made.append(start, piece.range.upperBound) }
    }
  }

  /// A word character as Rust's regular expressions have it.
  private static func isWord(_ code: UInt32) -> Bool {
    if code >= 0x80, code < 0x100, CharacterClasses.isNumber(code) { return false }
    return CharacterClasses.isWord(code) || code == 0x200C || code == 0x200D
  }
}

/// Spaces become `▁`, one is put in front, and each begins a piece.
struct Metaspace: PreTokenizer {
  enum Prepending: String {
    case always, first, never
  }

  let replacement: [UInt8]
  let prepending: Prepending
  let splits: Bool

  func split(_ text: inout WorkingText) throws(TokenizerError) {
    let pattern = Replace(pattern: LiteralPattern(text: [0x20]), content: replacement)
    let sources = text.pieces.filter { $0.token < 0 }.map(text.source)
    var number = 0
    try text.rewrite { (fragment) throws(TokenizerError) in
      let source = sources[number]
      number += 1
      try pattern.normalize(&fragment)
      let isWanted = prepending == .always || (prepending == .first && source == 0)
      if isWanted, !fragment.bytes.starts(with: replacement) { fragment.prepend(replacement) }
    }
    if splits {
      let mark = LiteralPattern(text: replacement)
      try text.split { (bytes, piece, made) throws(TokenizerError) in
        var start = piece.range.lowerBound
        mark.forEachMatch(in: bytes, piece.range) { match in
          made.append(start, match.lowerBound)
          start = match.lowerBound
        }
        made.append(start, piece.range.upperBound)
      }
    }
  }
}

/// Pieces of so many characters.
struct FixedLength: PreTokenizer {
  let length: Int

  func split(_ text: inout WorkingText) {
    text.split { bytes, piece, made in
      var (start, index, count) = (piece.range.lowerBound, piece.range.lowerBound, 0)
      while index < piece.range.upperBound {
        if count == length {
          made.append(start, index)
          (start, count) = (index, 0)
        }
        index += Bytes.length(bytes[index])
        count += 1
      }
      made.append(start, index)
    }
  }
}

/// Byte-level splitting: GPT-2's words, whose bytes become characters of the byte alphabet, unless the model reads bytes itself.
struct ByteLevel: PreTokenizer {
  let addsPrefixSpace: Bool
  let usesPattern: Bool
  /// Set where the model's vocabulary is read as bytes.
  var keepsBytes = false

  private static let pattern = KnownSplit(KnownSplit.gpt2)!

  func split(_ text: inout WorkingText) throws(TokenizerError) {
    if addsPrefixSpace, text.pieces.contains(where: { $0.token < 0 && text.bytes[$0.range.lowerBound] != 0x20 }) {
      text.rewrite { fragment in
        if fragment.bytes.first != 0x20 { fragment.prepend([0x20]) }
      }
    }
    if usesPattern {
      try SplitPreTokenizer(pattern: Self.pattern, behavior: .isolated).split(&text)
    }
    if !keepsBytes { text.rewrite { ByteLevelNormalizer().normalize(&$0) } }
  }
}
