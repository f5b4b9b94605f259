/// The cleaning that BERT does before it cuts words.
struct BertNormalizer: Normalizer {
  /// Removes control characters and makes every white space a space.
  let cleanText: Bool
  /// Puts spaces around ideographs.
  let handleChineseCharacters: Bool
  let stripAccents: Bool
  let lowercase: Bool

  private static let removed: UInt8 = 0
  /// What becomes of ASCII characters; 0 for those that go.
  private let ascii: [UInt8]

  init(cleanText: Bool = true, handleChineseCharacters: Bool = true, stripAccents: Bool? = nil, lowercase: Bool = true) {
    self.cleanText = cleanText
    self.handleChineseCharacters = handleChineseCharacters
    self.stripAccents = stripAccents ?? lowercase
    self.lowercase = lowercase
    ascii = (0..<128).map { (byte: UInt8) in
      if cleanText {
        if byte == 0x09 || byte == 0x0A || byte == 0x0D { return 0x20 }
        if byte < 0x20 || byte == 0x7F { return Self.removed }
      }
      return lowercase && byte &- 0x41 < 26 ? byte | 0x20 : byte
    }
  }

  func normalize(_ text: inout Fragment) {
    if normalizeInPlace(&text) { return }
    text.map { code, keep in
      if code < 0x80 {
        let result = ascii[Int(code)]
        if result != Self.removed || (code == 0 && !cleanText) { keep(UInt32(result)) }
        return
      }
      var code = code
      if cleanText {
        if code == 0xFFFD || CharacterClasses.isRemovedControl(code) { return }
        if CharacterClasses.isSpace(code) { code = 0x20 }
      }
      if handleChineseCharacters, Self.isIdeograph(code) {
        keep(0x20)
        finish(code, keep)
        keep(0x20)
      } else {
        finish(code, keep)
      }
    }
  }

  @inline(__always)
  private func finish(_ code: UInt32, _ keep: (UInt32) -> Void) {
    guard stripAccents else { return lowercase ? LowercaseNormalizer.lowercase(code, keep) : keep(code) }
    UnicodeForms.decompose(code, compatibly: false) { part in
      if CharacterClasses.isStrippedMark(part) { return }
      if lowercase { LowercaseNormalizer.lowercase(part, keep) } else { keep(part) }
    }
  }

  /// Text of which no character goes or changes its length; false if there is another.
  private func normalizeInPlace(_ text: inout Fragment) -> Bool {
    ascii.withUnsafeBufferPointer { table in
      for byte in text.bytes where byte >= 0x80 || table[Int(byte)] == Self.removed { return false }
      text.bytes.withUnsafeMutableBufferPointer { for index in $0.indices { $0[index] = table[Int($0[index])] } }
      return true
    }
  }

  private static func isIdeograph(_ code: UInt32) -> Bool {
    switch code {
    case 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x2A6DF, 0x2A700...0x2B81F, 0x2B920...0x2CEAF,
      0x2F800...0x2FA1F:
      true
    default: false
    }
  }
}
