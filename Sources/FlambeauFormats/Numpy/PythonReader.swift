/// Reads the few Python literals an `.npy` header has.
struct PythonReader {
  private let text: UnsafeRawBufferPointer
  private var position = 0

  init(_ text: UnsafeRawBufferPointer) { self.text = text }

  private var next: UInt8? { position < text.count ? text[position] : nil }

  func failure(_ what: String) -> NpyHeader.Failure { NpyHeader.Failure(what: what, position: position) }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x09 { position += 1 }
  }

  mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard next == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  mutating func expect(_ character: Unicode.Scalar) throws(NpyHeader.Failure) {
    guard take(character) else { throw failure("'\(character)' was expected") }
  }

  mutating func expectEnd() throws(NpyHeader.Failure) {
    skipSpace()
    if position < text.count { throw failure("something follows the dictionary") }
  }

  /// A string in either kind of quotes, without escapes: no name an array can have needs one.
  mutating func string() throws(NpyHeader.Failure) -> String {
    guard let quote: Unicode.Scalar = take("'") ? "'" : take("\"") ? "\"" : nil else { throw failure("a string was expected") }
    let start = position
    while let byte = next, byte != UInt8(ascii: quote) {
      guard byte >= 0x20, byte < 0x7F, byte != 0x5C else { throw failure("a string holds a character it cannot have") }
      position += 1
    }
    guard next != nil else { throw failure("a string does not end") }
    position += 1
    return String(decoding: text[start..<position - 1], as: UTF8.self)
  }

  mutating func boolean() throws(NpyHeader.Failure) -> Bool {
    skipSpace()
    let start = position
    while let byte = next, byte | 0x20 >= 0x61, byte | 0x20 <= 0x7A { position += 1 }
    switch String(decoding: text[start..<position], as: UTF8.self) {
    case "True": return true
    case "False": return false
    default: throw failure("True or False was expected")
    }
  }

  /// A tuple of sizes. The comma makes it one: `(3)` is a number.
  mutating func tuple() throws(NpyHeader.Failure) -> [Int] {
    try expect("(")
    var sizes: [Int] = []
    while !take(")") {
      sizes.append(try size())
      if take(",") { continue }
      guard sizes.count > 1 else { throw failure("',' was expected") }
      try expect(")")
      break
    }
    return sizes
  }

  private mutating func size() throws(NpyHeader.Failure) -> Int {
    skipSpace()
    let start = position
    guard let value = text.number(at: &position) else { throw failure("the size is too large") }
    guard position > start, position == start + 1 || text[start] != 0x30 else { throw failure("a size was expected") }
    // Python 2 marked its long integers.
    if next == UInt8(ascii: "L") { position += 1 }
    return value
  }
}
