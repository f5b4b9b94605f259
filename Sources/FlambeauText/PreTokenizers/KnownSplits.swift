/// The patterns that most byte-level tokenizers split by, read by hand: several times faster than as regular expressions.
struct KnownSplit: Pattern {
  /// What differs between them.
  private struct Rules {
    /// GPT-2's: a space, and nothing else, may precede a word, and contractions are lower case.
    let isFirstGeneration: Bool
    /// The most digits in a piece.
    let digits: Int
  }

  static let gpt2 = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
  private static let later = (
    head: #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"#,
    tail: #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  )
  private static let known: [String: Rules] = [
    gpt2: Rules(isFirstGeneration: true, digits: .max),
    later.head + #"\p{N}{1,3}"# + later.tail: Rules(isFirstGeneration: false, digits: 3),
    later.head + #"\p{N}"# + later.tail: Rules(isFirstGeneration: false, digits: 1),
    later.head + #"\p{N}+"# + later.tail: Rules(isFirstGeneration: false, digits: .max),
  ]

  private let rules: Rules

  /// nil for a pattern that is none of these.
  init?(_ pattern: String) {
    guard let rules = Self.known[pattern] else { return nil }
    self.rules = rules
  }

  var coversText: Bool { true }

  private static let letter: UInt8 = 1
  private static let number: UInt8 = 2
  private static let space: UInt8 = 4

  @inline(__always)
  private static func kind(_ text: Bytes, _ index: Int) -> (kind: UInt8, length: Int) {
    let (code, length) = text.character(at: index)
    return (CharacterClasses.kind(code), length)
  }

  /// Where the run of characters of `kind` ends that goes on at `index`; 0 is what is neither letter, number nor space.
  @inline(__always)
  private static func run(_ kind: UInt8, _ text: Bytes, _ start: Int, _ end: Int) -> Int {
    var index = start
    while index < end {
      let (next, length) = Self.kind(text, index)
      guard next == kind else { break }
      index += length
    }
    return index
  }

  func forEachMatch(in text: Bytes, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
    var index = range.lowerBound
    while index < range.upperBound {
      let next = rules.isFirstGeneration ? Self.next(text, index, range.upperBound) : later(text, index, range.upperBound)
      body(index..<next)
      index = next
    }
  }

  /// The end of the contraction that begins with the apostrophe at `index`.
  private static func contraction(_ text: Bytes, _ index: Int, _ end: Int, ignoringCase: Bool) -> Int? {
    guard index + 1 < end else { return nil }
    let fold: UInt8 = ignoringCase ? 0x20 : 0
    let first = text[index + 1] | fold
    if first == UInt8(ascii: "s") || first == UInt8(ascii: "t") || first == UInt8(ascii: "m") || first == UInt8(ascii: "d") {
      return index + 2
    }
    // ſ is an s to who ignores case.
    if ignoringCase, text[index + 1] == 0xC5, index + 2 < end, text[index + 2] == 0xBF { return index + 3 }
    guard index + 2 < end else { return nil }
    let second = text[index + 2] | fold
    switch (first, second) {
    case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")), (UInt8(ascii: "l"), UInt8(ascii: "l")):
      return index + 3
    default: return nil
    }
  }

  private static func next(_ text: Bytes, _ index: Int, _ end: Int) -> Int {
    if text[index] == UInt8(ascii: "'"), let found = contraction(text, index, end, ignoringCase: false) { return found }
    let (kind, length) = kind(text, index)
    if text[index] == 0x20, index + 1 < end {
      let (second, secondLength) = Self.kind(text, index + 1)
      if second != space { return run(second, text, index + 1 + secondLength, end) }
    }
    return kind == space ? spaces(text, index, end) : run(kind, text, index + length, end)
  }

  /// White space without the last one, which belongs to the word that follows.
  private static func spaces(_ text: Bytes, _ index: Int, _ end: Int) -> Int {
    let stop = run(space, text, index, end)
    if stop == end { return end }
    let last = text.start(before: stop)
    return last > index ? last : stop
  }

  private func later(_ text: Bytes, _ index: Int, _ end: Int) -> Int {
    let byte = text[index]
    if byte == UInt8(ascii: "'"), let found = Self.contraction(text, index, end, ignoringCase: true) { return found }
    let (kind, length) = Self.kind(text, index)
    let isLineEnd = byte == 0x0A || byte == 0x0D
    if kind == Self.letter { return Self.run(Self.letter, text, index + length, end) }
    if kind == Self.number { return digits(text, index, end) }
    if !isLineEnd, index + length < end {
      let (second, secondLength) = Self.kind(text, index + length)
      if second == Self.letter { return Self.run(Self.letter, text, index + length + secondLength, end) }
      if byte == 0x20, second == 0 { return Self.symbols(text, index + length, end) }
    }
    return kind == 0 ? Self.symbols(text, index, end) : lines(text, index, end)
  }

  private func digits(_ text: Bytes, _ start: Int, _ end: Int) -> Int {
    var (index, count) = (start, 0)
    while index < end, count < rules.digits {
      let (kind, length) = Self.kind(text, index)
      guard kind == Self.number else { break }
      index += length
      count += 1
    }
    return index
  }

  /// Symbols, and the ends of lines after them.
  private static func symbols(_ text: Bytes, _ start: Int, _ end: Int) -> Int {
    var index = run(0, text, start, end)
    while index < end, text[index] == 0x0A || text[index] == 0x0D { index += 1 }
    return index
  }

  /// White space up to the last end of a line, if it has one.
  private func lines(_ text: Bytes, _ start: Int, _ end: Int) -> Int {
    let stop = Self.run(Self.space, text, start, end)
    var index = stop
    while index > start {
      if text[index - 1] == 0x0A || text[index - 1] == 0x0D { return index }
      index -= 1
    }
    return Self.spaces(text, start, end)
  }
}
