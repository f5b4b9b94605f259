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

  /// At the start of the kept block: how many bytes there are, and how many are taken.
  private static let head = 64
  private static let least = 1 << 20
  /// The most a thread keeps.
  private static let most = 4 << 20

  /// Calls `body` with `byteCount` bytes, 64-byte aligned, contents undefined. Calls nest.
  @inline(__always)
  static func with<R>(_ byteCount: Int, _ body: (UnsafeMutableRawPointer) -> R) -> R {
    let size = (byteCount + 63) & ~63
    if let state = kept(size) {
      let start = UnsafeMutableRawPointer(state) + head + state[1]
      state[1] += size
      let result = body(start)
      state[1] -= size
      return result
    }
    let block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
    let result = body(block)
    block.deallocate()
    return result
  }

  /// The thread's block if it has room, made or grown where nothing of it is taken.
  private static func kept(_ size: Int) -> UnsafeMutablePointer<Int>? {
    let block = pthread_getspecific(key)
    if let state = block?.assumingMemoryBound(to: Int.self) {
      if state[0] - state[1] >= size { return state }
      if state[1] != 0 || size > most { return nil }
      block!.deallocate()
    } else if size > most {
      return nil
    }
    let capacity = Swift.max(size, least)
    let state = UnsafeMutableRawPointer.allocate(byteCount: capacity + head, alignment: 64)
      .assumingMemoryBound(to: Int.self)
    state[0] = capacity
    state[1] = 0
    pthread_setspecific(key, state)
    return state
  }
}
