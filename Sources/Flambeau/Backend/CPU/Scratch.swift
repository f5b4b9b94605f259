#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Memory a thread works in: one block that grows and is kept, so that a pass allocates nothing.
enum Scratch {
  private static let key: pthread_key_t = {
    var key = pthread_key_t()
    pthread_key_create(&key) { block in
      #if canImport(Glibc)
        block?.deallocate()
      #else
        block.deallocate()
      #endif
    }
    return key
  }()

  /// Before the bytes: how many there are, and whether they are taken.
  private static let head = 64

  /// The most a thread keeps.
  private static let most = 4 << 20

  /// Calls `body` with `byteCount` bytes, 64-byte aligned, contents undefined.
  @inline(__always)
  static func with<R>(_ byteCount: Int, _ body: (UnsafeMutableRawPointer) -> R) -> R {
    let block = take(byteCount)
    let result = body(block + head)
    give(block)
    return result
  }

  private static func take(_ byteCount: Int) -> UnsafeMutableRawPointer {
    let kept = pthread_getspecific(key)
    if let kept {
      let state = kept.assumingMemoryBound(to: Int.self)
      if state[1] == 0 && state[0] >= byteCount {
        state[1] = 1
        return kept
      }
      // A pass inside a pass: its own block, freed after use.
      if state[1] != 0 || byteCount > most { return make(byteCount, kept: false) }
      kept.deallocate()
    }
    if byteCount > most { return make(byteCount, kept: false) }
    let block = make(Swift.max(byteCount, 1 << 16), kept: true)
    pthread_setspecific(key, block)
    return block
  }

  private static func make(_ byteCount: Int, kept: Bool) -> UnsafeMutableRawPointer {
    let block = UnsafeMutableRawPointer.allocate(byteCount: byteCount + head, alignment: 64)
    let state = block.assumingMemoryBound(to: Int.self)
    state[0] = byteCount
    state[1] = 1
    state[2] = kept ? 1 : 0
    return block
  }

  private static func give(_ block: UnsafeMutableRawPointer) {
    let state = block.assumingMemoryBound(to: Int.self)
    if state[2] == 0 { block.deallocate() } else { state[1] = 0 }
  }
}
