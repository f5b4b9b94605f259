import Flambeau
import Synchronization

/// A linear map over the last dimension that a ``LoRA`` can add to: ``Linear``.
///
/// Its forward pass is `adapter.added(to: y, x)` of what it computes.
public protocol Adaptable: Layer {
  /// The weight that an adapter adds to.
  var weight: Parameter { get }
  /// What is added to the outputs, if anything is.
  var bias: Parameter? { get }
  /// Whether the weight is [inputs, outputs] rather than [outputs, inputs].
  static var startsWithInputs: Bool { get }

  /// Where an adapter is put.
  var adapter: AdapterSlot { get }
}

/// Where a layer keeps the map that is added to it, if there is one. It is not part of the layer's state.
public final class AdapterSlot: Sendable {
  private let isThere = Atomic<Bool>(false)
  private let box = Guarded<LowRankMap?>(nil)

  /// A slot without an adapter.
  public init() {}

  /// `y`, plus what the adapter makes of `x`.
  public func added(to y: consuming Tensor, _ x: Tensor) -> Tensor {
    guard !isEmpty, let map = box.value else { return y }
    return y + map(x)
  }

  var isEmpty: Bool { !isThere.load(ordering: .relaxed) }

  var map: LowRankMap? {
    get { box.value }
    set {
      box.value = newValue
      isThere.store(newValue != nil, ordering: .relaxed)
    }
  }
}

/// scale · B A x, of low rank.
public final class LowRankMap: Layer {
  public static let stateNames = ["a": "lora_A", "b": "lora_B"]
  /// [rank, inputs] and [outputs, rank].
  let a, b: Factor
  let drop: Dropout
  let scale: Double

  /// A starts as ``Linear``'s weight does, B as zeros, so that nothing is added at first.
  init(_ inputs: Int, _ outputs: Int, rank: Int, scale: Double, dropout: Double, like weight: Parameter) {
    a = Factor([rank, inputs], weight.dtype)
    b = Factor([outputs, rank], weight.dtype)
    drop = Dropout(dropout)
    self.scale = scale
    Init.kaimingUniform_(a.weight.tensor, nonlinearity: .leakyReLU(slope: 5.0.squareRoot()))
    to(weight.device)
  }

  /// What the adapter adds: [..., in] → [..., out].
  public func callAsFunction(_ x: Tensor) -> Tensor { drop(x).linear(a.weight.tensor).linear(b.weight.tensor) * scale }

  /// What is added to the weight [outputs, inputs].
  var product: Tensor { b.weight.tensor.mm(a.weight.tensor) * scale }

  public var configuration: String { "rank: \(a.weight.shape[0]), scale: \(scale)" }

  final class Factor: Module {
    let weight: Parameter
    init(_ shape: Shape, _ dtype: DType) { weight = Parameter(.zeros(shape, dtype: dtype)) }
  }
}
