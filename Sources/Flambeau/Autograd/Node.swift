import Synchronization

/// Where a gradient goes: a result of a recorded call, or a leaf's accumulator.
struct Edge {
  var node: Node
  let index: Int
}

/// One recorded call: where its operands came from and what its derivative needs.
///
/// Unchecked: written while the call is recorded, and then by the one backward pass that walks it.
class Node: @unchecked Sendable {
  /// Counts nodes in order of creation, so consumers follow what they consume.
  let sequence: UInt64
  final var edges: Few<Edge>
  final var saved = Few<SavedTensor>()
  /// Saved values were given up after a backward pass.
  final var isReleased = false
  /// The pass that visits the node is the graph's last: what it saved is given up afterwards.
  final var isInLastPass = false
  final private(set) var hooks: [GradientHook] = []

  private static let counter = Atomic<UInt64>(1)

  init(edges: Few<Edge>, isLeaf: Bool = false) {
    sequence = isLeaf ? 0 : Node.counter.wrappingAdd(1, ordering: .relaxed).oldValue
    self.edges = edges
  }

  /// Torch's name without `Backward`, such as `Add`.
  var name: String { "" }
  var resultCount: Int { 1 }

  /// The gradients for the operands from those of the results; a missing one is zero.
  func backward(_ gradients: Few<Tensor>) throws(TensorError) -> Few<Tensor> { Few() }

  /// The result is a view of some of the first operand's elements, none twice.
  var selectsElements: Bool { false }
  /// Those elements of a gradient of the first operand.
  func part(of gradient: Tensor) -> Tensor { gradient }

  final func needs(_ operand: Int) -> Bool { edges[operand] != nil }

  func releaseSaved() {
    isReleased = saved.count > 0
    saved = Few()
  }

  final func addHook(_ hook: GradientHook) { hooks.append(hook) }
  final func removeHook(_ id: UInt64) { hooks.removeAll { $0.id == id } }

  deinit { Dismantling.release(&edges, &saved) }
}

/// Called with the gradient of one result; may replace it.
struct GradientHook: Sendable {
  let id: UInt64
  let resultIndex: Int
  let body: @Sendable (Tensor) -> Tensor?
}
