/// The characters that stand for the 256 bytes in byte-level vocabularies: printable Latin-1 for themselves, the rest from U+0100 on.
enum ByteAlphabet {
  private static let printable: [ClosedRange<UInt32>] = [0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF]

  static let characters: [UInt32] = {
    var next: UInt32 = 0x100
    return (0..<256).map { (byte: UInt32) in
      if printable.contains(where: { $0.contains(byte) }) { return byte }
      defer { next += 1 }
      return next
    }
  }()

  /// By character, the byte it stands for; −1 for none.
  private static let bytes: [Int16] = {
    var bytes = [Int16](repeating: -1, count: 0x180)
    for (byte, character) in characters.enumerated() { bytes[Int(character)] = Int16(byte) }
    return bytes
  }()

  @inline(__always)
  static func character(of byte: UInt8) -> UInt32 { characters[Int(byte)] }

  @inline(__always)
  static func byte(of character: UInt32) -> UInt8? {
    character < 0x180 && bytes[Int(character)] >= 0 ? UInt8(bytes[Int(character)]) : nil
  }

  /// Appends the bytes that `token` stands for; those of the token itself if a character stands for none.
  static func append(_ token: Bytes.SubSequence, to result: inout [UInt8]) {
    let before = result.count
    let text = Bytes(rebasing: token)
    var index = 0
    while index < text.count {
      let (code, length) = text.character(at: index)
      guard let byte = byte(of: code) else {
        result.removeLast(result.count - before)
        result += token
        return
      }
      result.append(byte)
      index += length
    }
  }

  /// The text whose characters stand for `bytes`.
  static func text(of bytes: some Sequence<UInt8>) -> [UInt8] {
    var text: [UInt8] = []
    for byte in bytes { text.append(character: character(of: byte)) }
    return text
  }
}
