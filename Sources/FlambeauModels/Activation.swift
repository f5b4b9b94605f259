import Flambeau

/// A function of each element between linear maps, under its name in Hugging Face's `config.json`.
public enum Activation: String, Sendable, Hashable, Decodable {
  /// x Φ(x), exactly.
  case gelu
  /// max(x, 0).
  case relu
  /// x σ(x).
  case silu
  /// gelu by tanh, as GPT-2 names it.
  case geluNew = "gelu_new"
  /// gelu by tanh.
  case geluTanh = "gelu_pytorch_tanh"
  /// silu by its other name.
  case swish

  /// The same where ``Flambeau/FusedActivation`` has it.
  var fused: FusedActivation? {
    switch self {
    case .gelu: .gelu
    case .geluNew, .geluTanh: .geluTanh
    case .relu: .relu
    case .silu, .swish: nil
    }
  }

  /// The function of each element of `x`.
  public func callAsFunction(_ x: consuming Tensor) -> Tensor {
    switch self {
    case .gelu: (consume x).gelu()
    case .geluNew, .geluTanh: (consume x).gelu(approximate: .tanh)
    case .relu: (consume x).relu()
    case .silu, .swish: (consume x).silu()
    }
  }
}
