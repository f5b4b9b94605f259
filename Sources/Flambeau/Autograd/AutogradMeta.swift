import Synchronization

/// What autograd attaches to a tensor: a leaf's accumulator, or where its history was moved by in-place writes.
///
/// Unchecked: every mutable field is atomic or guarded by the lock.
final class AutogradMeta: @unchecked Sendable {
  private let lock = Lock()
  /// An owned reference to the accumulator, set at most once.
  private let leafBits = Atomic<UInt>(0)
  private var moved: Edge?
  private var movedGeneration: UInt32 = 0
  /// There has been a history set by an in-place write: without one, nobody takes the lock.
  private let hasMoved = Atomic<Bool>(false)
  private let generations = Atomic<UInt32>(0)
  private let leafRequiresGrad = Atomic<Bool>(false)

  deinit {
    if let bits = UnsafeRawPointer(bitPattern: leafBits.load(ordering: .relaxed)) {
      Unmanaged<GradientAccumulator>.fromOpaque(bits).release()
    }
  }

  /// How often a view of this tensor was written with a gradient: views re-derive their node when it has risen.
  var generation: UInt32 { generations.load(ordering: .acquiring) }
  func raiseGeneration() { generations.wrappingAdd(1, ordering: .acquiringAndReleasing) }

  var requiresGrad: Bool {
    get { leafRequiresGrad.load(ordering: .relaxed) }
    set { leafRequiresGrad.store(newValue, ordering: .relaxed) }
  }

  /// Where a leaf's gradient is kept; made when first asked for.
  func accumulator(for body: TensorBody) -> GradientAccumulator {
    if let knownAccumulator { return knownAccumulator }
    adopt(GradientAccumulator(shape: body.layout.shape, dtype: body.dtype))
    return knownAccumulator!
  }

  @inline(__always)
  var knownAccumulator: GradientAccumulator? {
    guard let bits = UnsafeRawPointer(bitPattern: leafBits.load(ordering: .acquiring)) else { return nil }
    return Unmanaged<GradientAccumulator>.fromOpaque(bits).takeUnretainedValue()
  }

  /// Makes `accumulator` the leaf's, unless there is one already.
  func adopt(_ accumulator: GradientAccumulator) {
    let bits = UInt(bitPattern: Unmanaged.passRetained(accumulator).toOpaque())
    let (done, _) = leafBits.compareExchange(expected: 0, desired: bits, ordering: .acquiringAndReleasing)
    if !done { Unmanaged.passUnretained(accumulator).release() }
  }

  /// The node an in-place write made this tensor's maker, and the generation of the base it is valid for.
  var rebased: (edge: Edge, generation: UInt32)? {
    get { hasMoved.load(ordering: .acquiring) ? lock.withLock { moved.map { ($0, movedGeneration) } } : nil }
    set {
      let old = lock.withLock {
        let old = moved
        moved = newValue?.edge
        movedGeneration = newValue?.generation ?? 0
        return old
      }
      hasMoved.store(true, ordering: .releasing)
      withExtendedLifetime(old) {}
    }
  }
}

/// Where the gradients of a leaf add up. It outlives the tensor it belongs to, for graphs that still reach it.
///
/// Unchecked: its one mutable field is guarded by the lock.
final class GradientAccumulator: Node, @unchecked Sendable {
  private let lock = Lock()
  private let adding = Lock()
  private var sum: Tensor?
  let shape: Shape
  let dtype: DType

  init(shape: Shape, dtype: DType) {
    self.shape = shape
    self.dtype = dtype
    super.init(edges: Edges(), isLeaf: true)
  }

  override var name: String { "AccumulateGrad" }

  /// Runs `body`, which adds to the gradient: passes on several threads add one after another. A sum runs no code of the user's.
  func whileAdding(_ body: () -> Void) { adding.withLock(body) }

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
