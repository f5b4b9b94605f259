import Flambeau

/// Every row less its mean, over its standard deviation. Torch's `nn.LayerNorm`.
///
/// A row is what the last dimensions of the input, of the sizes `normalizedShape`, hold. The weight starts as ones, the bias as
/// zeros, both of `normalizedShape`.
public final class LayerNorm: HookableLayer {
  /// The factors: of ``normalizedShape``; nil if not affine.
  public let weight: Parameter?
  /// The summands: of ``normalizedShape``; nil without them.
  public let bias: Parameter?
  /// The last dimensions, which are normalised together.
  public let normalizedShape: Shape
  /// Keeps denominators from 0.
  public let eps: Double

  /// As torch's constructor.
  public init(
    _ normalizedShape: Shape, eps: Double = 1e-5, elementwiseAffine: Bool = true, bias: Bool = true, dtype: DType = .float32
  ) {
    self.normalizedShape = normalizedShape
    self.eps = eps
    weight = elementwiseAffine ? Parameter(.ones(normalizedShape, dtype: dtype)) : nil
    self.bias = elementwiseAffine && bias ? Parameter(.zeros(normalizedShape, dtype: dtype)) : nil
  }

  /// Over the last dimension.
  public convenience init(
    _ size: Int, eps: Double = 1e-5, elementwiseAffine: Bool = true, bias: Bool = true, dtype: DType = .float32
  ) {
    self.init([size], eps: eps, elementwiseAffine: elementwiseAffine, bias: bias, dtype: dtype)
  }

  public func forward(_ x: Tensor) -> Tensor {
    x.layerNorm(normalizedShape, weight: weight?.tensor, bias: bias?.tensor, eps: eps)
  }

  public var configuration: String {
    "\(normalizedShape), eps: \(eps), elementwiseAffine: \(weight != nil), bias: \(bias != nil)"
  }
}

/// Every row over the root of the mean of its squares (Zhang and Sennrich, 2019). Torch's `nn.RMSNorm`.
///
/// A row is what the last dimensions of the input, of the sizes `normalizedShape`, hold. The weight, of that shape, starts as
/// ones.
public final class RMSNorm: HookableLayer {
  /// The factors: of ``normalizedShape``; nil if not affine.
  public let weight: Parameter?
  /// The last dimensions, which are normalised together.
  public let normalizedShape: Shape
  /// Nil for the smallest relative step of the type that is computed in.
  public let eps: Double?

  /// As torch's constructor.
  public init(_ normalizedShape: Shape, eps: Double? = nil, elementwiseAffine: Bool = true, dtype: DType = .float32) {
    self.normalizedShape = normalizedShape
    self.eps = eps
    weight = elementwiseAffine ? Parameter(.ones(normalizedShape, dtype: dtype)) : nil
  }

  /// Over the last dimension.
  public convenience init(_ size: Int, eps: Double? = nil, elementwiseAffine: Bool = true, dtype: DType = .float32) {
    self.init([size], eps: eps, elementwiseAffine: elementwiseAffine, dtype: dtype)
  }

  public func forward(_ x: Tensor) -> Tensor { x.rmsNorm(normalizedShape, weight: weight?.tensor, eps: eps) }

  public var configuration: String {
    "\(normalizedShape), eps: \(eps.map { "\($0)" } ?? "nil"), elementwiseAffine: \(weight != nil)"
  }
}

/// Channels of [n, numChannels, *] in groups, each less its mean, over its standard deviation (Wu and He, 2018). Torch's
/// `nn.GroupNorm`. The weight [numChannels] starts as ones, the bias as zeros.
public final class GroupNorm: HookableLayer {
  /// The factor of each channel: [numChannels]; nil if not affine.
  public let weight: Parameter?
  /// The summand of each channel: [numChannels]; nil if not affine.
  public let bias: Parameter?
  /// How many groups the channels fall into.
  public let numGroups: Int
  /// Channels.
  public let numChannels: Int
  /// Keeps denominators from 0.
  public let eps: Double

  /// As torch's constructor.
  public init(
    _ numGroups: Int, _ numChannels: Int, eps: Double = 1e-5, affine: Bool = true, dtype: DType = .float32,
    file: StaticString = #fileID, line: UInt = #line
  ) {
    if numGroups <= 0 || numChannels % numGroups != 0 {
      let problem = "num_channels (\(numChannels)) must be divisible by num_groups (\(numGroups))"
      Door.fail(TensorError(.argument, problem), in: "GroupNorm", file: file, line: line)
    }
    (self.numGroups, self.numChannels, self.eps) = (numGroups, numChannels, eps)
    weight = affine ? Parameter(.ones([numChannels], dtype: dtype)) : nil
    bias = affine ? Parameter(.zeros([numChannels], dtype: dtype)) : nil
  }

  public func forward(_ x: Tensor) -> Tensor {
    x.groupNorm(numGroups, weight: weight?.tensor, bias: bias?.tensor, eps: eps)
  }

  public var configuration: String { "\(numGroups), \(numChannels), eps: \(eps), affine: \(weight != nil)" }
}
