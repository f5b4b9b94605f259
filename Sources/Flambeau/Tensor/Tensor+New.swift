// Tensors of this one's dtype, and tensors that may be the caller's own.
extension Tensor {
  /// Elements that nobody has written yet, of this tensor's dtype by default. Torch's `new_empty`.
  public func newEmpty(
    _ shape: Shape, dtype: DType? = nil, device: Device? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { .empty(shape, dtype: dtype ?? self.dtype, device: device ?? self.device, file: file, line: line) }

  /// Zeros of this tensor's dtype by default. Torch's `new_zeros`.
  public func newZeros(
    _ shape: Shape, dtype: DType? = nil, device: Device? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { .zeros(shape, dtype: dtype ?? self.dtype, device: device ?? self.device, file: file, line: line) }

  /// Ones of this tensor's dtype by default. Torch's `new_ones`.
  public func newOnes(
    _ shape: Shape, dtype: DType? = nil, device: Device? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { .ones(shape, dtype: dtype ?? self.dtype, device: device ?? self.device, file: file, line: line) }

  /// Elements that all are `value`, of this tensor's dtype by default. Torch's `new_full`.
  public func newFull(
    _ shape: Shape, _ value: Double, dtype: DType? = nil, device: Device? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { .full(shape, value, dtype: dtype ?? self.dtype, device: device ?? self.device, file: file, line: line) }

  /// Filled with a number, of this tensor's dtype. Torch's `new_full`.
  public func newFull(
    _ shape: Shape, _ value: Int, dtype: DType? = nil, device: Device? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { .full(shape, value, dtype: dtype ?? self.dtype, device: device ?? self.device, file: file, line: line) }

  /// A copy of `array` in this tensor's dtype by default. Torch's `new_tensor`.
  public func newTensor<Element: TensorElement>(
    _ array: [Element], dtype: DType? = nil, device: Device? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { Tensor(array, device: device ?? self.device, file: file, line: line).to(dtype ?? self.dtype) }

  /// `tensor` itself if it has the dtype, else its conversion. Torch's `as_tensor`; an array becomes a tensor by
  /// `Tensor(_:)`, memory by ``init(sharing:dtype:shape:strides:owner:file:line:)``.
  public static func asTensor(_ tensor: Tensor, dtype: DType? = nil, device: Device? = nil) -> Tensor {
    tensor.to(device ?? tensor.device, dtype: dtype)
  }
}
