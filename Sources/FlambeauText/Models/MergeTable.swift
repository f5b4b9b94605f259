/// Which pairs of tokens become one: for each pair its rank, the lower the earlier, and the token it becomes.
struct MergeTable {
  struct Merge {
    let rank: UInt32
    let id: Int32
  }

  private struct Slot {
    var pair: UInt64
    var rank: UInt32
    var id: Int32
  }

  private static let free = UInt64.max
  private var slots: [Slot]
  private let shift: UInt64

  /// Room for `count` pairs.
  init(capacity count: Int) {
    var bits: UInt64 = 4
    while 1 << bits < 2 * count { bits += 1 }
    slots = [Slot](repeating: Slot(pair: Self.free, rank: 0, id: 0), count: 1 << bits)
    shift = 64 - bits
  }

  @inline(__always)
  private func place(_ pair: UInt64) -> Int { Int(truncatingIfNeeded: (pair &* 0x9E37_79B9_7F4A_7C15) >> shift) }

  @inline(__always)
  private static func pair(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  /// What becomes of the two tokens, of which neither is negative.
  @inline(__always)
  func merge(_ left: Int32, _ right: Int32) -> Merge? {
    let pair = Self.pair(left, right)
    return slots.withUnsafeBufferPointer { slots in
      var index = place(pair)
      while true {
        let slot = slots[index]
        if slot.pair == pair { return Merge(rank: slot.rank, id: slot.id) }
        if slot.pair == Self.free { return nil }
        index = (index + 1) & (slots.count - 1)
      }
    }
  }

  /// The last of two merges of a pair counts.
  mutating func set(_ left: Int, _ right: Int, rank: Int, id: Int) {
    let pair = Self.pair(Int32(left), Int32(right))
    var index = place(pair)
    while slots[index].pair != Self.free, slots[index].pair != pair { index = (index + 1) & (slots.count - 1) }
    slots[index] = Slot(pair: pair, rank: UInt32(rank), id: Int32(id))
  }
}
