#if FLAMBEAU_EXACT_MEMORY
  #if canImport(Glibc)
    import Glibc
  #else
    import Darwin
  #endif

  /// Blocks of exactly the bytes asked for, given back at once, so that AddressSanitizer sees who reads or writes beside or after them.
  enum ExactBlocks {
    static func take(_ byteCount: Int) -> UnsafeMutableRawPointer? {
      var block: UnsafeMutableRawPointer?
      let alignment = byteCount >= Pages.hugeByteCount ? Pages.hugeByteCount : 64
      guard posix_memalign(&block, alignment, byteCount) == 0 else { return nil }
      Memory.held.wrappingAdd(byteCount, ordering: .relaxed)
      return block
    }

    static func give(_ block: UnsafeMutableRawPointer, _ byteCount: Int) {
      Memory.held.wrappingSubtract(byteCount, ordering: .relaxed)
      free(block)
    }
  }
#endif
