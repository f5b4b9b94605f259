/// Elements as kernels take them: row-major without gaps, of a floating-point dtype.
///
/// A tensor that lies otherwise is worked on in a copy, which `finish` writes back.
struct DenseArray {
  let start: UnsafeMutableRawPointer
  let dtype: DType
  let count: Int
  /// What keeps the memory alive: the tensor's storage or the copy's.
  let storage: Storage
  /// Where a copy's elements belong; nil if `start` is the tensor's own memory.
  private let origin: TensorBody?

  init(_ tensor: Tensor) throws(TensorError) {
    let body = tensor.body
    dtype = body.dtype
    count = body.layout.elementCount
    if body.layout.isContiguous {
      storage = body.storage
      start = body.elements.address
      origin = nil
    } else {
      let copy = try Value(Layout(body.layout.shape), body.dtype, on: body.device)
      try body.elements.copy(to: copy.elements)
      storage = copy.storage
      start = copy.storage.address
      origin = body
    }
  }

  var byteCount: Int { count * dtype.byteCount }
  var device: Device { storage.device }
  var elements: Elements { Elements(start, Layout([count]), dtype, on: device) }

  /// After a kernel has written the elements.
  func finish() throws(TensorError) {
    if let origin { try Elements(start, Layout(origin.layout.shape), dtype, on: device).copy(to: origin.elements) }
    (origin?.storage ?? storage).version.wrappingAdd(1, ordering: .relaxed)
  }
}

extension [DenseArray] {
  /// The one device that all live on; the processor if there are none.
  func device() throws(TensorError) -> Device {
    let device = first?.device ?? .cpu
    for array in self where array.device != device { throw .differentDevices(device, array.device) }
    return device
  }
}
