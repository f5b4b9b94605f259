/// The checksum of TFRecord files: Castagnoli's CRC-32.
enum CRC32C {
  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1 }
  }

  static func value(_ bytes: some Sequence<UInt8>) -> UInt32 {
    ~bytes.reduce(~0) { crc, byte in crc >> 8 ^ table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] }
  }

  /// TFRecord's form, in which a checksum of data that hold checksums is as good as any.
  static func masked(_ bytes: some Sequence<UInt8>) -> UInt32 {
    let crc = value(bytes)
    return (crc >> 15 | crc << 17) &+ 0xA282_EAD8
  }
}
