import Flambeau
import Synchronization

/// A layer whose calls can be watched: it computes in ``forward(_:)``, and a call of it runs the hooks around that. All layers
/// of this library from one tensor to one are; write `forward` in place of `callAsFunction` and a layer of your own is.
///
/// Without hooks a call costs one look at a counter. Hooks belong to one layer, wherever it is used, and live as long as it does.
public protocol HookableLayer: Layer {
  /// What the layer computes, unseen by hooks.
  func forward(_ x: Tensor) -> Tensor
}

extension HookableLayer {
  /// `forward(x)`, with the layer's hooks around it.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    guard LayerHooks.areThere, let hooks = LayerHooks.of(self) else { return forward(x) }
    return hooks.call(self, x)
  }

  /// Calls `body` with the layer and its input before each call; what it returns, if anything, takes the input's place. Torch's
  /// `register_forward_pre_hook`.
  @discardableResult
  public func registerForwardPreHook(
    _ body: @escaping @Sendable (_ layer: any HookableLayer, _ input: Tensor) -> Tensor?
  ) -> LayerHookHandle { LayerHooks.add(self, .before(body)) }

  /// Calls `body` with the layer, its input and its output after each call; what it returns, if anything, takes the output's
  /// place. Torch's `register_forward_hook`.
  @discardableResult
  public func registerForwardHook(
    _ body: @escaping @Sendable (_ layer: any HookableLayer, _ input: Tensor, _ output: Tensor) -> Tensor?
  ) -> LayerHookHandle { LayerHooks.add(self, .after(body)) }

  /// Calls `body` in every backward pass with the gradients of the layer's input and of its output. What it returns, if anything,
  /// takes the place of the input's gradient, which is nil where none is asked for. Torch's `register_full_backward_hook`.
  @discardableResult
  public func registerFullBackwardHook(
    _ body: @escaping @Sendable (_ layer: any HookableLayer, _ gradInput: Tensor?, _ gradOutput: Tensor) -> Tensor?
  ) -> LayerHookHandle { LayerHooks.add(self, .backward(body)) }
}

/// A hook on a layer, for removing it.
public struct LayerHookHandle: Sendable {
  fileprivate let hooks: LayerHooks
  fileprivate let id: UInt64

  /// The hook is not called any more.
  public func remove() { hooks.remove(id) }
}

/// The hooks of one layer.
final class LayerHooks: Sendable {
  fileprivate enum Hook: Sendable {
    case before(@Sendable (any HookableLayer, Tensor) -> Tensor?)
    case after(@Sendable (any HookableLayer, Tensor, Tensor) -> Tensor?)
    case backward(@Sendable (any HookableLayer, Tensor?, Tensor) -> Tensor?)
  }

  private let hooks = Guarded<[(id: UInt64, hook: Hook)]>([])

  private static let made = Atomic<UInt64>(0)
  private static let registry = Registry()

  /// Some layer has or had a hook.
  @inline(__always)
  static var areThere: Bool { made.load(ordering: .relaxed) > 0 }

  static func of(_ layer: any HookableLayer) -> LayerHooks? { registry.hooks(of: layer) }

  fileprivate static func add(_ layer: any HookableLayer, _ hook: Hook) -> LayerHookHandle {
    let hooks = registry.hooks(of: layer) ?? registry.adding(layer)
    let id = made.wrappingAdd(1, ordering: .relaxed).newValue
    hooks.hooks.change { $0.append((id, hook)) }
    return LayerHookHandle(hooks: hooks, id: id)
  }

  fileprivate func remove(_ id: UInt64) { hooks.change { $0.removeAll { $0.id == id } } }

  /// The layer's `forward` with the hooks around it.
  func call(_ layer: any HookableLayer, _ x: Tensor) -> Tensor {
    let hooks = hooks.value
    var input = x
    for case (_, .before(let body)) in hooks { input = body(layer, input) ?? input }
    let isWatched = hooks.contains { if case .backward = $0.hook { true } else { false } }
    // Nodes of their own, so that only what flows through this call is seen.
    let entry = isWatched && input.requiresGrad ? input.viewAs(input) : input
    var output = layer.forward(entry)
    for case (_, .after(let body)) in hooks { output = body(layer, entry, output) ?? output }
    guard isWatched && output.requiresGrad else { return output }
    let exit = output.viewAs(output)
    return exit.requiresGrad ? watch(layer, entry, exit, hooks) : output
  }

  /// A watched call, as whose gradient that of the output waits for the input's.
  private final class Call: Sendable {}

  private func watch(
    _ layer: any HookableLayer, _ entry: Tensor, _ exit: Tensor, _ hooks: [(id: UInt64, hook: Hook)]
  ) -> Tensor {
    let call = Call()
    let reachesInput = entry.requiresGrad
    let run: @Sendable (Tensor?, Tensor) -> Tensor? = { gradInput, gradOutput in
      var gradInput = gradInput
      for case (_, .backward(let body)) in hooks { gradInput = body(layer, gradInput, gradOutput) ?? gradInput }
      return gradInput
    }
    exit.registerHook { gradient in
      if reachesInput { BackwardPass.current?.keep(gradient, for: call) } else { _ = run(nil, gradient) }
      return nil
    }
    if reachesInput {
      entry.registerHook { gradient in
        guard let gradOutput = BackwardPass.current?.take(for: call) else { return nil }
        return run(gradient, gradOutput)
      }
    }
    // Hooks on the result itself come first, and what they return is what the layer's see.
    return exit.viewAs(exit)
  }

  /// Which layers have hooks.
  private final class Registry: Sendable {
    private struct Entry {
      weak var layer: (any HookableLayer)?
      let hooks: LayerHooks
    }

    private let lock = Lock()
    // Guarded by the lock.
    nonisolated(unsafe) private var entries: [ObjectIdentifier: Entry] = [:]

    /// Another object may live where a layer was.
    func hooks(of layer: any HookableLayer) -> LayerHooks? {
      lock.withLock {
        guard let entry = entries[ObjectIdentifier(layer)], entry.layer === layer else { return nil }
        return entry.hooks
      }
    }

    /// Those of `layer`, made now if there are none. Forgets dead layers too; what is released is released without the lock.
    func adding(_ layer: any HookableLayer) -> LayerHooks {
      let (hooks, released) = lock.withLock { () -> (LayerHooks, [any Sendable]) in
        // Another task may have been quicker.
        if let entry = entries[ObjectIdentifier(layer)], entry.layer === layer { return (entry.hooks, []) }
        let new = Entry(layer: layer, hooks: LayerHooks())
        var released: [any Sendable] = []
        for (id, entry) in entries {
          if let living = entry.layer {
            released.append(living)
          } else {
            released.append(entry.hooks)
            entries[id] = nil
          }
        }
        entries[ObjectIdentifier(layer)] = new
        return (new.hooks, released)
      }
      withExtendedLifetime(released) {}
      return hooks
    }
  }
}
