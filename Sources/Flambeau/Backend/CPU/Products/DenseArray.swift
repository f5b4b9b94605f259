/// Elements as kernels take them: without gaps, of a floating-point dtype, in an order of dimensions that several arrays may share.
///
/// A tensor that lies otherwise is worked on in a copy, which `finish` writes back.
struct DenseArray {
  let start: UnsafeMutableRawPointer
  let dtype: DType
  let count: Int
  /// What keeps the memory alive: the tensor's storage or the copy's.
  let storage: Storage
  /// Where a copy's elements belong; nil if `start` is the tensor's own memory.
  private let origin: Origin?

  /// In an object of its own, since hardly any array has one.
  private final class Origin {
    let body: TensorBody
    /// How the copy lies.
    let layout: Layout

    init(_ body: TensorBody, _ layout: Layout) { (self.body, self.layout) = (body, layout) }
  }

  /// - Parameter model: Of the same shape: the order of its dimensions is taken if it has no gaps, else they are row-major. nil: the
  ///   tensor's own.
  init(_ tensor: Tensor, ordered model: Layout? = nil) throws(TensorError) {
    let body = tensor.body
    dtype = body.dtype
    count = body.layout.elementCount
    let isRowMajor = body.layout.isContiguous && model?.isContiguous ?? true
    let model = isRowMajor ? body.layout : model ?? body.layout
    let layout = model.isContiguous || !model.isDense ? Layout(body.layout.shape) : model.moved(to: 0)
    if isRowMajor || body.layout.isContiguous && layout.isContiguous || body.layout.nests(as: layout) {
      storage = body.storage
      start = body.elements.address
      origin = nil
    } else {
      let copy = try Value(layout, body.dtype, on: body.device)
      try body.elements.copy(to: copy.elements)
      storage = copy.storage
      start = copy.storage.address
      origin = Origin(body, layout)
    }
  }

  var byteCount: Int { count * dtype.byteCount }
  var device: Device { storage.device }
  var elements: Elements { Elements(start, Layout([count]), dtype, on: device) }

  /// After a kernel has written the elements.
  func finish() throws(TensorError) {
    if let origin { try Elements(start, origin.layout, dtype, on: device).copy(to: origin.body.elements) }
    (origin?.body.storage ?? storage).version.wrappingAdd(1, ordering: .relaxed)
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
