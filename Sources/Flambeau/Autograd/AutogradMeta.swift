import Synchronization

/// What autograd attaches to a tensor: a leaf's accumulator, or where its history was moved by in-place writes.
///
/// Unchecked: every mutable field is atomic or guarded by the lock.
final class AutogradMeta: @unchecked Sendable {
  private let lock = Lock()
  private var leaf: GradientAccumulator?
  private var moved: Edge?
  private var movedGeneration: UInt32 = 0
  private let generations = Atomic<UInt32>(0)
  private let leafRequiresGrad = Atomic<Bool>(false)

  /// How often a view of this tensor was written with a gradient: views re-derive their node when it has risen.
  var generation: UInt32 { generations.load(ordering: .acquiring) }
  func raiseGeneration() { generations.wrappingAdd(1, ordering: .acquiringAndReleasing) }

  var requiresGrad: Bool {
    get { leafRequiresGrad.load(ordering: .relaxed) }
    set { leafRequiresGrad.store(newValue, ordering: .relaxed) }
  }

  /// Where a leaf's gradient is kept; made when first asked for.
  func accumulator(for body: TensorBody) -> GradientAccumulator {
    lock.withLock {
      if let leaf { return leaf }
      let new = GradientAccumulator(shape: body.layout.shape, dtype: body.dtype)
      leaf = new
      return new
    }
  }

  var knownAccumulator: GradientAccumulator? {
    get { lock.withLock { leaf } }
    set {
      let old = lock.withLock {
        let old = leaf
        leaf = newValue
        return old
      }
      withExtendedLifetime(old) {}
    }
  }

  /// The node an in-place write made this tensor's maker, and the generation of the base it is valid for.
  var rebased: (edge: Edge, generation: UInt32)? {
    get { lock.withLock { moved.map { ($0, movedGeneration) } } }
    set {
      let old = lock.withLock {
        let old = moved
        moved = newValue?.edge
        movedGeneration = newValue?.generation ?? 0
        return old
      }
      withExtendedLifetime(old) {}
    }
  }
}

/// Where the gradients of a leaf add up. It outlives the tensor it belongs to, for graphs that still reach it.
///
/// Unchecked: its one mutable field is guarded by the lock.
final class GradientAccumulator: Node, @unchecked Sendable {
  private let lock = Lock()
  private var sum: Tensor?
  let shape: Shape
  let dtype: DType

  init(shape: Shape, dtype: DType) {
    self.shape = shape
    self.dtype = dtype
    super.init(edges: Few(), isLeaf: true)
  }

  override var name: String { "AccumulateGrad" }

  var gradient: Tensor? {
    get { lock.withLock { sum } }
    set {
      let old = lock.withLock {
        let old = sum
        sum = newValue
        return old
      }
      withExtendedLifetime(old) {}
    }
  }
}
