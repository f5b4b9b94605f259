import CKernels

/// What normalisations share.
enum Normalization {
  /// Throws unless parameters have the input's dtype or, for a half input, all are float32, as torch.
  static func checkElements(
    _ x: TensorBody, _ parameters: [TensorBody?], _ name: String
  ) throws(TensorError) {
    guard x.dtype.isFloatingPoint else { throw .dtype("\"\(name)\" not implemented for '\(x.dtype.torchScalarName)'") }
    let dtypes = Set(parameters.compactMap { $0?.dtype })
    if dtypes.isEmpty || dtypes == [x.dtype] || x.dtype.isHalf && dtypes == [.float32] { return }
    if dtypes.count > 1 && x.dtype.isHalf {
      throw .dtype("expected scalar type \(x.dtype.torchScalarName) but found Float")
    }
    throw .dtype("mixed dtype (CPU): expect parameter to have scalar type of Float, or of the input: \(x.dtype)")
  }

  /// What a normalised tensor's gradients are made of, in tensor operations that differentiate again.
  struct Gradients {
    let input: Tensor
    /// The gradient of a weight, before it is summed to its shape.
    let weight: Tensor
    let bias: Tensor

    /// - Parameters:
    ///   - dims: What mean and variance are taken over.
    ///   - centred: Whether the mean is taken away first.
    init(_ x: Tensor, _ gradient: Tensor, weight: Tensor?, dims: [Int], eps: Double, centred: Bool = true) {
      let dtype = x.dtype.computeClass.dtype
      let (wide, g) = (x.to(dtype), gradient.to(dtype))
      let offset = centred ? wide - wide.mean(dim: dims, keepDim: true) : wide
      let scale = ((offset * offset).mean(dim: dims, keepDim: true) + eps).rsqrt()
      let normal = offset * scale
      let slope = weight.map { g * $0.to(dtype) } ?? g
      let along = (slope * normal).mean(dim: dims, keepDim: true)
      let flat = centred ? slope - slope.mean(dim: dims, keepDim: true) : slope
      input = (scale * (flat - normal * along)).to(x.dtype)
      self.weight = g * normal
      bias = g
    }
  }
}

extension TensorBody {
  /// The elements in the dtype their class computes in, row-major.
  func wideBody() throws(TensorError) -> TensorBody {
    let wide = dtype.computeClass.dtype
    if dtype == wide { return try contiguousBody() }
    let copy = try Value(Layout(layout.shape), wide, on: device)
    try elements.copy(to: copy.elements)
    return TensorBody(copy)
  }

  /// The elements under another shape, copied only if no view does it.
  func reshapedBody(_ shape: Shape) throws(TensorError) -> TensorBody {
    if let layout = layout.viewed(as: shape) { return TensorBody(Value(storage, layout, dtype)) }
    return TensorBody(Value(try contiguousBody().storage, Layout(shape), dtype))
  }
}
