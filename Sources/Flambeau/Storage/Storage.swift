import Synchronization

/// A block of bytes on a device, shared by the tensors that view it.
final class Storage: Sendable {
  /// The first byte, on the device: only for the processor to read where that is the processor. Unsafe by type only: what may write there
  /// is for operators to say.
  nonisolated(unsafe) let address: UnsafeMutableRawPointer
  /// The bytes that were asked for.
  let byteCount: Int
  let device: Device
  /// Counts in-place writes; saved values check it.
  let version = Atomic<UInt32>(0)
  /// All elements were made 1; see ``holdsOnes``.
  private let wereOnes = Atomic<Bool>(false)
  #if DEBUG
    /// The row that is writing the bytes, unretained; 0 for none.
    let writer = Atomic<UInt>(0)
  #endif
  /// Keeps memory alive that is not the processor's allocator's: a ``Lender``, or a GPU's.
  private let owner: (any AnyObject & Sendable)?

  /// A fresh block of the device's caching allocator, 64-byte aligned, contents undefined.
  init(byteCount: Int, device: Device = .cpu) throws(TensorError) {
    self.byteCount = byteCount
    self.device = device
    if device.isCPU {
      address = try Memory.allocate(byteCount)
      owner = nil
    } else {
      let memory = try GPUBackend.of(device).allocate(byteCount)
      // Memory of no bytes lies nowhere.
      address = UnsafeMutableRawPointer(bitPattern: UInt(memory.address)) ?? Storage.none.address
      owner = memory
    }
  }

  /// Memory of a GPU.
  init(_ memory: GPUMemory, on device: Device) {
    byteCount = memory.byteCount
    self.device = device
    address = UnsafeMutableRawPointer(bitPattern: UInt(memory.address)) ?? Storage.none.address
    owner = memory
  }

  /// Pinned memory of the processor.
  init(_ memory: PinnedMemory) {
    byteCount = memory.byteCount
    device = .cpu
    address = memory.pointer
    owner = memory
  }

  var isPinned: Bool { owner is PinnedMemory }

  /// Foreign memory of the processor, kept alive by `owner`, and given back by `release`.
  init(
    sharing pointer: UnsafeMutableRawPointer, byteCount: Int, owner: (any Sendable)?,
    release: (@Sendable () -> Void)? = nil
  ) {
    address = pointer
    self.byteCount = byteCount
    self.owner = Lender(owner: owner, release: release)
    device = .cpu
  }

  /// The first byte, for the processor. Rows that read it run on the processor only.
  @inline(__always)
  var pointer: UnsafeMutableRawPointer {
    precondition(device.isCPU, "the processor cannot read the memory of a GPU")
    return address
  }

  /// All elements are known to be 1, without looking: a GPU would have to be waited for.
  var holdsOnes: Bool { wereOnes.load(ordering: .relaxed) && version.load(ordering: .relaxed) == 0 }

  /// To be called when all elements have been made 1.
  func rememberOnes() { wereOnes.store(true, ordering: .relaxed) }

  /// Work on `stream` uses memory of a GPU that was made on another.
  func record(on stream: GPUStream) { (owner as? GPUMemory)?.record(on: stream) }

  /// The block came from the processor's allocator, so it may be reused for a result.
  var isOwned: Bool { owner == nil }

  /// Whoever lent the memory may see it: memory of a GPU comes from its allocator.
  var isForeign: Bool { device.isCPU && owner != nil }

  /// No elements; what a poisoned tensor names.
  static let none = Storage(sharing: UnsafeMutableRawPointer(bitPattern: 64)!, byteCount: 0, owner: nil)

  deinit {
    if owner == nil { Memory.free(address, byteCount) }
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
