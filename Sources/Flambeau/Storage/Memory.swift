import CKernels
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The caching allocator of the CPU, and its figures. All sizes are bytes.
///
/// Freed blocks are kept for the next tensor of about their size, so a training loop in its stride asks the system
/// for nothing and pays no page faults.
public enum Memory {
  private static let live = Atomic<Int>(0)
  private static let most = Atomic<Int>(0)
  private static let ceiling = Atomic<Int>(Int.max)
  static let held = Atomic<Int>(0)
  static let refusal = MemoryRefusal()
  static let cacheCeiling = Atomic<Int>(Pages.physicalByteCount / 4)

  /// The bytes that live storages asked for.
  public static var allocated: Int { live.load(ordering: .relaxed) }

  /// The bytes held from the system: live blocks with their rounding, and cached ones.
  public static var reserved: Int { held.load(ordering: .relaxed) }

  /// The most that ``allocated`` has been since the start or the last ``resetPeak()``.
  public static var peak: Int { Swift.max(most.load(ordering: .relaxed), allocated) }

  /// Counts the peak from now on.
  public static func resetPeak() { most.store(allocated, ordering: .relaxed) }

  /// What ``allocated`` may not exceed; nil, the default, for no limit.
  ///
  /// The cache gives way first: where ``reserved`` would pass the limit, it is emptied. An operation whose result
  /// would still not fit fails with an error of kind `memory`.
  public static var limit: Int? {
    get {
      let value = ceiling.load(ordering: .relaxed)
      return value == Int.max ? nil : value
    }
    set {
      if let newValue, newValue < 0 {
        Door.fail(.argument("Memory.limit must not be negative, but got \(newValue)"))
        return
      }
      ceiling.store(newValue ?? Int.max, ordering: .relaxed)
      if reserved > newValue ?? Int.max { emptyCache() }
    }
  }

  /// What freed blocks above 32 KiB may hold while they wait to be used again; those unused longest go first.
  /// The default is a quarter of the machine's memory.
  public static var cacheLimit: Int {
    get { cacheCeiling.load(ordering: .relaxed) }
    set {
      guard newValue >= 0 else {
        Door.fail(.argument("Memory.cacheLimit must not be negative, but got \(newValue)"))
        return
      }
      cacheCeiling.store(newValue, ordering: .relaxed)
      LargeBlocks.trim(to: newValue)
    }
  }

  /// Returns unused memory to the system. Small blocks other threads keep at hand follow when those threads next allocate or free.
  public static func emptyCache() {
    SmallBlocks.empty()
    LargeBlocks.trim(to: 0)
  }

  /// A block of at least `byteCount` bytes, aligned to 64 bytes (from 2 MiB on to 2 MiB), contents undefined.
  static func allocate(_ byteCount: Int) throws(TensorError) -> UnsafeMutableRawPointer {
    guard byteCount >= 0, byteCount <= LargeBlocks.largest, !refusal.isDue(), let total = charge(byteCount) else {
      emptyCache()
      throw exhausted(byteCount)
    }
    guard let block = take(byteCount) else {
      live.wrappingSubtract(byteCount, ordering: .relaxed)
      throw exhausted(byteCount)
    }
    if total > most.load(ordering: .relaxed) { most.max(total, ordering: .relaxed) }
    return block
  }

  /// Gives back a block of `allocate(byteCount)`, from any thread.
  static func free(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int) {
    live.wrappingSubtract(byteCount, ordering: .relaxed)
    #if FLAMBEAU_EXACT_MEMORY
      ExactBlocks.give(pointer, byteCount)
    #else
      if byteCount <= SmallBlocks.largest {
        SmallBlocks.give(pointer, byteCount)
      } else {
        LargeBlocks.give(pointer, byteCount)
      }
    #endif
  }

  private static func take(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    #if FLAMBEAU_EXACT_MEMORY
      ExactBlocks.take(byteCount)
    #else
      byteCount <= SmallBlocks.largest ? SmallBlocks.take(byteCount) : LargeBlocks.take(byteCount)
    #endif
  }

  /// Adds to the live bytes and returns the sum; nil, with nothing added, where the limit forbids it.
  @inline(__always)
  private static func charge(_ byteCount: Int) -> Int? {
    var before = live.load(ordering: .relaxed)
    while true {
      let (after, overflow) = before.addingReportingOverflow(byteCount)
      if overflow || after > ceiling.load(ordering: .relaxed) { return nil }
      let (exchanged, seen) = live.weakCompareExchange(expected: before, desired: after, ordering: .relaxed)
      if exchanged { return after }
      before = seen
    }
  }

  private static func exhausted(_ byteCount: Int) -> TensorError {
    let cap = limit.map { "a limit of \(text($0))" } ?? "no limit"
    return TensorError(
      .memory,
      "out of memory: \(text(byteCount)) asked, with \(text(allocated)) live, "
        + "\(text(Swift.max(reserved - allocated, 0))) cached and \(cap)")
  }

  private static func text(_ bytes: Int) -> String {
    if bytes < 1 << 20 { return "\(bytes) bytes" }
    let (unit, name) = bytes < 1 << 30 ? (1 << 20, "MiB") : (1 << 30, "GiB")
    return "\(bytes) bytes (\(bytes / unit).\(bytes % unit * 10 / unit) \(name))"
  }
}

/// Memory straight from the system.
enum Pages {
  static let hugeByteCount = 2 << 20

  static let physicalByteCount: Int = {
    let (pages, size) = (sysconf(Int32(_SC_PHYS_PAGES)), sysconf(Int32(_SC_PAGESIZE)))
    return pages > 0 && size > 0 ? pages * size : 8 << 30
  }()

  /// Fresh pages at a multiple of `alignment`, a power of two; the cache gives way if it must. Nil if the system refuses.
  static func map(_ byteCount: Int, alignment: Int) -> UnsafeMutableRawPointer? {
    if Memory.reserved + byteCount > Memory.limit ?? Int.max { Memory.emptyCache() }
    if let block = reserve(byteCount, alignment) { return block }
    Memory.emptyCache()
    return reserve(byteCount, alignment)
  }

  static func unmap(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int) {
    munmap(pointer, byteCount)
    Memory.held.wrappingSubtract(byteCount, ordering: .relaxed)
  }

  /// Whether ``furnish(_:_:from:)`` saves memory here.
  static var canMove: Bool { fb_can_move_pages != 0 }

  /// Gives `block`, which is fresh, the pages of blocks that are not needed; what remains of those goes back to the system.
  ///
  /// Huge pages move whole, by their entry in the page table.
  static func furnish(_ block: UnsafeMutableRawPointer, _ byteCount: Int, from spare: [Mapping]) {
    var filled = 0
    for source in spare {
      let start = UnsafeMutableRawPointer(bitPattern: source.address)!
      var moved = 0
      while filled < byteCount, source.byteCount - moved >= hugeByteCount {
        let count = Swift.min(hugeByteCount, byteCount - filled)
        guard fb_move_pages(start + moved, count, block + filled) else { break }
        // The rest of a page that was not moved whole.
        if count < hugeByteCount { munmap(start + moved + count, hugeByteCount - count) }
        moved += hugeByteCount
        filled += count
      }
      if moved < source.byteCount { munmap(start + moved, source.byteCount - moved) }
      Memory.held.wrappingSubtract(source.byteCount, ordering: .relaxed)
    }
  }

  private static func reserve(_ byteCount: Int, _ alignment: Int) -> UnsafeMutableRawPointer? {
    let span = byteCount + alignment
    let flags = MAP_PRIVATE | MAP_ANON
    guard let base = mmap(nil, span, PROT_READ | PROT_WRITE, flags, -1, 0), Int(bitPattern: base) != -1 else { return nil }
    let before = -Int(bitPattern: base) & (alignment - 1)
    if before > 0 { munmap(base, before) }
    if before < alignment { munmap(base + before + byteCount, alignment - before) }
    #if os(Linux)
      let transparentHugePages: Int32 = 14
      if byteCount >= hugeByteCount { madvise(base + before, byteCount, transparentHugePages) }
    #endif
    Memory.held.wrappingAdd(byteCount, ordering: .relaxed)
    return base + before
  }
}
