import Flambeau

/// A tensor that belongs to a module's state and is not trained, such as running statistics. Torch's `register_buffer`.
public final class Buffer: Sendable {
  private let box: Guarded<Tensor>
  /// Whether the buffer is part of ``Module/stateDict()``.
  public let isPersistent: Bool

  public init(_ tensor: Tensor, persistent: Bool = true) {
    box = Guarded(tensor)
    isPersistent = persistent
  }

  public var tensor: Tensor {
    get { box.value }
    set { box.value = newValue }
  }

  public var shape: Shape { tensor.shape }
  public var dtype: DType { tensor.dtype }

  func convert(to dtype: DType) {
    let old = tensor
    if old.dtype != dtype { tensor = noGrad { old.to(dtype) } }
  }
}

extension Buffer: CustomStringConvertible {
  public var description: String { "Buffer(\(dtype) \(shape)\(isPersistent ? "" : ", persistent: false"))" }
}
