/// Texts with a number each, found by their bytes.
struct ByteTable {
  /// The texts one after another.
  private(set) var arena: [UInt8] = []
  private(set) var entries: [Entry] = []
  /// Numbers of entries plus one; 0 is a free place.
  private var slots: [UInt32]
  private var mask: Int

  struct Entry {
    let start: UInt32
    let count: UInt32
    var value: Int32
  }

  init(capacity: Int = 16) {
    var size = 16
    while size < 2 * capacity { size *= 2 }
    slots = [UInt32](repeating: 0, count: size)
    mask = size - 1
    entries.reserveCapacity(capacity)
    arena.reserveCapacity(8 * capacity)
  }

  @inline(__always)
  static func hash(_ text: Bytes) -> UInt64 {
    var hash: UInt64 = 0x9E37_79B9_7F4A_7C15 ^ UInt64(truncatingIfNeeded: text.count)
    let raw = UnsafeRawBufferPointer(text)
    var index = 0
    while index + 8 <= raw.count {
      hash = mix(hash, raw.loadUnaligned(fromByteOffset: index, as: UInt64.self))
      index += 8
    }
    var rest: UInt64 = 0
    while index < raw.count {
      rest = rest << 8 | UInt64(raw[index])
      index += 1
    }
    return mix(hash, rest)
  }

  @inline(__always)
  static func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let (high, low) = (a ^ b).multipliedFullWidth(by: 0xA076_1D64_78BD_642F)
    return high ^ low
  }

  @inline(__always)
  private func holds(_ entry: Entry, _ text: Bytes) -> Bool {
    guard Int(entry.count) == text.count else { return false }
    let start = Int(entry.start)
    for index in 0..<text.count where arena[start + index] != text[index] { return false }
    return true
  }

  /// The number of `text`.
  @inline(__always)
  subscript(_ text: Bytes) -> Int? {
    var slot = Int(truncatingIfNeeded: Self.hash(text)) & mask
    while slots[slot] != 0 {
      let entry = entries[Int(slots[slot]) - 1]
      if holds(entry, text) { return Int(entry.value) }
      slot = (slot + 1) & mask
    }
    return nil
  }

  subscript(_ text: [UInt8]) -> Int? { text.withUnsafeBufferPointer { self[$0] } }
  subscript(_ text: String) -> Int? {
    var text = text
    return text.withUTF8 { self[$0] }
  }

  /// Gives `text` the number `value`, in place of an earlier one.
  mutating func set(_ text: Bytes, _ value: Int) {
    var slot = Int(truncatingIfNeeded: Self.hash(text)) & mask
    while slots[slot] != 0 {
      let number = Int(slots[slot]) - 1
      if holds(entries[number], text) {
        entries[number].value = Int32(value)
        return
      }
      slot = (slot + 1) & mask
    }
    entries.append(Entry(start: UInt32(arena.count), count: UInt32(text.count), value: Int32(value)))
    arena.append(contentsOf: text)
    slots[slot] = UInt32(entries.count)
    if 2 * entries.count > mask { grow() }
  }

  mutating func set(_ text: [UInt8], _ value: Int) { text.withUnsafeBufferPointer { set($0, value) } }

  private mutating func grow() {
    mask = 2 * slots.count - 1
    slots = [UInt32](repeating: 0, count: mask + 1)
    arena.withUnsafeBufferPointer { arena in
      for (number, entry) in entries.enumerated() {
        let text = arena.slice(Int(entry.start)..<Int(entry.start + entry.count))
        var slot = Int(truncatingIfNeeded: Self.hash(text)) & mask
        while slots[slot] != 0 { slot = (slot + 1) & mask }
        slots[slot] = UInt32(number + 1)
      }
    }
  }

  func text(of entry: Entry) -> ArraySlice<UInt8> { arena[Int(entry.start)..<Int(entry.start + entry.count)] }
}
