import Synchronization

/// Memory of the CPU that the GPU reads and writes by itself, so that copies run beside everything else. Given back to its cache with
/// the last reference, and handed out again once the streams that used it have come so far.
final class PinnedMemory: Sendable {
  /// Unsafe by type only: it never changes, and is given back by nobody but the deinit.
  nonisolated(unsafe) let pointer: UnsafeMutableRawPointer
  /// What was asked for.
  let byteCount: Int
  private let cache: PinnedCache
  private let lock = Lock()
  /// Guarded by the lock.
  private nonisolated(unsafe) var users: [GPUStream] = []

  fileprivate init(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int, of cache: PinnedCache) {
    (self.pointer, self.byteCount, self.cache) = (pointer, byteCount, cache)
    PinnedMemory.lives.add(self)
  }

  deinit {
    PinnedMemory.lives.remove(self)
    cache.giveBack(pointer, byteCount, usedOn: users)
  }

  private static let lives = LivePinnedMemory()

  /// The pinned memory that has the byte at `address`, while somebody holds it; nil where there is none.
  static func holding(_ address: UnsafeRawPointer) -> PinnedMemory? { lives.holding(UInt(bitPattern: address)) }

  /// Queues a copy of the first bytes to the GPU.
  func upload(_ count: Int, to target: Driver.Address, on stream: GPUStream, for operation: String = "") throws(TensorError) {
    note(stream)
    try stream.copy(UnsafeRawPointer(pointer), to: target, count, for: operation)
  }

  /// Queues a copy from the GPU over the first bytes.
  func download(_ count: Int, from source: Driver.Address, on stream: GPUStream, for operation: String = "") throws(TensorError) {
    note(stream)
    try stream.copy(source, to: pointer, count, for: operation)
  }

  /// What is queued on `stream` now uses the memory.
  func note(_ stream: GPUStream) {
    lock.withLock { if !users.contains(where: { $0 === stream }) { users.append(stream) } }
  }
}

/// All pinned memory that somebody holds, by address.
private final class LivePinnedMemory: Sendable {
  private struct Entry {
    let start: UInt
    let end: UInt
    let memory: Unmanaged<PinnedMemory>
  }

  private let isEmpty = Atomic(true)
  private let lock = Lock()
  /// By their starts; guarded by the lock.
  private nonisolated(unsafe) var entries: [Entry] = []

  func add(_ memory: PinnedMemory) {
    let start = UInt(bitPattern: memory.pointer)
    let entry = Entry(start: start, end: start + UInt(memory.byteCount), memory: .passUnretained(memory))
    lock.withLock {
      entries.insert(entry, at: place(start))
      isEmpty.store(false, ordering: .relaxed)
    }
  }

  func remove(_ memory: PinnedMemory) {
    lock.withLock {
      _ = entries.remove(at: place(UInt(bitPattern: memory.pointer)))
      isEmpty.store(entries.isEmpty, ordering: .relaxed)
    }
  }

  /// Whoever asks holds the memory, if it is there.
  func holding(_ address: UInt) -> PinnedMemory? {
    if isEmpty.load(ordering: .relaxed) { return nil }
    return lock.withLock {
      let next = place(address + 1)
      guard next > 0, address < entries[next - 1].end else { return nil }
      return entries[next - 1].memory.takeUnretainedValue()
    }
  }

  /// Of the first that does not start below.
  private func place(_ start: UInt) -> Int {
    var (low, high) = (0, entries.count)
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].start < start { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

/// Pinned memory that is kept for reuse: pinning costs as much as copying megabytes. Sizes are powers of two.
final class PinnedCache: Sendable {
  let gpu: GPU
  private let lock = Lock()
  // Guarded by the lock: by the exponent of the size.
  private nonisolated(unsafe) var free: [Int: [UInt]] = [:]
  private nonisolated(unsafe) var waits = StreamWaits<Block>()
  private nonisolated(unsafe) var reserved = 0

  private struct Block {
    let address: UInt
    let exponent: Int
  }

  init(of gpu: GPU) { self.gpu = gpu }

  deinit { try? empty() }

  /// Bytes that are pinned, in use or not.
  var reservedByteCount: Int { lock.withLock { reserved } }

  func allocate(_ byteCount: Int) throws(TensorError) -> PinnedMemory {
    precondition(byteCount > 0)
    let exponent = PinnedCache.exponent(byteCount)
    lock.lock()
    defer { lock.unlock() }
    for block in waits.takeFinished() { free[block.exponent, default: []].append(block.address) }
    if let address = free[exponent]?.popLast() {
      return PinnedMemory(UnsafeMutableRawPointer(bitPattern: address)!, byteCount, of: self)
    }
    return PinnedMemory(try pin(1 << exponent), byteCount, of: self)
  }

  private func pin(_ byteCount: Int) throws(TensorError) -> UnsafeMutableRawPointer {
    var pointer: UnsafeMutableRawPointer?
    let portable: UInt32 = 1
    func status() throws(TensorError) -> DriverStatus {
      try gpu.status(gpu.driver.allocateHost, accepting: .outOfMemory) { $0(&pointer, byteCount, portable) }
    }
    if try status() == .outOfMemory {
      try releaseAll()
      if try status() == .outOfMemory {
        throw TensorError(
          .memory,
          "\(GPUMemoryFigures.text(byteCount)) of the CPU's memory cannot be pinned, with \(GPUMemoryFigures.text(reserved)) pinned"
        )
      }
    }
    reserved += byteCount
    return pointer!
  }

  fileprivate func giveBack(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int, usedOn streams: [GPUStream]) {
    lock.withLock {
      let block = Block(address: UInt(bitPattern: pointer), exponent: PinnedCache.exponent(byteCount))
      if streams.isEmpty || !waits.add(block, for: streams) { free[block.exponent, default: []].append(block.address) }
    }
  }

  /// Gives what is not in use back to the system; what streams still use is waited for.
  func empty() throws(TensorError) {
    lock.lock()
    defer { lock.unlock() }
    try releaseAll()
  }

  private func releaseAll() throws(TensorError) {
    for block in try waits.takeAll() { free[block.exponent, default: []].append(block.address) }
    for (exponent, addresses) in free {
      free[exponent] = nil
      for address in addresses {
        reserved -= 1 << exponent
        try gpu.run(gpu.driver.freeHost) { $0(UnsafeMutableRawPointer(bitPattern: address)!) }
      }
    }
  }

  /// Of the least power of two that holds so many bytes, a page at least.
  private static func exponent(_ byteCount: Int) -> Int {
    Swift.max(12, Int.bitWidth - (byteCount - 1).leadingZeroBitCount)
  }
}
