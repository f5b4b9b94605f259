/// Where a stream of Philox's random numbers stands (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): every
/// number is a function of the seed and of how many came before it, so that any thread of a GPU can make any of them.
struct PhiloxState: Sendable, Equatable {
  var seed: UInt64
  /// How many blocks of four words have been used.
  var offset: UInt64 = 0

  /// The offset before `blocks` more are used.
  mutating func advance(by blocks: Int) -> UInt64 {
    defer { offset &+= UInt64(blocks) }
    return offset
  }

  /// The four words of a block.
  func words(_ block: UInt64) -> SIMD4<UInt32> {
    PhiloxState.words(
      counter: SIMD4(UInt32(truncatingIfNeeded: block), UInt32(truncatingIfNeeded: block >> 32), 0, 0),
      key: SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
  }

  /// Philox4x32 with ten rounds.
  static func words(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
    var (c, k) = (counter, key)
    for _ in 0..<10 {
      let (p, q) = (UInt64(0xd251_1f53) * UInt64(c.x), UInt64(0xcd9e_8d57) * UInt64(c.z))
      c = SIMD4(
        UInt32(truncatingIfNeeded: q >> 32) ^ c.y ^ k.x, UInt32(truncatingIfNeeded: q),
        UInt32(truncatingIfNeeded: p >> 32) ^ c.w ^ k.y, UInt32(truncatingIfNeeded: p))
      k = k &+ SIMD2(0x9e37_79b9, 0xbb67_ae85)
    }
    return c
  }
}
