/// Rewrites text before it is cut, and keeps account of where each character came from.
protocol Normalizer: Sendable {
  func normalize(_ text: inout Fragment) throws(TokenizerError)
}

struct NormalizerSequence: Normalizer {
  let parts: [any Normalizer]
  func normalize(_ text: inout Fragment) throws(TokenizerError) {
    for part in parts {
      try part.normalize(&text)
      try TokenizerError.checkGrowth(text.bytes.count)
    }
  }
}

extension UnicodeForms.Form: Normalizer {
  func normalize(_ text: inout Fragment) {
    let changes: [UnicodeForms.Change]? = text.bytes.withUnsafeBufferPointer {
      $0.isASCII || UnicodeForms.isSurely(self, $0) ? nil : UnicodeForms.changes(self, of: $0)
    }
    if let changes { text.transform(changes) }
  }
}

/// Lowercases each character by itself, as Rust's `char` does: a final sigma is like any other.
struct LowercaseNormalizer: Normalizer {
  func normalize(_ text: inout Fragment) {
    if text.bytes.withUnsafeBufferPointer(\.isASCII) {
      for index in text.bytes.indices where text.bytes[index] &- 0x41 < 26 { text.bytes[index] |= 0x20 }
    } else {
      text.map(Self.lowercase)
    }
  }

  @inline(__always)
  static func lowercase(_ code: UInt32, _ body: (UInt32) -> Void) {
    if code < 0x80 { return body(code &- 0x41 < 26 ? code | 0x20 : code) }
    guard let scalar = Unicode.Scalar(code), scalar.properties.changesWhenLowercased else { return body(code) }
    for lower in scalar.properties.lowercaseMapping.unicodeScalars { body(lower.value) }
  }
}

/// Removes all combining marks of Unicode 9.
struct StripAccents: Normalizer {
  func normalize(_ text: inout Fragment) {
    if text.bytes.withUnsafeBufferPointer(\.isASCII) { return }
    text.map { code, keep in
      let isMark = code >= 0x300 && CharacterClasses.category(code) & CharacterClasses.marks != 0
      if !isMark || !CharacterClasses.isOlder(code, than: 10) { keep(code) }
    }
  }
}

/// Removes white space at the ends.
struct StripNormalizer: Normalizer {
  let left: Bool
  let right: Bool

  func normalize(_ text: inout Fragment) {
    let range = text.bytes.withUnsafeBufferPointer { bytes in
      var (start, end) = (0, bytes.count)
      while left, start < end {
        let (code, length) = bytes.character(at: start)
        guard CharacterClasses.isSpace(code) else { break }
        start += length
      }
      while right, end > start {
        let last = bytes.start(before: end)
        guard CharacterClasses.isSpace(bytes.character(at: last).code) else { break }
        end = last
      }
      return start..<end
    }
    text.keep(range)
  }
}

struct Prepend: Normalizer {
  let text: [UInt8]
  func normalize(_ text: inout Fragment) { text.prepend(self.text) }
}

/// Puts `content` where `pattern` matches; it stands for the last character of what it replaces.
struct Replace: Normalizer {
  let pattern: any Pattern
  let content: [UInt8]

  func normalize(_ text: inout Fragment) throws(TokenizerError) {
    var matches: [Range<Int>] = []
    try text.bytes.withUnsafeBufferPointer { (bytes) throws(TokenizerError) in
      try pattern.forEachMatch(in: bytes, 0..<bytes.count) { matches.append($0) }
    }
    if matches.isEmpty { return }
    try TokenizerError.checkGrowth(text.bytes.count + matches.count * content.count)
    text.align()
    var new = text.successor(capacity: text.bytes.count + matches.count * content.count)
    var done = 0
    for match in matches {
      new.append(part: done..<match.lowerBound, of: text)
      if match.upperBound > 0 { new.append(text: content, from: text, at: match.upperBound - 1) }
      done = match.upperBound
    }
    new.append(part: done..<text.bytes.count, of: text)
    text = new
  }
}

extension Fragment {
  mutating func append(part range: Range<Int>, of other: Fragment) {
    bytes += other.bytes[range]
    starts += other.starts[range]
    ends += other.ends[range]
  }
}

/// SentencePiece's rules for the Moses-like cleaning of NMT data.
struct NmtNormalizer: Normalizer {
  func normalize(_ text: inout Fragment) {
    text.map { code, keep in
      switch code {
      case 0x01...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x8F, 0x9F: break
      case 0x09, 0x0A, 0x0C, 0x0D, 0x1680, 0x200B...0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD: keep(0x20)
      default: keep(code)
      }
    }
  }
}

/// Every byte as the character that stands for it in byte-level vocabularies.
struct ByteLevelNormalizer: Normalizer {
  func normalize(_ text: inout Fragment) {
    text.align()
    var new = text.successor(capacity: 2 * text.bytes.count)
    for (index, byte) in text.bytes.enumerated() { new.append(ByteAlphabet.character(of: byte), from: text, at: index) }
    text = new
  }
}
