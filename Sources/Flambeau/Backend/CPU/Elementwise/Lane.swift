import CKernels

/// How one operand of a pass is brought to the plan's slots and back.
struct Lane {
  enum Mode {
    /// The plan does not read it.
    case unused
    /// Used where it lies.
    case direct
    /// One number for a whole block.
    case number
    /// Converted or collected into a block; results the other way.
    case block
    /// Collected a rectangle of rows at a time, because its neighbours in memory are in different rows.
    case tile
    /// Results too big for the caches: made in a block, then streamed to memory.
    case stream
  }

  let mode: Mode
  let slot: Int
  let start: UnsafeMutableRawPointer
  let byteCount: Int
  /// The element's size is 2 to this power.
  let sizeLog: Int
  let innerStride: Int
  let rowStride: Int
  /// The elements are not of the compute class.
  let converts: Bool
  let load: fb_load?
  let store: fb_store?
  /// Reads an element as a position.
  let loadIndex: fb_load?
  /// Where its block, and the raw elements before conversion, begin in the scratch memory; filled in once known.
  var block = 0
  var raw = 0

  init(
    _ elements: Elements, mode: Mode, slot: Int, innerStride: Int, rowStride: Int, in computeClass: ComputeClass,
    isOutput: Bool
  ) {
    self.mode = mode
    self.slot = slot
    start = elements.start
    byteCount = elements.dtype.byteCount
    sizeLog = byteCount.trailingZeroBitCount
    self.innerStride = innerStride
    self.rowStride = rowStride
    converts = elements.dtype != computeClass.dtype
    load = isOutput ? nil : computeClass.load(elements.dtype)
    loadIndex = isOutput ? nil : fb_i64.load(elements.dtype)
    store = isOutput ? computeClass.store(elements.dtype) : nil
  }
}
