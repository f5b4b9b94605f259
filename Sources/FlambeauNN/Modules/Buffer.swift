import Flambeau

/// A tensor that belongs to a module's state and is not trained, such as running statistics. Torch's `register_buffer`.
public final class Buffer: Sendable {
  private let box: Guarded<Tensor>
  /// Whether the buffer is part of ``Module/stateDict()``.
  public let isPersistent: Bool

  /// State dicts of old versions lack it; it keeps its value then.
  let mayBeMissing: Bool

  /// A buffer that holds `tensor`; only a persistent one is part of the state dict.
  public convenience init(_ tensor: Tensor, persistent: Bool = true) {
    self.init(tensor, persistent: persistent, mayBeMissing: false)
  }

  init(_ tensor: Tensor, persistent: Bool = true, mayBeMissing: Bool) {
    box = Guarded(tensor)
    isPersistent = persistent
    self.mayBeMissing = mayBeMissing
  }

  /// The tensor it holds.
  public var tensor: Tensor {
    get { box.value }
    set { box.value = newValue }
  }

  /// The sizes of the dimensions.
  public var shape: Shape { tensor.shape }
  /// The dtype of the elements.
  public var dtype: DType { tensor.dtype }

  func hold(_ tensor: Tensor) { self.tensor = tensor }

  func move(to device: Device) {
    let old = tensor
    if old.device != device { tensor = noGrad { old.to(device) } }
  }

  func arrange(_ format: MemoryFormat) {
    if format.fits(tensor) { tensor = noGrad { tensor.contiguous(memoryFormat: format) } }
  }

  func convert(to dtype: DType) {
    let old = tensor
    if old.dtype != dtype { tensor = noGrad { old.to(dtype) } }
  }
}

extension Buffer: CustomStringConvertible {
  public var description: String { "Buffer(\(dtype) \(shape)\(isPersistent ? "" : ", persistent: false"))" }
}
