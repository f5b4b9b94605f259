import Flambeau

/// Layers one after the other. Torch's `nn.Sequential`, whose members are named `0`, `1`, ….
public final class Sequential: HookableLayer {
  /// The layers, first to last.
  public let layers: [any Layer]

  /// The layers, first to last.
  public init(_ layers: any Layer...) { self.layers = layers }

  /// The layers, first to last.
  public init(_ layers: [any Layer]) { self.layers = layers }

  public static var stateNames: [String: String] { ["layers": ""] }

  /// The layer at `position`, from 0; negative positions count from the end.
  public subscript(position: Int) -> any Layer { layers[position < 0 ? position + layers.count : position] }

  public func forward(_ x: Tensor) -> Tensor {
    // What hooks are to see is between the layers.
    if layers.count < 3 || LayerHooks.areThere { return layers.reduce(x) { x, layer in layer(x) } }
    var (x, position) = (x, 0)
    while position < layers.count {
      if let (result, count) = feedForward(x, at: position) {
        x = result
        position += count
      } else {
        x = layers[position](x)
        position += 1
      }
    }
    return x
  }
}
