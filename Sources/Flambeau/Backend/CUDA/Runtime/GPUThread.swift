/// What a thread is doing on GPUs. An operator runs on one thread from its beginning to its end.
struct GPUThread {
  /// The operator whose work is queued, for errors and reports of memory; empty where none is.
  private(set) var operation = ""
  private var isInOperator = false
  /// Memory that the operator has let go of.
  private var released: [(block: GPUBlock, allocator: GPUAllocator)] = []
  /// The GPU whose context the thread was last given, by ``GPU/identity``; 0 for none.
  var contextOwner: UInt64 = 0

  /// Runs `body`, whose work is that of the operator `name`, or of one that this one is part of. Memory that is let go of meanwhile is
  /// nobody else's before the end: kernels' operands are addresses, and hold nothing.
  @inline(__always)
  static func naming<R>(_ name: String, _ body: () throws(TensorError) -> R) throws(TensorError) -> R {
    let thread = current
    if thread.pointee.isInOperator { return try body() }
    (thread.pointee.operation, thread.pointee.isInOperator) = (name, true)
    defer { thread.pointee.end() }
    return try body()
  }

  private mutating func end() {
    (operation, isInOperator) = ("", false)
    if released.isEmpty { return }
    for (block, allocator) in released { allocator.giveBack(block) }
    released.removeAll(keepingCapacity: true)
  }

  /// Gives a block back to its allocator, at the end of the operator that runs now.
  static func giveBack(_ block: GPUBlock, to allocator: GPUAllocator) {
    let thread = current
    if thread.pointee.isInOperator {
      thread.pointee.released.append((block, allocator))
    } else {
      allocator.giveBack(block)
    }
  }

  // MARK: The thread's own

  private static let threads = ThreadLocal { GPUThread() }

  @inline(__always)
  static var current: UnsafeMutablePointer<GPUThread> { threads.current }
}
