/// A part of a segment, in use or free.
///
/// Touched only under its allocator's lock, but for what never changes.
final class GPUBlock: @unchecked Sendable {
  enum State {
    case free, live, waiting
    /// Free, and its pool's ``GPUPool/last``.
    case last
  }

  let address: Driver.Address
  let segment: GPUSegment
  var byteCount: Int
  var state = State.free
  /// Other streams that use it while it is live.
  var users: [GPUStream] = []
  /// What was asked for while it is live, and by whom.
  var requested = 0
  var operation = ""
  var next: GPUBlock?
  unowned(unsafe) var previous: GPUBlock?

  init(_ address: Driver.Address, _ byteCount: Int, of segment: GPUSegment) {
    (self.address, self.byteCount, self.segment) = (address, byteCount, segment)
  }

  /// Keeps so many bytes; the rest becomes the next block.
  func split(at count: Int) -> GPUBlock {
    let rest = GPUBlock(address + UInt64(count), byteCount - count, of: segment)
    (rest.next, rest.previous) = (next, self)
    next?.previous = rest
    next = rest
    byteCount = count
    return rest
  }

  /// Takes over the block behind it, which nobody refers to any more.
  func mergeNext() {
    let gone = next!
    byteCount += gone.byteCount
    next = gone.next
    next?.previous = self
    (gone.next, gone.previous) = (nil, nil)
  }
}

/// Memory that the driver gave at once, cut into blocks for one stream. Guarded as blocks are.
final class GPUSegment: @unchecked Sendable {
  let address: Driver.Address
  let byteCount: Int
  let pool: GPUPool
  /// Its first block, of which the others follow; nil once it has gone back to the driver.
  var head: GPUBlock?

  init(_ address: Driver.Address, _ byteCount: Int, of pool: GPUPool) {
    (self.address, self.byteCount, self.pool) = (address, byteCount, pool)
    head = GPUBlock(address, byteCount, of: self)
  }

  var blocks: [GPUBlock] { Array(sequence(first: head!) { $0.next }) }
}

/// The free blocks of a stream, those for small requests or those for large ones. Guarded as blocks are.
final class GPUPool: @unchecked Sendable {
  let stream: GPUStream
  let isSmall: Bool
  /// The graph whose replays use the memory; 0 for none.
  let graph: Int
  /// By size, then by address.
  private(set) var free: [GPUBlock] = []
  /// The block that was given back last, not yet among the free ones nor joined with those beside it.
  var last: GPUBlock?

  init(_ stream: GPUStream, isSmall: Bool, graph: Int) { (self.stream, self.isSmall, self.graph) = (stream, isSmall, graph) }

  func insert(_ block: GPUBlock) { free.insert(block, at: place(block.byteCount, block.address)) }

  func remove(_ block: GPUBlock) {
    let place = place(block.byteCount, block.address)
    precondition(free[place] === block)
    free.remove(at: place)
  }

  /// The last block, if it has just so many bytes.
  func takeLast(_ byteCount: Int) -> GPUBlock? { last?.byteCount == byteCount ? last.take() : nil }

  /// The smallest that is large enough, the lowest of these.
  func takeBest(_ byteCount: Int) -> GPUBlock? {
    let place = place(byteCount, 0)
    return place < free.count ? free.remove(at: place) : nil
  }

  /// The first that does not come before such a block.
  private func place(_ byteCount: Int, _ address: Driver.Address) -> Int {
    var (low, high) = (0, free.count)
    while low < high {
      let middle = (low + high) / 2
      if (free[middle].byteCount, free[middle].address) < (byteCount, address) { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

/// How sizes are rounded: torch's rules.
enum GPUSizes {
  private static let (kilo, mega) = (1 << 10, 1 << 20)
  /// More than any GPU has.
  static let largest = 1 << 46

  /// What a block for `byteCount` bytes holds.
  static func block(_ byteCount: Int) -> Int { roundUp(Swift.max(byteCount, 1), 512) }

  /// Whether a block of this size comes from the segments for small ones.
  static func isSmall(_ block: Int) -> Bool { block <= mega }

  /// What is asked of the driver for a block of this size.
  static func segment(_ block: Int) -> Int {
    if isSmall(block) { return 2 * mega }
    return block < 10 * mega ? 20 * mega : roundUp(block, 2 * mega)
  }

  /// Whether so much that is left of a block becomes another.
  static func isWorthSplitting(_ rest: Int, isSmall: Bool) -> Bool { isSmall ? rest >= 512 : rest > mega }

  private static func roundUp(_ count: Int, _ unit: Int) -> Int { (count + unit - 1) / unit * unit }
}
