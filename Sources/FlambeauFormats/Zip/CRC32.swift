/// The checksum of zip files: the reflected polynomial 0xEDB88320.
struct CRC32 {
  private var state: UInt32 = 0xFFFF_FFFF

  var value: UInt32 { ~state }

  /// `table[k][b]` is byte `b`'s effect after `k` more bytes, so that eight bytes take eight independent look-ups.
  private static let table: [UInt32] = {
    var table = (0..<256).map { byte in (0..<8).reduce(UInt32(byte)) { value, _ in value >> 1 ^ (value & 1) * 0xEDB8_8320 } }
    for index in 256..<2048 { table.append(table[Int(table[index - 256] & 0xFF)] ^ table[index - 256] >> 8) }
    return table
  }()

  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    var state = state
    Self.table.withUnsafeBufferPointer { table in
      var position = 0
      while position + 8 <= bytes.count {
        let word =
          UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)) ^ UInt64(state)
        state = 0
        for byte in 0..<8 { state ^= table[(7 - byte) * 256 + Int(word >> (UInt64(byte) * 8) & 0xFF)] }
        position += 8
      }
      while position < bytes.count {
        state = state >> 8 ^ table[Int((state ^ UInt32(bytes[position])) & 0xFF)]
        position += 1
      }
    }
    self.state = state
  }

  mutating func update(_ bytes: StoredBytes) { bytes.withUnsafeBytes { update($0) } }
}
