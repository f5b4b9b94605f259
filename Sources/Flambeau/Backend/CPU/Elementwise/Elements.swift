import CKernels

/// Elements in a device's memory as a kernel's operand. `pointer` is the storage's first byte; the layout's offset is counted from it.
struct Elements {
  let pointer: UnsafeMutableRawPointer
  let layout: Layout
  let dtype: DType
  let device: Device

  @inline(__always)
  init(_ pointer: UnsafeMutableRawPointer, _ layout: Layout, _ dtype: DType, on device: Device = .cpu) {
    self.pointer = pointer
    self.layout = layout
    self.dtype = dtype
    self.device = device
  }

  /// What another layout shows of the same memory.
  @inline(__always)
  func laid(_ layout: Layout) -> Elements { Elements(pointer, layout, dtype, on: device) }

  /// The first element, for the processor.
  @inline(__always)
  var start: UnsafeMutableRawPointer {
    assert(device.isCPU, "the processor cannot read the memory of a GPU")
    return address
  }

  /// Where the first element lies in the device's memory.
  @inline(__always)
  var address: UnsafeMutableRawPointer { pointer + layout.offset * dtype.byteCount }

  /// The step between elements when the whole is read in order as one row; nil if no one step does it.
  @inline(__always)
  var flatStride: Int? {
    if layout.isContiguous { return 1 }
    for i in 0..<layout.rank where layout.strides.at(i) != 0 && layout.shape.at(i) != 1 { return nil }
    return 0
  }
}

extension fb_class {
  /// The element type that is this class in memory.
  @inline(__always)
  var dtype: DType { self == fb_f32 ? .float32 : self == fb_f64 ? .float64 : .int64 }

  @inline(__always)
  var byteCount: Int { self == fb_f32 ? 4 : 8 }
}
