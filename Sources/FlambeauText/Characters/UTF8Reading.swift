/// Valid UTF-8, as every Swift string is, read character by character.
typealias Bytes = UnsafeBufferPointer<UInt8>

extension UnsafeBufferPointer<UInt8> {
  /// How many bytes the character has that begins with `lead`.
  @inline(__always)
  static func length(_ lead: UInt8) -> Int { lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4 }

  /// The character that begins at `index`, and its length.
  @inline(__always)
  func character(at index: Int) -> (code: UInt32, length: Int) {
    let lead = self[index]
    if lead < 0x80 { return (UInt32(lead), 1) }
    let second = UInt32(self[index + 1] & 0x3F)
    if lead < 0xE0 { return (UInt32(lead & 0x1F) << 6 | second, 2) }
    let third = UInt32(self[index + 2] & 0x3F)
    if lead < 0xF0 { return (UInt32(lead & 0x0F) << 12 | second << 6 | third, 3) }
    return (UInt32(lead & 0x07) << 18 | second << 12 | third << 6 | UInt32(self[index + 3] & 0x3F), 4)
  }

  /// Where the character begins that ends before `index`.
  @inline(__always)
  func start(before index: Int) -> Int {
    var index = index - 1
    while self[index] & 0xC0 == 0x80 { index -= 1 }
    return index
  }

  @inline(__always)
  func slice(_ range: Range<Int>) -> Bytes { Bytes(rebasing: self[range]) }

  /// The range as a string.
  func string(_ range: Range<Int>) -> String { String(decoding: self[range], as: UTF8.self) }

  /// How many characters there are.
  var characterCount: Int { reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) } }

  var isASCII: Bool {
    var bits: UInt8 = 0
    for byte in self { bits |= byte }
    return bits < 0x80
  }
}

extension String {
  /// Calls `body` with the string's bytes.
  mutating func withBytes<R, E: Error>(_ body: (Bytes) throws(E) -> R) throws(E) -> R {
    let result: Result<R, E> = withUTF8 { bytes in
      do throws(E) { return .success(try body(bytes)) } catch { return .failure(error) }
    }
    return try result.get()
  }
}

extension [UInt8] {
  /// Appends a character, which is none of the surrogates.
  @inline(__always)
  mutating func append(character code: UInt32) {
    if code < 0x80 { return append(UInt8(truncatingIfNeeded: code)) }
    if code < 0x800 {
      append(UInt8(0xC0 | code >> 6))
    } else {
      if code < 0x10000 {
        append(UInt8(0xE0 | code >> 12))
      } else {
        append(UInt8(truncatingIfNeeded: 0xF0 | code >> 18))
        append(UInt8(0x80 | code >> 12 & 0x3F))
      }
      append(UInt8(0x80 | code >> 6 & 0x3F))
    }
    append(UInt8(0x80 | code & 0x3F))
  }
}
