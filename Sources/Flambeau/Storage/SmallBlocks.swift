import CKernels
import Synchronization

/// Blocks up to 32 KiB: every thread keeps a few of each size at hand, which come from slabs and go back there by the
/// handful. Taking and giving a block needs no lock as long as the thread has some, or room.
enum SmallBlocks {
  static let largest = 32 << 10

  static func take(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    let size = SizeClass.of(byteCount)
    let hand = Hand.current
    if hand.isStale { hand.giveAllBack() }
    return hand.pop(size) ?? hand.refill(size)
  }

  static func give(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int) {
    let hand = Hand.current
    if hand.isStale { hand.giveAllBack() }
    hand.push(pointer, SizeClass.of(byteCount))
  }

  /// Returns unused slabs to the system, and asks every thread to give up what it keeps.
  static func empty() {
    Slabs.generation.wrappingAdd(1, ordering: .relaxed)
    Hand.existing?.giveAllBack()
    Slabs.release(Slabs.lock.withLock { Slabs.shared.pointee.takeSpares(keeping: 0) })
  }
}

/// Multiples of 64 bytes up to 1 KiB, then four sizes to every doubling.
private struct SizeClass {
  static let count = 36
  let index: Int

  @inline(__always)
  static func of(_ byteCount: Int) -> SizeClass {
    if byteCount <= 1024 { return SizeClass(index: Swift.max(byteCount - 1, 0) >> 6) }
    let exponent = Int.bitWidth - 1 - (byteCount - 1).leadingZeroBitCount
    let steps = (byteCount + (1 << (exponent - 2)) - 1) >> (exponent - 2)  // 5...8
    return SizeClass(index: 16 + (exponent - 10) * 4 + steps - 5)
  }

  var byteCount: Int { index < 16 ? (index + 1) << 6 : ((index - 16) % 4 + 5) << ((index - 16) / 4 + 8) }

  /// The blocks a thread keeps at most.
  @inline(__always)
  var handCapacity: Int { index < 16 ? 64 : Swift.max(32 >> ((index - 16) / 4), 4) }
}

/// The free blocks one thread has at hand, a stack for each size.
private struct Hand {
  private static let capacity = 64

  private let memory: UnsafeMutableRawPointer

  // The generation, the counts and the stacks lie in one allocation.
  /// What `Slabs.generation` was when this thread last gave everything back.
  private var generation: UnsafeMutablePointer<Int> { memory.assumingMemoryBound(to: Int.self) }
  private var counts: UnsafeMutablePointer<Int> { generation + 1 }
  private var blocks: UnsafeMutablePointer<UnsafeMutableRawPointer> {
    UnsafeMutableRawPointer(counts + SizeClass.count).assumingMemoryBound(to: UnsafeMutableRawPointer.self)
  }

  @inline(__always)
  var isStale: Bool { generation.pointee != Slabs.generation.load(ordering: .relaxed) }

  @inline(__always)
  func pop(_ size: SizeClass) -> UnsafeMutableRawPointer? {
    let count = counts[size.index]
    if count == 0 { return nil }
    counts[size.index] = count - 1
    return blocks[size.index * Hand.capacity + count - 1]
  }

  @inline(__always)
  func push(_ block: UnsafeMutableRawPointer, _ size: SizeClass) {
    if counts[size.index] >= size.handCapacity { giveBack(size, keeping: size.handCapacity / 2) }
    blocks[size.index * Hand.capacity + counts[size.index]] = block
    counts[size.index] += 1
  }

  /// Takes half a handful from the slabs and returns one of them.
  @inline(never)
  func refill(_ size: SizeClass) -> UnsafeMutableRawPointer? {
    let place = blocks + size.index * Hand.capacity
    let wanted = size.handCapacity / 2
    var got = Slabs.lock.withLock { Slabs.shared.pointee.take(size, wanted, into: place) }
    if got == 0 {
      guard let slab = Slabs.fresh() else { return nil }
      got = Slabs.lock.withLock {
        Slabs.shared.pointee.add(slab, size)
        return Slabs.shared.pointee.take(size, wanted, into: place)
      }
    }
    counts[size.index] = got
    return pop(size)
  }

  /// Returns the blocks that have waited longest.
  @inline(never)
  private func giveBack(_ size: SizeClass, keeping kept: Int) {
    let place = blocks + size.index * Hand.capacity
    let surplus = counts[size.index] - kept
    if surplus <= 0 { return }
    Slabs.lock.lock()
    for i in 0..<surplus { Slabs.shared.pointee.give(UInt(bitPattern: place[i])) }
    let spares = Slabs.shared.pointee.takeSpares(keeping: Slabs.sparesKept)
    Slabs.lock.unlock()
    Slabs.release(spares)
    for i in 0..<kept { place[i] = place[i + surplus] }
    counts[size.index] = kept
  }

  func giveAllBack() {
    generation.pointee = Slabs.generation.load(ordering: .relaxed)
    for index in 0..<SizeClass.count { giveBack(SizeClass(index: index), keeping: 0) }
  }

  // MARK: One for each thread

  @inline(__always)
  static var existing: Hand? { fb_thread_blocks().map { Hand(memory: $0) } }

  @inline(__always)
  static var current: Hand { existing ?? owners.current.pointee.hand }

  private static let owners = ThreadLocal { Owner() }

  /// Makes a thread's hand, and gives up what is in it when the thread ends.
  private struct Owner: ~Copyable {
    let hand: Hand

    init() {
      let words = 1 + SizeClass.count + SizeClass.count * capacity
      hand = Hand(memory: .allocate(byteCount: words * 8, alignment: 64))
      hand.memory.initializeMemory(as: Int.self, repeating: 0, count: words)
      fb_set_thread_blocks(hand.memory)
    }

    deinit {
      hand.giveAllBack()
      fb_set_thread_blocks(nil)
      hand.memory.deallocate()
    }
  }
}

/// Aligned pieces of 256 KiB, each cut into blocks of one size; the head of a slab says which of them are free.
private struct Slabs {
  static let byteCount = 256 << 10
  /// Wholly unused slabs that are kept for any size.
  static let sparesKept = 16
  /// Rises with every `emptyCache()`.
  static let generation = Atomic<Int>(0)
  static let lock = Lock()
  /// To be touched only under the lock.
  nonisolated(unsafe) static let shared = {
    let slabs = UnsafeMutablePointer<Slabs>.allocate(capacity: 1)
    slabs.initialize(to: Slabs())
    return slabs
  }()

  private static let headByteCount = 1024
  private static let mapWords = 64

  private struct Head {
    var size: SizeClass
    var capacity: Int
    var free: Int
    // Neighbours in the list of slabs of this size that have free blocks.
    var previous: UInt = 0
    var next: UInt = 0
  }

  /// The first slab with free blocks of each size; 0 for none.
  private var first = Array(repeating: UInt(0), count: SizeClass.count)
  private var spares: [UInt] = []

  static func fresh() -> UInt? { Pages.map(byteCount, alignment: byteCount).map { UInt(bitPattern: $0) } }

  static func release(_ slabs: [UInt]) {
    for slab in slabs { Pages.unmap(UnsafeMutableRawPointer(bitPattern: slab)!, byteCount) }
  }

  private static func head(_ slab: UInt) -> UnsafeMutablePointer<Head> {
    UnsafeMutablePointer(bitPattern: slab)!
  }

  /// A bit for each block, set where it is free.
  private static func map(_ slab: UInt) -> UnsafeMutablePointer<UInt64> {
    UnsafeMutablePointer(bitPattern: slab + UInt(headByteCount - mapWords * 8))!
  }

  mutating func add(_ slab: UInt, _ size: SizeClass) {
    let capacity = (Slabs.byteCount - Slabs.headByteCount) / size.byteCount
    Slabs.head(slab).initialize(to: Head(size: size, capacity: capacity, free: capacity))
    let map = Slabs.map(slab)
    for word in 0..<Slabs.mapWords {
      let bits = Swift.min(Swift.max(capacity - word * 64, 0), 64)
      map[word] = bits == 64 ? ~0 : (1 << UInt64(bits)) - 1
    }
    link(slab)
  }

  /// Up to `wanted` blocks; 0 if a fresh slab is needed.
  mutating func take(_ size: SizeClass, _ wanted: Int, into place: UnsafeMutablePointer<UnsafeMutableRawPointer>) -> Int {
    var got = 0
    while got < wanted {
      if first[size.index] == 0 {
        guard let spare = spares.popLast() else { break }
        add(spare, size)
      }
      let slab = first[size.index]
      let (head, map) = (Slabs.head(slab), Slabs.map(slab))
      var word = 0
      while got < wanted && head.pointee.free > 0 {
        while map[word] == 0 { word += 1 }
        let bit = map[word].trailingZeroBitCount
        map[word] &= map[word] - 1
        head.pointee.free -= 1
        let offset = Slabs.headByteCount + (word * 64 + bit) * size.byteCount
        place[got] = UnsafeMutableRawPointer(bitPattern: slab + UInt(offset))!
        got += 1
      }
      if head.pointee.free == 0 { unlink(slab) }
    }
    return got
  }

  mutating func give(_ block: UInt) {
    let slab = block & ~UInt(Slabs.byteCount - 1)
    let head = Slabs.head(slab)
    let place = (Int(block - slab) - Slabs.headByteCount) / head.pointee.size.byteCount
    Slabs.map(slab)[place / 64] |= 1 << UInt64(place % 64)
    head.pointee.free += 1
    if head.pointee.free == 1 { link(slab) }
    if head.pointee.free == head.pointee.capacity {
      unlink(slab)
      spares.append(slab)
    }
  }

  /// Removes unused slabs beyond `kept`, for the caller to release when the lock is open again.
  mutating func takeSpares(keeping kept: Int) -> [UInt] {
    if spares.count <= kept { return [] }
    defer { spares.removeLast(spares.count - kept) }
    return Array(spares[kept...])
  }

  private mutating func link(_ slab: UInt) {
    let index = Slabs.head(slab).pointee.size.index
    Slabs.head(slab).pointee.previous = 0
    Slabs.head(slab).pointee.next = first[index]
    if first[index] != 0 { Slabs.head(first[index]).pointee.previous = slab }
    first[index] = slab
  }

  private mutating func unlink(_ slab: UInt) {
    let head = Slabs.head(slab).pointee
    if head.next != 0 { Slabs.head(head.next).pointee.previous = head.previous }
    if head.previous != 0 { Slabs.head(head.previous).pointee.next = head.next } else { first[head.size.index] = head.next }
  }
}
