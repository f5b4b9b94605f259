import Synchronization

/// A hook on a tensor's gradient, for removing it.
public struct HookHandle: Sendable {
  fileprivate let node: Node
  fileprivate let id: UInt64

  /// The hook is not called any more.
  public func remove() { node.removeHook(id) }

  fileprivate static let counter = Atomic<UInt64>(0)
}

extension Tensor {
  /// Calls `body` with the gradient of this tensor in every backward pass; what it returns, if anything, takes the
  /// gradient's place. Torch's `register_hook`.
  @discardableResult
  public func registerHook(
    file: StaticString = #fileID, line: UInt = #line, _ body: @escaping @Sendable (Tensor) -> Tensor?
  ) -> HookHandle? {
    if self.body.poison != nil || Context.current.isFailed { return nil }
    guard let edge = self.body.edge else {
      _ = Door.refuse(
        .autograd("cannot register a hook on a tensor that doesn't require gradient"), "registerHook", Few(self),
        at: CallSite(file, line))
      return nil
    }
    let id = HookHandle.counter.wrappingAdd(1, ordering: .relaxed).newValue
    edge.node.addHook(GradientHook(id: id, resultIndex: edge.index, body: body))
    return HookHandle(node: edge.node, id: id)
  }

  /// Keeps the gradient of a tensor that is not a leaf in `.grad`, too. Torch's `retain_grad`.
  public func retainGrad(file: StaticString = #fileID, line: UInt = #line) {
    if body.requiresGrad && body.isLeaf { return }
    let accumulator = body.poison == nil ? body.attachedMeta.accumulator(for: body) : nil
    registerHook(file: file, line: line) { gradient in
      accumulator?.gradient = gradient.detach()
      return nil
    }
  }
}
