// Where a tensor's gradient goes.
extension TensorBody {
  /// The edge to the node that made the tensor, or to a leaf's accumulator; nil where no gradient is wanted.
  @inline(__always)
  var edge: Edge? {
    if let base, let generation = base.meta?.generation, generation != self.generation {
      return rederivedEdge(base, generation)
    }
    if let meta {
      if let rebased = meta.rebased { return rebased.edge }
      if meta.requiresGrad { return Edge(node: meta.accumulator(for: self), index: 0) }
    }
    if let node { return Edge(node: node, index: resultIndex) }
    return nil
  }

  @inline(__always)
  var requiresGrad: Bool {
    if let base, let generation = base.meta?.generation, generation != self.generation { return base.requiresGrad }
    if node != nil { return true }
    return unmanagedMeta?._withUnsafeGuaranteedRef { $0.requiresGrad || $0.rebased != nil } ?? false
  }

  /// Not the result of a recorded call.
  var isLeaf: Bool {
    if let base, let generation = base.meta?.generation, generation != self.generation { return !base.requiresGrad }
    return node == nil && meta?.rebased == nil
  }

  /// A view whose base was written since the view was taken: its history is a view of the base's new one.
  private func rederivedEdge(_ base: TensorBody, _ generation: UInt32) -> Edge? {
    let meta = attachedMeta
    if let rebased = meta.rebased, rebased.generation == generation { return rebased.edge }
    guard let from = base.edge else { return nil }
    let node = StridedViewNode(of: base, as: layout, edge: from)
    let edge = Edge(node: node, index: 0)
    meta.rebased = (edge, generation)
    return edge
  }
}
