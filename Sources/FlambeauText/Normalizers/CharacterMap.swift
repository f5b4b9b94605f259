/// SentencePiece's compiled map of characters: a double array over UTF-8 whose values are places in a text of replacements.
///
/// The file is data of others: every index is checked.
struct CharacterMap: Normalizer {
  private let units: [UInt32]
  private let replacements: [UInt8]
  /// For each ASCII character, whether it stays and no longer text begins with it.
  private let isPlain: [Bool]

  /// nil if the bytes are no such map.
  init?(_ bytes: [UInt8]) {
    guard bytes.count >= 4 else { return nil }
    func number(_ index: Int) -> UInt32 { (0..<4).reduce(0) { $0 | UInt32(bytes[index + $1]) << UInt32(8 * $1) } }
    let size = Int(number(0))
    guard size % 4 == 0, size >= 4, size <= bytes.count - 4 else { return nil }
    units = (0..<size / 4).map { number(4 + 4 * $0) }
    replacements = Array(bytes[(4 + size)...])
    guard String(validating: replacements, as: UTF8.self) != nil else { return nil }
    let units = units
    isPlain = (0..<128).map { (byte: UInt8) in
      let root = Self.offset(units[0])
      let place = Int(root) ^ Int(byte)
      return byte == 0 || place >= units.count || Self.label(units[place]) != UInt32(byte)
    }
  }

  private static func offset(_ unit: UInt32) -> UInt32 { (unit >> 10) << ((unit & (1 << 9)) >> 6) }
  private static func label(_ unit: UInt32) -> UInt32 { unit & ((1 << 31) | 0xFF) }

  /// What the shortest beginning of `text` that the map has becomes, which is how SentencePiece's models were trained; nil if it has none.
  private func replacement(of text: Bytes.SubSequence) -> Range<Int>? {
    var place = Int(Self.offset(units[0]))
    for byte in text {
      guard byte != 0 else { return nil }
      place ^= Int(byte)
      guard place < units.count, Self.label(units[place]) == UInt32(byte) else { return nil }
      let unit = units[place]
      place ^= Int(Self.offset(unit))
      guard (unit >> 8) & 1 == 1 else { continue }
      guard place < units.count else { return nil }
      let start = Int(units[place] & 0x7FFF_FFFF)
      guard start < replacements.count else { return nil }
      let end = replacements[start...].firstIndex(of: 0) ?? replacements.count
      return start..<end
    }
    return nil
  }

  func normalize(_ text: inout Fragment) {
    if text.bytes.allSatisfy({ $0 < 0x80 && isPlain[Int($0)] }) { return }
    let changes: [UnicodeForms.Change]? = text.bytes.withUnsafeBufferPointer { bytes in
      var changes: [UnicodeForms.Change] = []
      changes.reserveCapacity(bytes.count)
      var isModified = false
      // The rules are for characters as readers see them, if they are short, and else for each code point.
      var start = 0
      for cluster in String(decoding: bytes, as: UTF8.self) {
        let end = start + cluster.utf8.count
        if end - start < 6, let found = replacement(of: bytes[start..<end]) {
          isModified = true
          append(found, for: cluster.unicodeScalars.count, to: &changes)
        } else {
          var index = start
          while index < end {
            let (code, length) = bytes.character(at: index)
            if let found = replacement(of: bytes[index..<index + length]) {
              isModified = true
              append(found, for: 1, to: &changes)
            } else {
              changes.append((code, 0))
            }
            index += length
          }
        }
        start = end
      }
      return isModified ? changes : nil
    }
    if let changes { text.transform(changes) }
  }

  /// The characters of `range` replace `count` characters.
  private func append(_ range: Range<Int>, for count: Int, to changes: inout [UnicodeForms.Change]) {
    let new = String(decoding: replacements[range], as: UTF8.self).unicodeScalars
    for (index, scalar) in new.enumerated() { changes.append((scalar.value, index < count ? 0 : 1)) }
    if new.count < count, let last = changes.indices.last { changes[last].change += new.count - count }
  }
}
