/// Texts by their beginnings.
struct ByteTrie {
  /// By node and byte, the node that follows; a hash table of (key + 1) << 32 | node.
  private var slots: [UInt64]
  private var edges = 0
  /// By node, the text that ends there; −1 for none.
  private var values: [Int32] = [-1]

  init(capacity: Int) {
    var size = 1024
    while size < 2 * capacity { size *= 2 }
    slots = [UInt64](repeating: 0, count: size)
  }

  @inline(__always)
  private static func key(_ node: Int, _ byte: UInt8) -> UInt64 { UInt64(node << 8 | Int(byte)) + 1 }

  @inline(__always)
  private static func place(_ key: UInt64, _ size: Int) -> Int {
    Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 32) & (size - 1)
  }

  @inline(__always)
  private func child(_ slots: UnsafeBufferPointer<UInt64>, _ node: Int, _ byte: UInt8) -> Int? {
    let key = Self.key(node, byte)
    var index = Self.place(key, slots.count)
    while slots[index] != 0 {
      if slots[index] >> 32 == key { return Int(slots[index] & 0xFFFF_FFFF) }
      index = (index + 1) & (slots.count - 1)
    }
    return nil
  }

  mutating func insert(_ text: some Collection<UInt8>, _ value: Int32) {
    var node = 0
    for byte in text {
      if let next = slots.withUnsafeBufferPointer({ child($0, node, byte) }) {
        node = next
        continue
      }
      values.append(-1)
      put(Self.key(node, byte) << 32 | UInt64(values.count - 1))
      node = values.count - 1
      edges += 1
      if 2 * edges > slots.count { grow() }
    }
    if node > 0 { values[node] = value }
  }

  private mutating func put(_ slot: UInt64) {
    var index = Self.place(slot >> 32, slots.count)
    while slots[index] != 0 { index = (index + 1) & (slots.count - 1) }
    slots[index] = slot
  }

  private mutating func grow() {
    let old = slots
    slots = [UInt64](repeating: 0, count: 2 * old.count)
    for slot in old where slot != 0 { put(slot) }
  }

  var isEmpty: Bool { values.count == 1 }

  /// Calls `body` with each text that `word` goes on with at `start`, from the shortest on, and where it ends.
  @inline(__always)
  func forEachPrefix(of word: Bytes, from start: Int, _ body: (Int32, Int) -> Void) {
    slots.withUnsafeBufferPointer { slots in
      values.withUnsafeBufferPointer { values in
        var (node, index) = (0, start)
        while index < word.count, let next = child(slots, node, word[index]) {
          node = next
          index += 1
          if values[node] >= 0 { body(values[node], index) }
        }
      }
    }
  }

  /// The longest text that `word` goes on with at `start`, and where it ends.
  func longestPrefix(of word: Bytes, from start: Int) -> (value: Int32, end: Int)? {
    var longest: (Int32, Int)?
    forEachPrefix(of: word, from: start) { longest = ($0, $1) }
    return longest
  }
}
