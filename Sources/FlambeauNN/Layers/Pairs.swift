import Flambeau

/// xᵀ W y + b. Torch's `nn.Bilinear`.
///
/// Inputs [*, in1Features] and [*, in2Features], output [*, outFeatures]. The weight [outFeatures, in1Features, in2Features] and
/// the bias [outFeatures] start uniform between ±1/√in1Features.
public final class Bilinear: Module {
  /// [outFeatures, in1Features, in2Features].
  public let weight: Parameter
  /// [outFeatures]; nil without one.
  public let bias: Parameter?
  /// Features of the first input.
  public let in1Features: Int
  /// Features of the second input.
  public let in2Features: Int
  /// Features of the output.
  public let outFeatures: Int

  /// As torch's constructor.
  public init(
    _ in1Features: Int, _ in2Features: Int, _ outFeatures: Int, bias: Bool = true, dtype: DType = .float32
  ) {
    (self.in1Features, self.in2Features, self.outFeatures) = (in1Features, in2Features, outFeatures)
    weight = Parameter(.zeros([outFeatures, in1Features, in2Features], dtype: dtype))
    self.bias = bias ? Parameter(.zeros([outFeatures], dtype: dtype)) : nil
    let bound = in1Features > 0 ? 1 / Double(in1Features).squareRoot() : 0
    Init.uniform_(weight.tensor, from: -bound, to: bound)
    if let bias = self.bias { Init.uniform_(bias.tensor, from: -bound, to: bound) }
  }

  /// [..., in1] and [..., in2] → [..., out].
  public func callAsFunction(_ x: Tensor, _ y: Tensor) -> Tensor { x.bilinear(y, weight.tensor, bias?.tensor) }

  public var configuration: String {
    "in1Features: \(in1Features), in2Features: \(in2Features), outFeatures: \(outFeatures), bias: \(bias != nil)"
  }
}

/// `cosineSimilarity(_:dim:eps:)`. Torch's `nn.CosineSimilarity`.
public final class CosineSimilarity: Module {
  /// The dimension it goes over.
  public let dim: Int
  /// Keeps denominators from 0.
  public let eps: Double
  /// As torch's constructor.
  public init(dim: Int = 1, eps: Double = 1e-8) { (self.dim, self.eps) = (dim, eps) }

  /// The cosine along `dim`; shapes broadcast.
  public func callAsFunction(_ x: Tensor, _ y: Tensor) -> Tensor { x.cosineSimilarity(y, dim: dim, eps: eps) }
  public var configuration: String { "dim: \(dim), eps: \(eps)" }
}

/// `pairwiseDistance(_:p:eps:keepDim:)`. Torch's `nn.PairwiseDistance`.
public final class PairwiseDistance: Module {
  /// The order of the norm.
  public let p: Double
  /// Keeps denominators from 0.
  public let eps: Double
  /// The dimension stays, with size 1.
  public let keepDim: Bool
  /// As torch's constructor.
  public init(p: Double = 2, eps: Double = 1e-6, keepDim: Bool = false) {
    (self.p, self.eps, self.keepDim) = (p, eps, keepDim)
  }

  /// The distance of [..., D] and [..., D]: [...].
  public func callAsFunction(_ x: Tensor, _ y: Tensor) -> Tensor {
    x.pairwiseDistance(y, p: p, eps: eps, keepDim: keepDim)
  }
  public var configuration: String { "p: \(p), eps: \(eps), keepDim: \(keepDim)" }
}
