import CKernels

struct CopyArguments: Sendable {
  let dtype: DType
  /// Else the dimensions nest as the operand's do.
  var isRowMajor = false
}

struct Conversions: Sendable {
  /// Elements of a dtype in memory of their own, without gaps.
  let copy: Operator<CopyArguments> = Operator(
    "to",
    forward: { (operands, at) throws(TensorError) in
      let source = operands[0]!.body
      let result = try Value(at.isRowMajor ? Layout(source.layout.shape) : source.layout.dense, at.dtype)
      source.elements.copy(to: result.elements)
      return result
    },
    backward: { (call, gradient) throws(TensorError) in Few(gradient.to(call.dtype(0))) },
    samples: [
      Sample("a.to(torch.float64)", [.real([2, 3])]) { $0[0].to(.float64) },
      Sample("a.to(torch.int16)", [.real([2, 3], -9...9)]) { $0[0].to(.int16) },
      Sample("a.contiguous()", [.real([2, 3, 2])]) { $0[0].contiguous() },
      Sample("a.clone()", [.real([2, 3, 2])]) { $0[0].clone() },
    ])
}

extension Elements {
  /// Converts the elements into those of `target`, which has the same shape.
  func copy(to target: Elements) {
    let wide = dtype == .float64 || target.dtype == .float64
    let computeClass =
      !dtype.isFloatingPoint && !target.dtype.isFloatingPoint ? fb_i64 : wide || dtype == .int64 ? fb_f64 : fb_f32
    Interpreter.run(Program.identity, in: computeClass, self, into: target)
  }
}

extension Program {
  static let identity = Program { x in copy(x) }
}

extension Value {
  /// All bytes of the storage 0.
  func fillZero() { storage.pointer.initializeMemory(as: UInt8.self, repeating: 0, count: storage.byteCount) }
}

extension Tensor {
  /// The elements as `dtype`; the same tensor if they are already. Floats truncate to integers, integers wrap.
  public func to(_ dtype: DType) -> Tensor {
    dtype == self.dtype ? self : ops.conversions.copy(self, CopyArguments(dtype: dtype))
  }

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
