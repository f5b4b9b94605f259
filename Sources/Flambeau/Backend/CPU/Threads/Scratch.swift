#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Working memory for kernels: a stack of blocks per thread that is kept between calls, so the steady state allocates nothing.
enum Scratch {
  #if FLAMBEAU_EXACT_MEMORY
    private static let keptByteCount = 0
    private static let step = 1
  #else
    /// Memory a thread keeps at most; larger requests are allocated and freed each time.
    private static let keptByteCount = 96 << 20
    private static let step = 128
  #endif

  /// Calls `body` with uninitialised memory, valid until it returns. Calls nest.
  @inline(__always)
  static func withBytes<Result>(
    _ byteCount: Int, _ body: (UnsafeMutableRawPointer) throws -> Result
  ) rethrows -> Result {
    let arena = arenas.current
    let (block, start) = arena.pointee.take(byteCount)
    defer { arena.pointee.give(block, start) }
    return try body(block)
  }

  private static let arenas = ThreadLocal { Arena() }

  private struct Arena: ~Copyable {
    static let alignment = 4096
    var base: UnsafeMutableRawPointer?
    var capacity = 0
    var used = 0
    /// What the nested requests since the arena was last empty would have needed together.
    var wanted = 0
    var depth = 0

    deinit { free(base) }

    mutating func take(_ byteCount: Int) -> (block: UnsafeMutableRawPointer, start: Int) {
      let size = (byteCount + Scratch.step - 1) & -Scratch.step
      if depth == 0 { resize(Swift.max(wanted, size)) }
      depth += 1
      wanted = Swift.max(wanted, used + size)
      if used + size <= capacity, let base {
        defer { used += size }
        return (base + used, used)
      }
      return (Self.allocate(size), -1)
    }

    mutating func give(_ block: UnsafeMutableRawPointer, _ start: Int) {
      depth -= 1
      if start < 0 { free(block) } else { used = start }
    }

    private mutating func resize(_ byteCount: Int) {
      wanted = 0
      guard byteCount > capacity, byteCount <= Scratch.keptByteCount else { return }
      free(base)
      capacity = byteCount
      base = Self.allocate(byteCount)
    }

    private static func allocate(_ byteCount: Int) -> UnsafeMutableRawPointer {
      var pointer: UnsafeMutableRawPointer?
      guard posix_memalign(&pointer, alignment, Swift.max(byteCount, 1)) == 0, let pointer else {
        fatalError("out of memory: a kernel needs \(byteCount) bytes of working memory")
      }
      return pointer
    }
  }
}
