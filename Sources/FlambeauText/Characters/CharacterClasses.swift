/// What characters are: general categories and the few properties that tokenizers ask for, from a table.
enum CharacterClasses {
  /// The general categories of Unicode in the order of their numbers here.
  static let categories: [(name: String, category: Unicode.GeneralCategory)] = [
    ("Lu", .uppercaseLetter), ("Ll", .lowercaseLetter), ("Lt", .titlecaseLetter), ("Lm", .modifierLetter), ("Lo", .otherLetter),
    ("Mn", .nonspacingMark), ("Mc", .spacingMark), ("Me", .enclosingMark),
    ("Nd", .decimalNumber), ("Nl", .letterNumber), ("No", .otherNumber),
    ("Pc", .connectorPunctuation), ("Pd", .dashPunctuation), ("Ps", .openPunctuation), ("Pe", .closePunctuation),
    ("Pi", .initialPunctuation), ("Pf", .finalPunctuation), ("Po", .otherPunctuation),
    ("Sm", .mathSymbol), ("Sc", .currencySymbol), ("Sk", .modifierSymbol), ("So", .otherSymbol),
    ("Zs", .spaceSeparator), ("Zl", .lineSeparator), ("Zp", .paragraphSeparator),
    ("Cc", .control), ("Cf", .format), ("Cs", .surrogate), ("Co", .privateUse), ("Cn", .unassigned),
  ]

  /// The set of the categories whose names begin with `prefix`, a bit each; 0 for none.
  static func mask(_ prefix: String) -> UInt32 {
    categories.indices.reduce(UInt32(0)) { categories[$1].name.hasPrefix(prefix) ? $0 | UInt32(1) << UInt32($1) : $0 }
  }

  static let letters = mask("L")
  static let marks = mask("M")
  static let numbers = mask("N")
  static let punctuation = mask("P")
  private static let wordCategories = marks | mask("Nd") | mask("Pc")

  /// White_Space and "part of a word", beside the number of the category.
  private static let spaceBit: UInt8 = 0x80
  private static let wordBit: UInt8 = 0x40

  /// Characters from here on are looked up one by one.
  private static let tabled = 0x20000

  private static let numberOf: [Unicode.GeneralCategory: UInt8] = Dictionary(
    uniqueKeysWithValues: categories.enumerated().map { ($1.category, UInt8($0)) })

  /// Written once, before anybody can read it.
  nonisolated(unsafe) private static let table: UnsafePointer<UInt8> = {
    let table = UnsafeMutablePointer<UInt8>.allocate(capacity: tabled)
    for code in 0..<tabled { table[code] = entry(UInt32(code)) }
    return UnsafePointer(table)
  }()

  private static func entry(_ code: UInt32) -> UInt8 {
    guard let scalar = Unicode.Scalar(code) else { return numberOf[.surrogate]! }
    let properties = scalar.properties
    let number = numberOf[properties.generalCategory]!
    // Word characters are Alphabetic, marks, decimal digits, connecting punctuation (UTS #18) and, as Oniguruma has it, ²³¹¼½¾.
    let category = UInt32(1) << UInt32(number)
    let isWord =
      properties.isAlphabetic || category & wordCategories != 0 || (code < 0x100 && category & numbers != 0)
    return number | (properties.isWhitespace ? spaceBit : 0) | (isWord ? wordBit : 0)
  }

  @inline(__always)
  private static func lookup(_ code: UInt32) -> UInt8 { code < UInt32(tabled) ? table[Int(code)] : entry(code) }

  /// The bit of the character's category.
  @inline(__always)
  static func category(_ code: UInt32) -> UInt32 { UInt32(1) << UInt32(lookup(code) & 0x1F) }

  @inline(__always)
  static func isLetter(_ code: UInt32) -> Bool { category(code) & 0x1F != 0 }

  @inline(__always)
  static func isNumber(_ code: UInt32) -> Bool { category(code) & 0x700 != 0 }

  @inline(__always)
  static func isSpace(_ code: UInt32) -> Bool { lookup(code) & spaceBit != 0 }

  @inline(__always)
  static func isWord(_ code: UInt32) -> Bool { lookup(code) & wordBit != 0 }

  /// What splitters ask of a character, as bits: 1 letter, 2 number, 4 space.
  @inline(__always)
  static func kind(_ code: UInt32) -> UInt8 {
    let entry = lookup(code)
    let number = entry & 0x1F
    return (number < 5 ? 1 : 0) | (number &- 8 < 3 ? 2 : 0) | (entry & spaceBit != 0 ? 4 : 0)
  }

  /// Punctuation as BERT has it: also the ASCII symbols; of the rest what was punctuation in Unicode 8.
  static func isPunctuation(_ code: UInt32) -> Bool {
    if code < 0x80 { return code > 0x20 && code < 0x7F && !isLetter(code) && !isNumber(code) }
    guard category(code) & punctuation != 0 else { return code == 0x166D }
    return isOlder(code, than: 9)
  }

  /// A nonspacing mark of Unicode 8, which is what BERT's reference implementation strips.
  static func isStrippedMark(_ code: UInt32) -> Bool {
    code >= 0x300 && category(code) & (1 << 5) != 0 && isOlder(code, than: 9)
  }

  /// A control, format or private character of Unicode 8, but no unassigned one: what BERT's cleaning removes.
  static func isRemovedControl(_ code: UInt32) -> Bool { category(code) & controls != 0 && isOlder(code, than: 9) }
  private static let controls = mask("Cc") | mask("Cf") | mask("Co")

  /// Whether the character was assigned before this version of Unicode.
  static func isOlder(_ code: UInt32, than major: Int) -> Bool {
    guard let age = Unicode.Scalar(code)?.properties.age else { return false }
    return age.major < major
  }
}
