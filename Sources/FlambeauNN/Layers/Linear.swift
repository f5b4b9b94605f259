import Flambeau

/// x·Wᵀ + b over the last dimension. Torch's `nn.Linear`.
///
/// Input [*, inFeatures], output [*, outFeatures]. The weight [outFeatures, inFeatures] and the bias [outFeatures] start
/// uniform between ±1/√inFeatures.
public final class Linear: HookableLayer, Adaptable {
  /// Whether the weight is [inputs, outputs].
  public static let startsWithInputs = false
  /// [outFeatures, inFeatures].
  public let weight: Parameter
  /// [outFeatures]; nil without one.
  public let bias: Parameter?
  /// Features of the input.
  public let inFeatures: Int
  /// Features of the output.
  public let outFeatures: Int
  /// Where a ``LoRA`` puts its map.
  public let adapter = AdapterSlot()

  /// As torch's constructor.
  public init(_ inFeatures: Int, _ outFeatures: Int, bias: Bool = true, dtype: DType = .float32) {
    self.inFeatures = inFeatures
    self.outFeatures = outFeatures
    weight = Parameter(.zeros([outFeatures, inFeatures], dtype: dtype))
    self.bias = bias ? Parameter(.zeros([outFeatures], dtype: dtype)) : nil
    Init.linear_(weight.tensor, bias: self.bias?.tensor)
  }

  /// Of parameters that are there already, which both keep: the table of an ``Embedding`` makes tied weights. Draws nothing. Torch's
  /// assignment to `weight`.
  ///
  ///     decoder = Linear(weight: encoder.weight)
  public init(weight: Parameter, bias: Parameter? = nil, file: StaticString = #fileID, line: UInt = #line) {
    let isMatrix = weight.shape.count == 2
    if !isMatrix && !Context.current.isFailed {
      let problem = "weight should be [outFeatures, inFeatures], but its shape is \(weight.shape)"
      Door.fail(TensorError(.shape, problem), in: "Linear", file: file, line: line)
    }
    (self.weight, self.bias) = (weight, bias)
    (outFeatures, inFeatures) = isMatrix ? (weight.shape[0], weight.shape[1]) : (0, 0)
  }

  public func forward(_ x: Tensor) -> Tensor { adapter.added(to: x.linear(weight.tensor, bias?.tensor), x) }

  public var configuration: String { "inFeatures: \(inFeatures), outFeatures: \(outFeatures), bias: \(bias != nil)" }
}

extension Init {
  /// How torch starts linear and convolutional layers: weight and bias uniform between ±1/√(fan in), the weight drawn first.
  static func linear_(_ weight: Tensor, bias: Tensor?) {
    kaimingUniform_(weight, nonlinearity: .leakyReLU(slope: 5.0.squareRoot()))
    let fanIn = weight.shape.dropFirst().reduce(1, *)
    guard let bias, fanIn > 0 else { return }
    let bound = 1 / Double(fanIn).squareRoot()
    uniform_(bias, from: -bound, to: bound)
  }
}
