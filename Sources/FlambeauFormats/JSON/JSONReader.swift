/// Reads JSON (RFC 8259) token by token. Its caller sees every key, also the second of two equal ones.
package struct JSONReader {
  private let text: UnsafeRawBufferPointer
  package private(set) var position = 0

  /// What is wrong, and at which byte.
  package struct Failure: Error {
    package let what: String
    package let position: Int
  }

  /// The nesting that the official implementation's parser accepts in a value that it passes over.
  private static let deepest = 125

  package init(_ text: UnsafeRawBufferPointer) { self.text = text }

  package var next: UInt8? { position < text.count ? text[position] : nil }

  package func failure(_ what: String) -> Failure { Failure(what: what, position: position) }

  package mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
  }

  /// Takes `character` if it comes next.
  package mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard next == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  package mutating func expect(_ character: Unicode.Scalar) throws(Failure) {
    guard take(character) else { throw failure("'\(character)' was expected") }
  }

  package mutating func expectEnd() throws(Failure) {
    skipSpace()
    if position < text.count { throw failure("something follows the object") }
  }

  /// Calls `item` at each value of an array.
  package mutating func array(_ item: (inout JSONReader) throws(Failure) -> Void) throws(Failure) {
    try expect("[")
    if take("]") { return }
    repeat { try item(&self) } while take(",")
    try expect("]")
  }

  /// Calls `item` with each key of an object, at its value.
  package mutating func object(_ item: (inout JSONReader, String) throws(Failure) -> Void) throws(Failure) {
    try expect("{")
    if take("}") { return }
    repeat {
      let key = try string()
      try expect(":")
      try item(&self, key)
    } while take(",")
    try expect("}")
  }

  /// A whole number from 0 to `Int.max`, written without a point or an exponent.
  package mutating func count() throws(Failure) -> Int {
    skipSpace()
    let start = position
    guard let value = text.number(at: &position) else { throw failure("the number is too large") }
    let digits = position - start
    let isWhole = next != 0x2E && next != 0x65 && next != 0x45
    guard digits > 0, digits == 1 || text[start] != 0x30, isWhole else {
      throw failure("a whole number from 0 was expected")
    }
    return value
  }

  package mutating func string() throws(Failure) -> String {
    var bytes: [UInt8] = []
    try string(into: &bytes)
    guard let string = String(validating: bytes, as: UTF8.self) else { throw failure("the text is not UTF-8") }
    return string
  }

  /// Appends the bytes of a string, which may be no UTF-8.
  package mutating func string(into bytes: inout [UInt8]) throws(Failure) {
    try expect("\"")
    while let byte = next {
      position += 1
      switch byte {
      case 0x22: return
      case 0x5C: bytes.append(contentsOf: try escape().utf8)
      case 0..<0x20: throw failure("a string holds a control character")
      default: bytes.append(byte)
      }
    }
    throw failure("a string does not end")
  }

  private static let escapes: [UInt8: Character] = [
    0x22: "\"", 0x5C: "\\", 0x2F: "/", 0x62: "\u{8}", 0x66: "\u{C}", 0x6E: "\n", 0x72: "\r", 0x74: "\t",
  ]

  private mutating func escape() throws(Failure) -> Character {
    guard let byte = next else { throw failure("a string does not end") }
    position += 1
    if let character = Self.escapes[byte] { return character }
    guard byte == 0x75 else { throw failure("an escape is unknown") }
    var unit = try fourHexDigits()
    if unit >= 0xD800, unit < 0xDC00, next == 0x5C {
      position += 1
      guard next == 0x75 else { throw failure("half a surrogate pair") }
      position += 1
      let low = try fourHexDigits()
      guard low >= 0xDC00, low < 0xE000 else { throw failure("half a surrogate pair") }
      unit = 0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)
    }
    guard let scalar = Unicode.Scalar(unit) else { throw failure("half a surrogate pair") }
    return Character(scalar)
  }

  private mutating func fourHexDigits() throws(Failure) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw failure("four hexadecimal digits were expected")
      }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }

  /// Takes `word` if it comes next.
  package mutating func take(word: StaticString) -> Bool {
    skipSpace()
    let count = word.utf8CodeUnitCount
    guard count <= text.count - position else { return false }
    for offset in 0..<count where text[position + offset] != word.utf8Start[offset] { return false }
    position += count
    return true
  }

  /// Passes over a value of any kind.
  package mutating func skipValue(depth: Int = 0) throws(Failure) {
    skipSpace()
    let nests = next == 0x7B || next == 0x5B
    if nests, depth == Self.deepest { throw failure("the nesting is too deep") }
    switch next {
    case 0x22: _ = try string()
    case 0x7B: try object { (reader, _) throws(Failure) in try reader.skipValue(depth: depth + 1) }
    case 0x5B: try array { (reader) throws(Failure) in try reader.skipValue(depth: depth + 1) }
    default:
      if take(word: "true") || take(word: "false") || take(word: "null") { return }
      try skipNumber()
    }
  }

  /// A value of any kind as text: a string's characters, everything else as it is written.
  package mutating func valueText() throws(Failure) -> String {
    skipSpace()
    if next == 0x22 { return try string() }
    let start = position
    try skipValue()
    guard let value = String(validating: text[start..<position], as: UTF8.self) else { throw failure("the text is not UTF-8") }
    return value
  }

  private mutating func skipNumber() throws(Failure) {
    if next == 0x2D { position += 1 }
    if next == 0x30 { position += 1 } else { try skipDigits() }
    if next == 0x2E {
      position += 1
      try skipDigits()
    }
    if next == 0x65 || next == 0x45 {
      position += 1
      if next == 0x2B || next == 0x2D { position += 1 }
      try skipDigits()
    }
  }

  private mutating func skipDigits() throws(Failure) {
    let start = position
    while let byte = next, byte >= 0x30, byte <= 0x39 { position += 1 }
    if position == start { throw failure("a value was expected") }
  }
}
