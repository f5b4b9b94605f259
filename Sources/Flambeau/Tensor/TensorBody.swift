import Synchronization

/// What a tensor is: elements in a storage, and the node that made them. Immutable but for what autograd attaches.
///
/// Unchecked: the attachment is atomic; the rest does not change while it is shared.
final class TensorBody: @unchecked Sendable {
  /// Changed only while the body is uniquely referenced.
  final var storage: Storage
  let layout: Layout
  let dtype: DType
  /// The recorded call this is a result of; nil for leaves and untracked results.
  final private(set) var node: Node?
  /// Which of the node's results.
  let resultIndex: Int
  /// The tensor this is a view of, never itself a view.
  let base: TensorBody?
  /// The base's generation of in-place writes when the view was taken.
  let generation: UInt32
  let isInference: Bool
  private let poisoning: Poisoning?
  /// An owned reference to the ``AutogradMeta``, attached at most once.
  private let metaBits = Atomic<UInt>(0)

  init(_ value: Value, node: Node? = nil, resultIndex: Int = 0, base: TensorBody? = nil, isInference: Bool = false) {
    storage = value.storage
    layout = value.layout
    dtype = value.dtype
    self.node = node
    self.resultIndex = resultIndex
    self.base = base
    generation = base?.meta?.generation ?? 0
    self.isInference = isInference
    poisoning = nil
  }

  /// Elements laid out as those of `model`, from the start of `storage`; `model`'s offset is 0.
  @inline(__always)
  init(_ storage: consuming Storage, like model: Unmanaged<TensorBody>) {
    self.storage = storage
    layout = model._withUnsafeGuaranteedRef { $0.layout }
    dtype = model._withUnsafeGuaranteedRef { $0.dtype }
    node = nil
    resultIndex = 0
    base = nil
    generation = 0
    isInference = false
    poisoning = nil
  }

  /// Makes the fresh body the result of `node`.
  @inline(__always)
  func setNode(_ node: Node) { self.node = node }

  init(poison: TensorError) {
    storage = Storage.none
    layout = Layout([])
    dtype = .float32
    node = nil
    resultIndex = 0
    base = nil
    generation = 0
    isInference = false
    poisoning = Poisoning(poison)
  }

  /// Set on what an operation returned after its error scope had failed.
  @inline(__always)
  var poison: TensorError? { poisoning?.error }

  @inline(__always)
  var isPoisoned: Bool { poisoning != nil }

  deinit {
    let bits = metaBits.load(ordering: .relaxed)
    if bits != 0 { Unmanaged<AutogradMeta>.fromOpaque(UnsafeRawPointer(bitPattern: bits)!).release() }
  }

  @inline(__always)
  var meta: AutogradMeta? { unmanagedMeta?.takeUnretainedValue() }

  /// For a look that need not keep it alive: it lives as long as the body.
  @inline(__always)
  var unmanagedMeta: Unmanaged<AutogradMeta>? {
    UnsafeRawPointer(bitPattern: metaBits.load(ordering: .acquiring)).map { .fromOpaque($0) }
  }

  /// The meta, attached now if there is none.
  var attachedMeta: AutogradMeta {
    if let meta { return meta }
    let fresh = AutogradMeta()
    attach(fresh)
    return meta!
  }

  /// Attaches `new` unless there is one already.
  func attach(_ new: AutogradMeta) {
    let bits = UInt(bitPattern: Unmanaged.passRetained(new).toOpaque())
    let (done, _) = metaBits.compareExchange(expected: 0, desired: bits, ordering: .acquiringAndReleasing)
    if !done { Unmanaged.passUnretained(new).release() }
  }

  @inline(__always)
  var elements: Elements { elements(layout) }

  /// What another layout shows of the same storage.
  @inline(__always)
  func elements(_ layout: Layout) -> Elements { Elements(storage.address, layout, dtype, on: storage.device) }

  /// Where the elements live.
  @inline(__always)
  var device: Device { storage.device }

  @inline(__always)
  var value: Value { Value(storage, layout, dtype) }

  /// Another body of the same elements, as a result of `node`.
  func rewrapped(node: Node?, resultIndex: Int) -> TensorBody {
    TensorBody(value, node: node, resultIndex: resultIndex, base: base, isInference: isInference)
  }
}

/// In an object of its own, because an error is larger than a body and hardly any body has one.
private final class Poisoning: Sendable {
  let error: TensorError
  init(_ error: TensorError) { self.error = error }
}

/// What an operator's body returns: elements, not yet a tensor.
struct Value {
  let storage: Storage
  let layout: Layout
  let dtype: DType
  /// The elements are those of the first operand.
  var isView = false
  /// Results after the first, such as indices.
  var auxiliaries: [Value] = []

  @inline(__always)
  init(_ storage: Storage, _ layout: Layout, _ dtype: DType, isView: Bool = false) {
    self.storage = storage
    self.layout = layout
    self.dtype = dtype
    self.isView = isView
  }

  /// Fresh memory for `layout`, contents undefined. The layout is dense.
  @inline(__always)
  init(_ layout: Layout, _ dtype: DType, on device: Device = .cpu) throws(TensorError) {
    self.init(try Storage(byteCount: layout.elementCount * dtype.byteCount, device: device), layout, dtype)
  }

  @inline(__always)
  var elements: Elements { elements(layout) }

  /// What another layout shows of the same storage.
  @inline(__always)
  func elements(_ layout: Layout) -> Elements { Elements(storage.address, layout, dtype, on: storage.device) }
}
