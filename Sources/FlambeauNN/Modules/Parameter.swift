import Flambeau

/// A tensor that training changes: a module keeps it in a `let`, optimizers hold on to it. Torch's `nn.Parameter`.
///
/// The box is the parameter's identity. ``Module/to(_:file:line:)`` puts another tensor into it; `.grad` and the graphs
/// recorded before stay with the box, and two modules that hold the same box share the parameter.
public final class Parameter: Sendable {
  private let box: Guarded<Tensor>

  /// A leaf that shares the elements of `tensor`.
  public init(_ tensor: Tensor, requiresGrad: Bool = true, file: StaticString = #fileID, line: UInt = #line) {
    box = Guarded(tensor.detach().requiresGrad_(requiresGrad, file: file, line: line))
  }

  /// What the forward pass computes with.
  public var tensor: Tensor { box.value }

  /// What backward passes added up, of the tensor's dtype; nil before the first.
  public var grad: Tensor? {
    get {
      let tensor = self.tensor
      guard let gradient = tensor.grad else { return nil }
      if gradient.dtype == tensor.dtype && gradient.device == tensor.device { return gradient }
      // From a graph that was recorded before the parameter was converted or moved.
      tensor.grad = noGrad { gradient.to(tensor.device, dtype: tensor.dtype) }
      return tensor.grad
    }
    set { tensor.grad = newValue }
  }

  /// Whether gradients flow to the parameter; false freezes it.
  public var requiresGrad: Bool {
    get { tensor.requiresGrad }
    set { tensor.requiresGrad_(newValue) }
  }

  /// The sizes of the dimensions.
  public var shape: Shape { tensor.shape }
  /// The dtype of the elements.
  public var dtype: DType { tensor.dtype }
  /// Where it lives.
  public var device: Device { tensor.device }
  /// The number of elements.
  public var count: Int { tensor.count }

  func hold(_ tensor: Tensor) { box.value = tensor }

  /// The elements on `device`, in the same box.
  func move(to device: Device) {
    let old = tensor
    if old.device != device { box.value = old.replaced(by: noGrad { old.to(device) }) }
  }

  /// The elements laid out as `format` says, in the same box; as they are where they have another rank than the format.
  func arrange(_ format: MemoryFormat) {
    let old = tensor
    if format.fits(old) && !old.isContiguous(memoryFormat: format) {
      box.value = old.replaced(by: noGrad { old.contiguous(memoryFormat: format) })
    }
  }

  /// The elements as `dtype`, in the same box.
  func convert(to dtype: DType) {
    let old = tensor
    if old.dtype != dtype { box.value = old.replaced(by: noGrad { old.to(dtype) }) }
  }
}

extension Parameter: CustomStringConvertible {
  public var description: String { "Parameter(\(dtype) \(shape)\(requiresGrad ? "" : ", requiresGrad: false"))" }
}
