/// A set of characters in a regular expression.
indirect enum RegexCharacters: Sendable {
  case ranges([ClosedRange<UInt32>])
  /// General categories, a bit each.
  case categories(UInt32)
  case space
  case word
  case not(RegexCharacters)
  case any([RegexCharacters])
  case all([RegexCharacters])

  func contains(_ code: UInt32) -> Bool {
    switch self {
    case .ranges(let ranges):
      for range in ranges where range.contains(code) { return true }
      return false
    case .categories(let mask): return CharacterClasses.category(code) & mask != 0
    case .space: return CharacterClasses.isSpace(code)
    case .word: return CharacterClasses.isWord(code)
    case .not(let set): return !set.contains(code)
    case .any(let sets):
      for set in sets where set.contains(code) { return true }
      return false
    case .all(let sets):
      for set in sets where !set.contains(code) { return false }
      return true
    }
  }

  static func one(_ code: UInt32) -> RegexCharacters { .ranges([code...code]) }
  static let lineEnd = one(0x0A)
  static let everything = RegexCharacters.ranges([0...0x10FFFF])

  /// A character in either case.
  static func folded(_ code: UInt32) -> RegexCharacters {
    guard let scalar = Unicode.Scalar(code) else { return one(code) }
    var codes: Set<UInt32> = [code]
    for mapping in [scalar.properties.lowercaseMapping, scalar.properties.uppercaseMapping, scalar.properties.titlecaseMapping] {
      let scalars = mapping.unicodeScalars
      if scalars.count == 1, let first = scalars.first {
        codes.insert(first.value)
        let back = first.properties.lowercaseMapping.unicodeScalars
        if back.count == 1, let last = back.first { codes.insert(last.value) }
      }
    }
    if codes.contains(0x73) { codes.insert(0x17F) }
    if codes.contains(0x6B) { codes.insert(0x212A) }
    return .ranges(codes.sorted().map { $0...$0 })
  }

  /// What `\p{name}` holds; nil for a name that is not known here.
  static func property(_ name: String) -> RegexCharacters? {
    let plain = name.filter { $0 != "_" && $0 != " " && $0 != "-" }.lowercased()
    if let found = named[plain] { return found }
    for (short, _) in CharacterClasses.categories
    where short.lowercased() == plain || String(short.prefix(1)).lowercased() == plain {
      return .categories(CharacterClasses.mask(plain.count == 1 ? String(short.prefix(1)) : short))
    }
    return nil
  }

  private static let named: [String: RegexCharacters] = [
    "letter": .categories(CharacterClasses.mask("L")), "mark": .categories(CharacterClasses.mask("M")),
    "number": .categories(CharacterClasses.mask("N")), "punctuation": .categories(CharacterClasses.mask("P")),
    "punct": .categories(CharacterClasses.mask("P")), "symbol": .categories(CharacterClasses.mask("S")),
    "separator": .categories(CharacterClasses.mask("Z")), "other": .categories(CharacterClasses.mask("C")),
    "alpha": .any([.categories(CharacterClasses.mask("L") | CharacterClasses.mask("M"))]),
    "digit": .categories(CharacterClasses.mask("Nd")),
    "space": .space, "whitespace": .space, "word": .word, "upper": .categories(CharacterClasses.mask("Lu")),
    "lower": .categories(CharacterClasses.mask("Ll")), "any": everything,
    "alnum": .categories(CharacterClasses.mask("L") | CharacterClasses.mask("M") | CharacterClasses.mask("Nd")),
    "cntrl": .categories(CharacterClasses.mask("Cc")), "ascii": .ranges([0...0x7F]),
    "han": .ranges([
      0x2E80...0x2E99, 0x2E9B...0x2EF3, 0x2F00...0x2FD5, 0x3005...0x3005, 0x3007...0x3007, 0x3021...0x3029, 0x3038...0x303B,
      0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFA6D, 0xFA70...0xFAD9, 0x16FE2...0x16FE3, 0x16FF0...0x16FF1,
      0x20000...0x2A6DF, 0x2A700...0x2B739, 0x2B740...0x2B81D, 0x2B820...0x2CEA1, 0x2CEB0...0x2EBE0, 0x2EBF0...0x2EE5D,
      0x2F800...0x2FA1D, 0x30000...0x3134A, 0x31350...0x323AF,
    ]),
    "hiragana": .ranges([
      0x3041...0x3096, 0x309D...0x309F, 0x1B001...0x1B11F, 0x1B132...0x1B132, 0x1B150...0x1B152, 0x1F200...0x1F200,
    ]),
    "katakana": .ranges([
      0x30A1...0x30FA, 0x30FD...0x30FF, 0x31F0...0x31FF, 0x32D0...0x32FE, 0x3300...0x3357, 0xFF66...0xFF6F, 0xFF71...0xFF9D,
      0x1AFF0...0x1AFF3, 0x1AFF5...0x1AFFB, 0x1AFFD...0x1AFFE, 0x1B000...0x1B000, 0x1B120...0x1B122, 0x1B155...0x1B155,
      0x1B164...0x1B167,
    ]),
    "hangul": .ranges([
      0x1100...0x11FF, 0x302E...0x302F, 0x3131...0x318E, 0x3200...0x321E, 0x3260...0x327E, 0xA960...0xA97C, 0xAC00...0xD7A3,
      0xD7B0...0xD7C6, 0xD7CB...0xD7FB, 0xFFA0...0xFFBE, 0xFFC2...0xFFC7, 0xFFCA...0xFFCF, 0xFFD2...0xFFD7, 0xFFDA...0xFFDC,
    ]),
  ]
}

/// A set of characters, the ASCII ones as bits.
struct RegexSet: Sendable {
  private let low: UInt64
  private let high: UInt64
  private let rest: RegexCharacters

  init(_ set: RegexCharacters) {
    var bits: (UInt64, UInt64) = (0, 0)
    for code in 0..<UInt32(64) where set.contains(code) { bits.0 |= 1 << UInt64(code) }
    for code in 64..<UInt32(128) where set.contains(code) { bits.1 |= 1 << UInt64(code - 64) }
    (low, high) = bits
    rest = set
  }

  @inline(__always)
  func contains(_ code: UInt32) -> Bool {
    if code < 64 { return low >> UInt64(code) & 1 == 1 }
    if code < 128 { return high >> UInt64(code - 64) & 1 == 1 }
    return rest.contains(code)
  }
}
