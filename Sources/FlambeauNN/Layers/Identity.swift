import Flambeau

/// Its input. Torch's `nn.Identity`.
public final class Identity: Layer {
  public init() {}

  public func callAsFunction(_ x: Tensor) -> Tensor { x }
}
