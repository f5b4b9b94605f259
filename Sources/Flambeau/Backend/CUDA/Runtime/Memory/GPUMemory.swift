/// A block of a GPU's memory, given back to its allocator with the last reference, or when the operator ends in which that went.
final class GPUMemory: Sendable {
  /// A multiple of 512; 0 where nothing was asked for.
  let address: Driver.Address
  /// What was asked for.
  let byteCount: Int
  private let block: GPUBlock?
  private let allocator: GPUAllocator

  init(_ block: GPUBlock?, _ byteCount: Int, of allocator: GPUAllocator) {
    address = block?.address ?? 0
    (self.block, self.byteCount, self.allocator) = (block, byteCount, allocator)
  }

  deinit { if let block { GPUThread.giveBack(block, to: allocator) } }

  /// Says that work queued on `stream`, which is not the one it was allocated on, uses the memory: whatever is queued there when the
  /// memory is given back is waited for before anybody gets it. Torch's `record_stream`.
  func record(on stream: GPUStream) { if let block { allocator.record(block, on: stream) } }
}
