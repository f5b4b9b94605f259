/// Writes a zip file front to back.
struct ZipWriter {
  static let largestShort: UInt64 = 0xFFFF_FFFF

  private struct Entry {
    let name: [UInt8]
    let method: UInt16
    let checksum: UInt32
    let packed: UInt64
    let size: UInt64
    let offset: UInt64
  }

  private var entries: [Entry] = []
  private let limit: UInt64

  /// From `limit` on, sizes are written as zip64.
  init(limit: UInt64) { self.limit = limit }

  /// A little-endian number.
  private static func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }

  private func short(_ value: UInt64) -> UInt32 { value >= limit ? 0xFFFF_FFFF : UInt32(value) }

  /// Adds a member that holds `parts` one after another; `deflated` is what zlib made of them, if anything. The bytes begin at
  /// a multiple of `alignment`.
  mutating func add(
    _ name: String, _ parts: [StoredBytes], deflated: [UInt8]? = nil, alignment: Int = 1, to file: inout AtomicFile
  ) throws(FormatError) {
    var checksum = CRC32()
    for part in parts { checksum.update(part) }
    let size = UInt64(parts.reduce(0) { $0 + $1.count })
    let entry = Entry(
      name: Array(name.utf8), method: deflated == nil ? 0 : 8, checksum: checksum.value,
      packed: deflated.map { UInt64($0.count) } ?? size, size: size, offset: UInt64(file.count))
    entries.append(entry)
    // In a local header, zip64's sizes come as a pair.
    let isLarge = max(entry.size, entry.packed) >= limit
    var extra = isLarge ? Self.extra([entry.size, entry.packed]) : []
    if alignment > 1 {
      // A field of PyTorch's, which its readers and all others pass over.
      let end = file.count + 30 + entry.name.count + extra.count + 4
      let padding = (alignment - end % alignment) % alignment
      extra += Array("FB".utf8) + Self.bytes(UInt16(padding)) + [UInt8](repeating: UInt8(ascii: "Z"), count: padding)
    }
    try file.write(
      [0x50, 0x4B, 3, 4] + Self.common(entry, isLarge: isLarge)
        + Self.bytes(isLarge ? 0xFFFF_FFFF : UInt32(entry.packed)) + Self.bytes(isLarge ? 0xFFFF_FFFF : UInt32(entry.size))
        + Self.bytes(UInt16(entry.name.count)) + Self.bytes(UInt16(extra.count)) + entry.name + extra)
    if let deflated {
      try file.write(deflated)
    } else {
      for part in parts { try file.write(part) }
    }
  }

  /// Version, UTF-8 flag, method, 1 January 1980, checksum: the fields that both headers share.
  private static func common(_ entry: Entry, isLarge: Bool) -> [UInt8] {
    bytes(UInt16(isLarge ? 45 : 20)) + bytes(UInt16(1 << 11)) + bytes(entry.method) + bytes(UInt16(0)) + bytes(UInt16(0x21))
      + bytes(entry.checksum)
  }

  private static func extra(_ sizes: [UInt64]) -> [UInt8] {
    sizes.isEmpty ? [] : bytes(UInt16(1)) + bytes(UInt16(sizes.count * 8)) + sizes.flatMap { bytes($0) }
  }

  /// Writes the directory.
  func finish(_ file: inout AtomicFile) throws(FormatError) {
    let start = UInt64(file.count)
    for entry in entries {
      let extra = Self.extra([entry.size, entry.packed, entry.offset].filter { $0 >= limit })
      try file.write(
        [0x50, 0x4B, 1, 2] + Self.bytes(UInt16(45)) + Self.common(entry, isLarge: !extra.isEmpty)
          + Self.bytes(short(entry.packed)) + Self.bytes(short(entry.size)) + Self.bytes(UInt16(entry.name.count))
          + Self.bytes(UInt16(extra.count)) + [UInt8](repeating: 0, count: 10) + Self.bytes(short(entry.offset))
          + entry.name + extra)
    }
    let end = UInt64(file.count)
    let count = UInt64(entries.count)
    let isLarge = end >= limit || count >= 0xFFFF
    if isLarge {
      try file.write(
        [0x50, 0x4B, 6, 6] + Self.bytes(UInt64(44)) + Self.bytes(UInt16(45)) + Self.bytes(UInt16(45))
          + Self.bytes(UInt64(0)) + [count, count, end - start, start].flatMap { Self.bytes($0) }
          + [0x50, 0x4B, 6, 7] + Self.bytes(UInt32(0)) + Self.bytes(end) + Self.bytes(UInt32(1)))
    }
    let shortCount = Self.bytes(isLarge ? 0xFFFF : UInt16(count))
    try file.write(
      [0x50, 0x4B, 5, 6, 0, 0, 0, 0] + shortCount + shortCount
        + Self.bytes(isLarge ? 0xFFFF_FFFF : UInt32(end - start)) + Self.bytes(isLarge ? 0xFFFF_FFFF : UInt32(start))
        + Self.bytes(UInt16(0)))
  }
}
