import Flambeau

/// A function of each element between linear maps, under its name in Hugging Face's `config.json`.
public enum Activation: String, Sendable, Hashable, Decodable {
  case gelu, relu, silu
  case geluNew = "gelu_new"
  case geluTanh = "gelu_pytorch_tanh"
  case swish

  public func callAsFunction(_ x: consuming Tensor) -> Tensor {
    switch self {
    case .gelu: (consume x).gelu()
    case .geluNew, .geluTanh: (consume x).gelu(approximate: .tanh)
    case .relu: (consume x).relu()
    case .silu, .swish: (consume x).silu()
    }
  }
}
