import Synchronization

/// One recorded call: where its operands came from and what its derivative needs.
///
/// Unchecked: written while the call is recorded, and then by whoever visits it, one thread at a time (``whileVisited(_:)``).
class Node: @unchecked Sendable {
  /// Counts nodes in order of creation, so consumers follow what they consume.
  let sequence: UInt64
  final var edges: Edges
  final var saved = SavedValues()
  /// What was done with a watched call; nil where nobody watched.
  final var record: CallRecord?
  /// Saved values were given up after a backward pass.
  final var isReleased = false
  /// The pass that visits the node is the graph's last: what it saved is given up afterwards.
  final var isInLastPass = false
  /// The operands whose gradients the pass that visits the node asks for.
  final var asked: OperandSet = .all
  /// The thread that visits the node; 0 for none.
  final let visitor = Atomic<UInt>(0)
  /// There was a hook once: where there was none, nobody takes the lock.
  private let hasHooks = Atomic<Bool>(false)
  /// Guarded by the lock, which all nodes share: hooks are few.
  private var hookList: [GradientHook] = []
  private static let hookLock = Lock()

  private static let counter = Atomic<UInt64>(1)

  @inline(__always)
  init(edges: consuming Edges, isLeaf: Bool = false) {
    sequence = isLeaf ? 0 : Node.counter.wrappingAdd(1, ordering: .relaxed).oldValue
    self.edges = consume edges
  }

  /// Torch's name without `Backward`, such as `Add`.
  var name: String { "" }
  var resultCount: Int { 1 }
  /// How a profile names what the node does in a backward pass.
  var label: Profiler.Label { .function(name + "Backward") }

  /// The gradients for the operands from those of the results; a missing one is zero.
  func backward(_ gradients: Few<Tensor>) throws(TensorError) -> Few<Tensor> { Few() }

  /// Computes the result again; nil where it is better kept.
  var again: Recomputation.Again? { nil }

  /// The result is a view of some of the first operand's elements, none twice.
  var selectsElements: Bool { false }
  /// Those elements of a gradient of the first operand.
  func part(of gradient: Tensor) -> Tensor { gradient }

  /// A leaf's accumulator.
  final var isLeaf: Bool { sequence == 0 }

  final func needs(_ operand: Int) -> Bool { edges.isWanted(operand) && asked.contains(operand) }

  /// What operand `i`, to which there is an edge, looks like.
  func operandShape(_ i: Int) -> OperandShape { OperandShape() }
  /// The tangent of the only result from those of the operands, of a shape and dtype that become the result's by broadcasting; nil
  /// where the node knows no shorter way than by its gradient.
  func knownTangent(_ tangents: Few<Tensor>) throws(TensorError) -> Tensor? { nil }

  func releaseSaved() {
    if saved.count == 0 { return }
    isReleased = true
    saved = SavedValues()
    record?.release()
  }

  /// A saved value, if nothing has written to it since.
  final func unpack(_ slot: Int) throws(TensorError) -> Tensor {
    if isReleased { throw .backwardTwice }
    if let packed = record?.packed { return try packed[slot]!.unpacked(for: self) }
    return try saved[slot]!.unpack(for: self)
  }

  /// In the order they were added.
  @inline(__always)
  final var hooks: [GradientHook] { hasHooks.load(ordering: .acquiring) ? Node.hookLock.withLock { hookList } : [] }

  final func addHook(_ hook: GradientHook) {
    Node.hookLock.withLock { hookList.append(hook) }
    hasHooks.store(true, ordering: .releasing)
  }

  final func removeHook(_ id: UInt64) {
    let all = hooks
    Node.hookLock.withLock { hookList.removeAll { $0.id == id } }
    // What the hook holds is released when the lock is free again.
    withExtendedLifetime(all) {}
  }

  deinit { Dismantling.release(&edges, &saved) }
}

/// Called with the gradient of one result; may replace it.
struct GradientHook: Sendable {
  let id: UInt64
  let resultIndex: Int
  let body: @Sendable (Tensor) -> Tensor?

  /// What is passed on in place of `gradient`.
  func changed(_ gradient: Tensor) throws(TensorError) -> Tensor {
    guard let changed = body(gradient) else { return gradient }
    if changed.body.isPoisoned { return changed }
    guard changed.dtype == gradient.dtype, changed.device == gradient.device else {
      throw .autograd(
        "a hook has changed the type of value (was \(gradient.dtype) on \(gradient.device), got \(changed.dtype) on \(changed.device))"
      )
    }
    guard changed.shape == gradient.shape else {
      throw .autograd("a hook has changed the size of value (was \(gradient.shape), got \(changed.shape))")
    }
    return changed
  }
}
