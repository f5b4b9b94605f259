import Flambeau

/// Its input. Torch's `nn.Identity`.
public final class Identity: HookableLayer {
  /// As torch's constructor.
  public init() {}

  public func forward(_ x: Tensor) -> Tensor { x }
}
