import Synchronization

/// A block of bytes on a device, shared by the tensors that view it.
final class Storage: Sendable {
  nonisolated(unsafe) let pointer: UnsafeMutableRawPointer
  /// The bytes that were asked for.
  let byteCount: Int
  let device: Device
  /// Counts in-place writes; saved values check it.
  let version = Atomic<UInt32>(0)
  #if DEBUG
    /// The row that is writing the bytes, unretained; 0 for none.
    let writer = Atomic<UInt>(0)
  #endif
  /// Keeps foreign memory alive; nil when the allocator owns the block.
  private let lender: Lender?

  /// A fresh block of the caching allocator, 64-byte aligned, contents undefined.
  init(byteCount: Int, device: Device = .cpu) throws(TensorError) {
    pointer = try Memory.allocate(byteCount)
    self.byteCount = byteCount
    self.device = device
    lender = nil
  }

  /// Foreign memory, kept alive by `owner`, and given back by `release`.
  init(
    sharing pointer: UnsafeMutableRawPointer, byteCount: Int, owner: (any Sendable)?,
    release: (@Sendable () -> Void)? = nil
  ) {
    self.pointer = pointer
    self.byteCount = byteCount
    device = .cpu
    lender = Lender(owner: owner, release: release)
  }

  /// The block came from the library's allocator, so it may be reused for a result.
  var isOwned: Bool { lender == nil }

  /// No elements; what a poisoned tensor names.
  static let none = Storage(sharing: UnsafeMutableRawPointer(bitPattern: 64)!, byteCount: 0, owner: nil)

  deinit {
    if lender == nil { Memory.free(pointer, byteCount) }
  }
}

/// Whose the memory of a storage is, if it is not the allocator's.
private final class Lender: Sendable {
  private let owner: (any Sendable)?
  private let release: (@Sendable () -> Void)?

  init(owner: (any Sendable)?, release: (@Sendable () -> Void)?) {
    self.owner = owner
    self.release = release
  }

  deinit { release?() }
}
