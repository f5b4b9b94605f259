/// Makes text of tokens again, step by step: each step gets what the one before made.
protocol TokenDecoder: Sendable {
  func decode(_ tokens: [String]) throws(TokenizerError) -> [String]
}

struct DecoderSequence: TokenDecoder {
  let parts: [any TokenDecoder]
  func decode(_ tokens: [String]) throws(TokenizerError) -> [String] {
    var tokens = tokens
    for part in parts { tokens = try part.decode(tokens) }
    return tokens
  }
}

/// Tokens in the byte alphabet; bytes that are no UTF-8 become U+FFFD.
struct ByteLevelDecoder: TokenDecoder {
  func decode(_ tokens: [String]) -> [String] {
    var bytes: [UInt8] = []
    for var token in tokens { token.withUTF8 { ByteAlphabet.append($0[...], to: &bytes) } }
    return [String(decoding: bytes, as: UTF8.self)]
  }
}

/// Tokens that go on a word have a prefix; the others get a space in front.
struct WordPieceDecoder: TokenDecoder {
  let prefix: String
  let cleansUp: Bool

  private static let clean = [
    (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"), (" do not", " don't"),
    (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
  ].map { (Array($0.0.utf8), Array($0.1.utf8)) }

  static func cleaned(_ token: String) -> String {
    guard token.utf8.contains(0x20) else { return token }
    return clean.reduce(token) { TextReplacement.replace($1.0, by: $1.1, in: $0) }
  }

  func decode(_ tokens: [String]) -> [String] {
    tokens.enumerated().map { index, token in
      var token = token
      if index > 0 {
        if token.utf8.starts(with: prefix.utf8) {
          token = String(decoding: token.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
        } else {
          token = " " + token
        }
      }
      return cleansUp ? Self.cleaned(token) : token
    }
  }
}

/// `▁` becomes a space, but at the beginning.
struct MetaspaceDecoder: TokenDecoder {
  let replacement: Unicode.Scalar
  let dropsFirst: Bool

  func decode(_ tokens: [String]) -> [String] {
    tokens.enumerated().map { index, token in
      var text = String.UnicodeScalarView()
      for scalar in token.unicodeScalars {
        if scalar != replacement { text.append(scalar) } else if index > 0 || !dropsFirst { text.append(" ") }
      }
      return String(text)
    }
  }
}

/// Tokens such as `<0xE2>` are bytes; those that are no UTF-8 together become U+FFFD each.
struct ByteFallbackDecoder: TokenDecoder {
  func decode(_ tokens: [String]) -> [String] {
    var result: [String] = []
    var bytes: [UInt8] = []
    func flush() {
      if bytes.isEmpty { return }
      if let text = String(validating: bytes, as: UTF8.self) {
        result.append(text)
      } else {
        result += repeatElement("\u{FFFD}", count: bytes.count)
      }
      bytes = []
    }
    for token in tokens {
      if let byte = Self.byte(token) {
        bytes.append(byte)
      } else {
        flush()
        result.append(token)
      }
    }
    flush()
    return result
  }

  private static func byte(_ token: String) -> UInt8? {
    guard token.utf8.count == 6, token.hasPrefix("<0x"), token.hasSuffix(">") else { return nil }
    return UInt8(token.dropFirst(3).dropLast(), radix: 16)
  }
}

/// Joins the tokens.
struct FuseDecoder: TokenDecoder {
  func decode(_ tokens: [String]) -> [String] { [tokens.joined()] }
}

/// Takes up to so many of a character off the ends of each token.
struct StripDecoder: TokenDecoder {
  let content: Unicode.Scalar
  let start: Int
  let stop: Int

  func decode(_ tokens: [String]) -> [String] {
    tokens.map { token in
      var scalars = token.unicodeScalars[...]
      var (left, right) = (start, stop)
      while left > 0, scalars.first == content {
        scalars.removeFirst()
        left -= 1
      }
      while right > 0, scalars.last == content {
        scalars.removeLast()
        right -= 1
      }
      return String(scalars)
    }
  }
}

/// Replaces what a pattern matches in each token.
struct ReplaceDecoder: TokenDecoder {
  let pattern: any Pattern
  let content: [UInt8]

  func decode(_ tokens: [String]) throws(TokenizerError) -> [String] {
    var result: [String] = []
    for var token in tokens {
      var replaced: String?
      try token.withBytes { (bytes) throws(TokenizerError) in
        var text: [UInt8] = []
        var done = 0
        try pattern.forEachMatch(in: bytes, 0..<bytes.count) {
          text += bytes[done..<$0.lowerBound]
          text += content
          done = $0.upperBound
        }
        if done > 0 || !text.isEmpty { replaced = String(decoding: text + bytes[done...], as: UTF8.self) }
      }
      result.append(replaced ?? token)
    }
    return result
  }
}

/// The suffix that ends words becomes a space, but at the end.
struct BPEDecoder: TokenDecoder {
  let suffix: String

  func decode(_ tokens: [String]) -> [String] {
    tokens.enumerated().map { index, token in
      TextReplacement.replace(Array(suffix.utf8), by: index == tokens.count - 1 ? [] : [0x20], in: token)
    }
  }
}

/// Speech models' output: equal neighbours are one, padding goes, the delimiter of words becomes a space.
struct CTCDecoder: TokenDecoder {
  let padToken: String
  let delimiter: String
  let cleansUp: Bool

  func decode(_ tokens: [String]) -> [String] {
    var result: [String] = []
    var last: String?
    for token in tokens where token != last {
      last = token
      var text = TextReplacement.replace(Array(padToken.utf8), by: [], in: token)
      if cleansUp { text = TextReplacement.replace(Array(delimiter.utf8), by: [0x20], in: WordPieceDecoder.cleaned(text)) }
      if !text.isEmpty { result.append(text) }
    }
    return result
  }
}

enum TextReplacement {
  static func replace(_ old: [UInt8], by new: [UInt8], in text: String) -> String {
    var text = text
    let result: [UInt8]? = text.withUTF8 { bytes in
      var result: [UInt8] = []
      var done = 0
      LiteralPattern(text: old).forEachMatch(in: bytes, 0..<bytes.count) {
        result += bytes[done..<$0.lowerBound]
        result += new
        done = $0.upperBound
      }
      return done == 0 ? nil : result + bytes[done...]
    }
    return result.map { String(decoding: $0, as: UTF8.self) } ?? text
  }
}
