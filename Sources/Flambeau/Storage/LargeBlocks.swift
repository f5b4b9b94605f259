/// Blocks above 32 KiB, each a mapping of its own, kept after use in bins by size.
///
/// Eight sizes to every doubling bound the rounding at an eighth; a request takes the smallest kept block that is at
/// most a quarter larger than itself, the one used last first.
struct LargeBlocks {
  static let largest = 1 << 46

  private struct Bin {
    /// Addresses; the last one was used last.
    var blocks: [UInt] = []
    var lastUsed: UInt64 = 0
  }

  private var bins = Array(repeating: Bin(), count: SizeClass.of(largest).index + 1)
  /// Blocks in use for a request of a smaller class than their own: address to class.
  private var lent: [UInt: SizeClass] = [:]
  private var cached = 0
  private var time: UInt64 = 0

  private static let lock = Lock()
  /// To be touched only under the lock.
  nonisolated(unsafe) private static let shared = {
    let blocks = UnsafeMutablePointer<LargeBlocks>.allocate(capacity: 1)
    blocks.initialize(to: LargeBlocks())
    return blocks
  }()

  static func take(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    let wanted = SizeClass.of(byteCount)
    let kept = lock.withLock { shared.pointee.pop(wanted, atMost: byteCount + byteCount / 4) }
    if let kept { return UnsafeMutableRawPointer(bitPattern: kept) }
    let alignment = wanted.byteCount >= Pages.hugeByteCount ? Pages.hugeByteCount : 4096
    return Pages.map(wanted.byteCount, alignment: alignment)
  }

  static func give(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int) {
    let bound = Memory.cacheLimit
    lock.lock()
    shared.pointee.push(UInt(bitPattern: pointer), SizeClass.of(byteCount))
    let evicted = shared.pointee.cached > bound ? shared.pointee.evict(to: bound) : []
    lock.unlock()
    release(evicted)
  }

  /// Returns the blocks unused longest to the system until `byteCount` bytes are left.
  static func trim(to byteCount: Int) {
    release(lock.withLock { shared.pointee.evict(to: byteCount) })
  }

  private static func release(_ blocks: [(address: UInt, byteCount: Int)]) {
    for block in blocks { Pages.unmap(UnsafeMutableRawPointer(bitPattern: block.address)!, block.byteCount) }
  }

  private mutating func pop(_ wanted: SizeClass, atMost bound: Int) -> UInt? {
    var fit = wanted
    while fit.index < bins.count && (fit == wanted || fit.byteCount <= bound) {
      if let address = bins[fit.index].blocks.popLast() {
        touch(fit)
        cached -= fit.byteCount
        if fit != wanted { lent[address] = fit }
        return address
      }
      fit = fit.next
    }
    return nil
  }

  private mutating func push(_ address: UInt, _ asked: SizeClass) {
    let own = (lent.isEmpty ? nil : lent.removeValue(forKey: address)) ?? asked
    bins[own.index].blocks.append(address)
    touch(own)
    cached += own.byteCount
  }

  private mutating func touch(_ size: SizeClass) {
    time += 1
    bins[size.index].lastUsed = time
  }

  private mutating func evict(to bound: Int) -> [(address: UInt, byteCount: Int)] {
    var evicted: [(address: UInt, byteCount: Int)] = []
    while cached > bound {
      let used = bins.indices.filter { !bins[$0].blocks.isEmpty }
      guard let oldest = used.min(by: { bins[$0].lastUsed < bins[$1].lastUsed }) else { break }
      let size = SizeClass(index: oldest).byteCount
      let excess = Swift.min((cached - bound + size - 1) / size, bins[oldest].blocks.count)
      evicted += bins[oldest].blocks.prefix(excess).map { ($0, size) }
      bins[oldest].blocks.removeFirst(excess)
      cached -= excess * size
    }
    return evicted
  }
}

/// Eight block sizes between 32 KiB and 64 KiB, eight between 64 KiB and 128 KiB, and so on.
private struct SizeClass: Equatable {
  private static let lowestExponent = 15
  let index: Int

  static func of(_ byteCount: Int) -> SizeClass {
    let exponent = Int.bitWidth - 1 - (byteCount - 1).leadingZeroBitCount
    let steps = (byteCount + (1 << (exponent - 3)) - 1) >> (exponent - 3)  // 9...16
    return SizeClass(index: (exponent - lowestExponent) * 8 + steps - 9)
  }

  var byteCount: Int { (index % 8 + 9) << (index / 8 + SizeClass.lowestExponent - 3) }
  var next: SizeClass { SizeClass(index: index + 1) }
}
