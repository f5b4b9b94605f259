/// Memory of a GPU, kept after use for the next who asks on the same stream: asking the driver costs as much as many kernels, and
/// giving back to it waits for the GPU.
///
/// Torch's rules: sizes are multiples of 512 bytes; up to 1 MiB they come from segments of 2 MiB, below 10 MiB from segments of 20 MiB,
/// others from their own; the smallest free block that fits is taken and split, free neighbours are joined. A block freed by the CPU may
/// be handed out at once on the stream it was allocated on, since what is queued there later runs later; other streams that used it
/// (``GPUMemory/record(on:)``) are waited for.
///
/// What is allocated on a stream while it is captured lies in segments that belong to the graph, and stay where they are as long as it
/// may be replayed.
final class GPUAllocator: Sendable {
  let gpu: GPU
  let refusal = MemoryRefusal()
  private let lock = Lock()
  // All that follows is guarded by the lock.
  private nonisolated(unsafe) var pools: [PoolKey: GPUPool] = [:]
  /// The last ones that were asked, which are mostly asked again.
  private nonisolated(unsafe) var lastPools: (small: GPUPool?, large: GPUPool?)
  private nonisolated(unsafe) var segments: [Driver.Address: GPUSegment] = [:]
  private nonisolated(unsafe) var waits = StreamWaits<GPUBlock>()
  private nonisolated(unsafe) var counts = GPUMemoryFigures()
  private nonisolated(unsafe) var share = 1.0
  /// Graphs that are being captured, by stream, and those that may be replayed.
  private nonisolated(unsafe) var captures: [Driver.Handle: Int] = [:]
  private nonisolated(unsafe) var graphs: Set<Int> = []
  private nonisolated(unsafe) var graphCount = 0
  /// Given back while a mark in a stream would have become part of a graph, with the streams that used it.
  private nonisolated(unsafe) var deferred: [(block: GPUBlock, users: [GPUStream])] = []

  private struct PoolKey: Hashable {
    let stream: Driver.Handle
    let isSmall: Bool
    let graph: Int
  }

  init(of gpu: GPU) { self.gpu = gpu }

  /// Nothing is live any more: live memory holds its allocator.
  deinit { try? emptyCache() }

  /// Fresh memory for work queued on `stream`, of undefined contents.
  /// - Parameter operation: Who asks, for the error of one who gets none.
  func allocate(_ byteCount: Int, on stream: GPUStream, for operation: String = "") throws(TensorError) -> GPUMemory {
    if byteCount == 0 { return GPUMemory(nil, 0, of: self) }
    return GPUMemory(try block(byteCount, on: stream, for: operation), byteCount, of: self)
  }

  private func block(_ byteCount: Int, on stream: GPUStream, for operation: String) throws(TensorError) -> GPUBlock {
    lock.lock()
    defer { lock.unlock() }
    guard byteCount > 0, byteCount <= GPUSizes.largest, !refusal.isDue() else { throw exhausted(byteCount) }
    if !waits.isEmpty { for block in waits.takeFinished() { release(block) } }
    let size = GPUSizes.block(byteCount)
    let pool = pool(stream, isSmall: GPUSizes.isSmall(size))
    var found = pool.takeLast(size)
    if found == nil {
      if let last = pool.last.take() { join(last) }
      found = pool.takeBest(size)
    }
    if found == nil { found = try newBlock(size, pool) }
    if found == nil {
      counts.retryCount += 1
      try releaseSegments()
      found = try newBlock(size, pool)
    }
    guard let block = found else { throw exhausted(byteCount) }
    if GPUSizes.isWorthSplitting(block.byteCount - size, isSmall: pool.isSmall) { pool.insert(block.split(at: size)) }
    (block.state, block.operation, block.requested) = (.live, operation, byteCount)
    counts.allocated.change(by: block.byteCount)
    counts.requested.change(by: byteCount)
    counts.requestCount += 1
    return block
  }

  private func pool(_ stream: GPUStream, isSmall: Bool) -> GPUPool {
    let graph = captures.isEmpty ? 0 : captures[stream.handle] ?? 0
    if let pool = isSmall ? lastPools.small : lastPools.large, pool.stream === stream, pool.graph == graph { return pool }
    let found = knownPool(stream, isSmall, graph)
    if isSmall { lastPools.small = found } else { lastPools.large = found }
    return found
  }

  private func knownPool(_ stream: GPUStream, _ isSmall: Bool, _ graph: Int) -> GPUPool {
    let key = PoolKey(stream: stream.handle, isSmall: isSmall, graph: graph)
    if let pool = pools[key] { return pool }
    let pool = GPUPool(stream, isSmall: isSmall, graph: graph)
    pools[key] = pool
    return pool
  }

  /// A block that fills a new segment; nil where there is no memory for one.
  private func newBlock(_ size: Int, _ pool: GPUPool) throws(TensorError) -> GPUBlock? {
    let byteCount = GPUSizes.segment(size)
    if share < 1, Double(counts.reserved.now + byteCount) > share * Double(gpu.properties.byteCount) { return nil }
    var address: Driver.Address = 0
    let status = try gpu.status(gpu.driver.allocate, accepting: .outOfMemory) { $0(&address, byteCount) }
    if status == .outOfMemory { return nil }
    let segment = GPUSegment(address, byteCount, of: pool)
    segments[address] = segment
    counts.reserved.change(by: byteCount)
    return segment.head
  }

  /// Called by the memory's deinit.
  func giveBack(_ block: GPUBlock) {
    lock.lock()
    defer { lock.unlock() }
    precondition(block.state == .live)
    counts.allocated.change(by: -block.byteCount)
    counts.requested.change(by: -block.requested)
    let users = block.users
    block.users = []
    if users.isEmpty { return insert(block) }
    block.state = .waiting
    counts.waiting.change(by: block.byteCount)
    if captures.isEmpty { wait(block, for: users) } else { deferred.append((block, users)) }
  }

  private func wait(_ block: GPUBlock, for users: [GPUStream]) {
    // Where nothing can be recorded the context is lost, and nobody will use the block.
    if !waits.add(block, for: users) { release(block) }
  }

  /// Work of another GPU's cannot use the memory.
  func record(_ block: GPUBlock, on stream: GPUStream) {
    if stream.gpu !== gpu { return }
    lock.withLock {
      if stream !== block.segment.pool.stream && !block.users.contains(where: { $0 === stream }) { block.users.append(stream) }
    }
  }

  /// A block that has waited long enough.
  private func release(_ block: GPUBlock) {
    counts.waiting.change(by: -block.byteCount)
    insert(block)
  }

  /// Makes a block free. The next request on its stream is often for as much: it is left alone until another comes.
  private func insert(_ block: GPUBlock) {
    let pool = block.segment.pool
    if pool.graph != 0 { return join(block) }
    block.state = .last
    let before = pool.last
    pool.last = block
    if let before { join(before) }
  }

  /// The blocks that were left alone are as others.
  private func joinLast() {
    for pool in pools.values {
      if let last = pool.last.take() { join(last) }
    }
  }

  private func join(_ block: GPUBlock) {
    var block = block
    let pool = block.segment.pool
    block.state = .free
    if let next = block.next, next.state == .free {
      pool.remove(next)
      block.mergeNext()
    }
    if let previous = block.previous, previous.state == .free {
      pool.remove(previous)
      previous.mergeNext()
      block = previous
    }
    pool.insert(block)
  }

  /// Gives segments nothing of which is used back to the driver. Memory that streams still use is waited for.
  func emptyCache() throws(TensorError) {
    lock.lock()
    defer { lock.unlock() }
    try releaseSegments()
  }

  private func releaseSegments() throws(TensorError) {
    for block in try waits.takeAll() { release(block) }
    joinLast()
    for segment in segments.values
    where segment.head!.state == .free && segment.head!.next == nil && !graphs.contains(segment.pool.graph) {
      segment.pool.remove(segment.head!)
      segment.head = nil
      segments[segment.address] = nil
      counts.reserved.change(by: -segment.byteCount)
      try gpu.run(gpu.driver.free) { $0(segment.address) }
    }
  }

  // MARK: Graphs

  /// From here on memory on `stream` belongs to the graph that is returned, as a number.
  func beginCapture(on stream: GPUStream) -> Int {
    lock.withLock {
      graphCount += 1
      captures[stream.handle] = graphCount
      graphs.insert(graphCount)
      return graphCount
    }
  }

  func endCapture(on stream: GPUStream) {
    lock.withLock {
      captures[stream.handle] = nil
      if !captures.isEmpty { return }
      for (block, users) in deferred { wait(block, for: users) }
      deferred = []
    }
  }

  /// The graph is not replayed any more: what nobody holds of its memory goes back to the driver with the next emptying.
  func endReplays(of graph: Int) {
    lock.withLock {
      graphs.remove(graph)
      pools = pools.filter { $0.key.graph != graph }
    }
  }

  // MARK: Figures

  var figures: GPUMemoryFigures { lock.withLock { counts } }

  func resetPeaks() { lock.withLock { counts.resetPeaks() } }

  /// The part of the GPU's memory that segments may take, from 0 to 1. The cache gives way first.
  var fraction: Double {
    get { lock.withLock { share } }
    set {
      precondition((0...1).contains(newValue))
      lock.withLock { share = newValue }
    }
  }

  /// A block as it lies in its segment.
  struct Piece: Sendable {
    let address: Driver.Address
    let byteCount: Int
    let state: GPUBlock.State
    let operation: String
    let stream: Driver.Handle
  }

  /// All blocks, by address.
  var pieces: [Piece] { lock.withLock { unlockedPieces } }

  private var unlockedPieces: [Piece] {
    joinLast()
    return segments.values.sorted { $0.address < $1.address }.flatMap { segment in
      segment.blocks.map { block in
        Piece(
          address: block.address, byteCount: block.byteCount, state: block.state, operation: block.operation,
          stream: segment.pool.stream.handle)
      }
    }
  }

  /// Figures and live blocks as a table.
  var summary: String {
    lock.lock()
    defer { lock.unlock() }
    return GPUMemoryReport(gpu, counts, unlockedPieces).table
  }

  private func exhausted(_ byteCount: Int) -> TensorError {
    counts.failureCount += 1
    return TensorError(
      .memory, GPUMemoryReport(gpu, counts, unlockedPieces).exhausted(by: byteCount, share: share))
  }
}
