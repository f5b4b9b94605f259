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
      start = body.elements.start
      origin = nil
    } else {
      let copy = try Value(Layout(body.layout.shape), body.dtype)
      body.elements.copyOnProcessor(to: copy.elements)
      storage = copy.storage
      start = copy.storage.pointer
      origin = body
    }
  }

  var byteCount: Int { count * dtype.byteCount }
  var elements: Elements { Elements(start, Layout([count]), dtype) }

  /// After a kernel has written the elements.
  func finish() {
    if let origin { Elements(start, Layout(origin.layout.shape), dtype).copyOnProcessor(to: origin.elements) }
    (origin?.storage ?? storage).version.wrappingAdd(1, ordering: .relaxed)
  }
}
