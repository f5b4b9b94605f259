struct CopyArguments: Sendable {
  let dtype: DType
  /// nil: where the operand lives.
  var device: Device? = nil
  /// Else the dimensions nest as the operand's do.
  var isRowMajor = false
  /// Nobody waits for a copy from or to pinned memory.
  var nonBlocking = false
}

struct Conversions: Sendable {
  /// Elements of a dtype in memory of their own, without gaps.
  let copy: Operator<CopyArguments> = Operator<CopyArguments>(
    "to",
    forward: { (operands, at) throws(TensorError) in
      let source = operands[0]!.body
      let layout = at.isRowMajor ? Layout(source.layout.shape) : source.layout.dense
      let device = at.device ?? source.device
      let isPinned = at.nonBlocking && device.isCPU && !source.device.isCPU
      let result =
        try isPinned
        ? Value(pinned: layout, at.dtype, for: source.device) : Value(layout, at.dtype, on: device)
      // What the bytes lie like does not change on the way to another device.
      try source.elements.copy(to: result.elements, waits: !at.nonBlocking)
      return result
    },
    backward: { (call, gradient) throws(TensorError) in Few(gradient.to(call.device(0), dtype: call.dtype(0))) },
    samples: [
      Sample("a.to(torch.float64)", [.real([2, 3])]) { $0[0].to(.float64) },
      Sample("a.to(torch.int16)", [.real([2, 3], -9...9)]) { $0[0].to(.int16) },
      Sample("a.contiguous()", [.real([2, 3, 2])]) { $0[0].contiguous() },
      Sample("a.clone()", [.real([2, 3, 2])]) { $0[0].clone() },
    ]
  ).onGPU()
}

extension Tensor {
  /// The elements as `dtype`; the same tensor if they are already. Floats truncate to integers, integers wrap.
  public func to(_ dtype: DType) -> Tensor {
    dtype == self.dtype ? self : ops.conversions.copy(self, CopyArguments(dtype: dtype))
  }

  /// The elements on `device`, as `dtype` if one is given; the same tensor if they are already.
  ///
  /// From and to the processor this waits until the elements are there, unless `nonBlocking`. Then a copy from pinned memory is queued
  /// on the current stream (the tensor's elements must stay as they are until it is done), and one to the processor is queued and goes to
  /// pinned memory, whose elements are there once the stream has come so far: see ``CUDA/Stream/synchronize()``.
  public func to(_ device: Device, dtype: DType? = nil, nonBlocking: Bool = false) -> Tensor {
    if device == self.device { return dtype.map { to($0) } ?? self }
    return ops.conversions.copy(
      self, CopyArguments(dtype: dtype ?? self.dtype, device: device, nonBlocking: nonBlocking))
  }

  /// The elements on a GPU. Torch's `cuda`.
  public func cuda(_ index: Int = 0) -> Tensor { to(.cuda(index)) }

  /// The elements in the processor's memory. Torch's `cpu`.
  public func cpu() -> Tensor { to(.cpu) }

  /// The tensor itself if row-major without gaps, else a copy that is. Torch's `contiguous`.
  public func contiguous() -> Tensor { isContiguous ? self : rowMajorCopy() }

  /// A copy with storage of its own, whose dimensions nest in memory as these do. Torch's `clone`.
  public func clone() -> Tensor { ops.conversions.copy(self, CopyArguments(dtype: dtype)) }

  func rowMajorCopy() -> Tensor { ops.conversions.copy(self, CopyArguments(dtype: dtype, isRowMajor: true)) }

  /// Summed over what broadcasting stretched, and converted: a gradient for an operand of `shape` and `dtype`.
  func fitted(to shape: Shape, _ dtype: DType) -> Tensor {
    var result = self
    // A poisoned gradient has no dimensions.
    if result.shape != shape && body.poison == nil {
      let lead = result.ndim - shape.count
      var dims = Array(0..<lead)
      for i in 0..<shape.count where shape.at(i) == 1 && result.body.layout.shape.at(i + lead) != 1 { dims.append(i + lead) }
      if !dims.isEmpty { result = result.sum(dim: dims, keepDim: true) }
      if lead > 0 { result = result.reshape(shape) }
    }
    return result.to(dtype)
  }
}
