/// Blocks above 32 KiB, each a mapping of its own, kept after use in bins by size.
///
/// Eight sizes to every doubling bound the rounding at an eighth; a request takes the smallest kept block that is at
/// most a quarter larger than itself, the one used last first.
///
/// A program that has found its stride should hold what it uses, not each size it ever used: where a new block would make the
/// memory held more than ever, it is made of the pages of blocks that have lain unused for a while.
struct LargeBlocks {
  static let largest = 1 << 46
  /// Blocks from here on are made of others.
  private static let leastMade = 2 * Pages.hugeByteCount
  /// Not beyond this much memory: every piece may be a mapping of its own, and a process may have 65,530.
  private static let mostMade = 32 << 30
  /// In blocks taken or given: less, and sizes that alternate would move to and fro.
  private static let patience: UInt64 = 4

  /// A block that waits to be used again, and since when.
  private struct Kept {
    let address: UInt
    let since: UInt64
  }

  /// Bins of one size, the block used last at the end.
  private var bins: [[Kept]] = Array(repeating: [], count: SizeClass.of(largest).index + 1)
  /// Blocks in use for a request of a smaller class than their own: address to class.
  private var lent: [UInt: SizeClass] = [:]
  private var cached = 0
  /// Counts blocks that are taken or given.
  private var time: UInt64 = 0
  /// The most that was ever held from the system.
  private var highest = 0

  private static let lock = Lock()
  /// To be touched only under the lock.
  nonisolated(unsafe) private static let shared = {
    let blocks = UnsafeMutablePointer<LargeBlocks>.allocate(capacity: 1)
    blocks.initialize(to: LargeBlocks())
    return blocks
  }()

  static func take(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    let wanted = SizeClass.of(byteCount)
    let (kept, spare) = lock.withLock { shared.pointee.find(wanted, atMost: byteCount + byteCount / 4) }
    if let kept { return UnsafeMutableRawPointer(bitPattern: kept) }
    let alignment = wanted.byteCount >= Pages.hugeByteCount ? Pages.hugeByteCount : 4096
    let block = Pages.map(wanted.byteCount, alignment: alignment)
    if let block { Pages.furnish(block, wanted.byteCount, from: spare) } else { release(spare) }
    return block
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

  private static func release(_ blocks: [Mapping]) {
    for block in blocks { Pages.unmap(UnsafeMutableRawPointer(bitPattern: block.address)!, block.byteCount) }
  }

  /// A kept block for `wanted`; or, where a new one would make the memory held more than ever, blocks to make it of.
  private mutating func find(_ wanted: SizeClass, atMost bound: Int) -> (kept: UInt?, spare: [Mapping]) {
    time += 1
    if let kept = pop(wanted, atMost: bound) { return (kept, []) }
    let after = Memory.reserved + wanted.byteCount
    var spare: [Mapping] = []
    if Pages.canMove, after > highest, wanted.byteCount >= LargeBlocks.leastMade, after <= LargeBlocks.mostMade {
      spare = self.spare(for: wanted.byteCount)
    }
    highest = Swift.max(highest, after - spare.reduce(0) { $0 + $1.byteCount })
    return (nil, spare)
  }

  private mutating func pop(_ wanted: SizeClass, atMost bound: Int) -> UInt? {
    var fit = wanted
    while fit.index < bins.count && (fit == wanted || fit.byteCount <= bound) {
      if let block = bins[fit.index].popLast() {
        cached -= fit.byteCount
        if fit != wanted { lent[block.address] = fit }
        return block.address
      }
      fit = fit.next
    }
    return nil
  }

  private mutating func push(_ address: UInt, _ asked: SizeClass) {
    let own = (lent.isEmpty ? nil : lent.removeValue(forKey: address)) ?? asked
    time += 1
    bins[own.index].append(Kept(address: address, since: time))
    cached += own.byteCount
  }

  private mutating func evict(to bound: Int) -> [Mapping] {
    var evicted: [Mapping] = []
    while cached > bound, let block = popOldest(of: bins.indices) { evicted.append(block) }
    return evicted
  }

  /// What has lain unused for a while, until it holds `byteCount` bytes.
  private mutating func spare(for byteCount: Int) -> [Mapping] {
    var (spare, found): ([Mapping], Int) = ([], 0)
    let large = SizeClass.of(LargeBlocks.leastMade).index..<bins.count
    while found < byteCount, let block = popOldest(of: large, unusedFor: LargeBlocks.patience) {
      spare.append(block)
      found += block.byteCount / Pages.hugeByteCount * Pages.hugeByteCount
    }
    return spare
  }

  private mutating func popOldest(of sizes: Range<Int>, unusedFor ticks: UInt64 = 0) -> Mapping? {
    let oldest = sizes.min { (bins[$0].first?.since ?? .max) < (bins[$1].first?.since ?? .max) }
    guard let oldest, let first = bins[oldest].first, first.since + ticks <= time else { return nil }
    bins[oldest].removeFirst()
    let size = SizeClass(index: oldest).byteCount
    cached -= size
    return Mapping(address: first.address, byteCount: size)
  }
}

/// A mapping of its own.
struct Mapping {
  let address: UInt
  let byteCount: Int
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
