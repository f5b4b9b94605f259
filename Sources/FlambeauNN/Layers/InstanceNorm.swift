import Flambeau

/// What instance normalisations of all ranks have in common (Ulyanov et al., 2016): every channel of every sample less its mean,
/// over its standard deviation. Running statistics, where kept, are used in evaluation.
protocol InstanceNormLayer: HookableLayer {
  var weight: Parameter? { get }
  var bias: Parameter? { get }
  var runningMean: Buffer? { get }
  var runningVar: Buffer? { get }
  var mode: Mode { get }
  var numFeatures: Int { get }
  var eps: Double { get }
  var momentum: Double { get }
  /// Of a batch.
  static var rank: Int { get }
}

extension InstanceNormLayer {
  func normalize(_ x: Tensor) -> Tensor {
    let rank = Self.rank
    guard x.ndim == rank || x.ndim == rank - 1 || Context.current.isFailed else {
      return Door.refuse(
        TensorError(.shape, "expected \(rank - 1)D or \(rank)D input (got \(x.ndim)D input)"), in: "\(type(of: self))", x)
    }
    let batch = x.ndim == rank ? x : x.unsqueeze(0)
    guard weight == nil || batch.shape[1] == numFeatures || Context.current.isFailed else {
      let problem =
        "expected input's size at dim=\(x.ndim - rank + 1) to match num_features (\(numFeatures)), but got: "
        + "\(batch.shape[1])."
      return Door.refuse(TensorError(.shape, problem), in: "\(type(of: self))", x)
    }
    var y: Tensor
    if !mode.isTraining, let runningMean, let runningVar {
      y = batch.batchNorm(
        mean: runningMean.tensor, variance: runningVar.tensor, weight: weight?.tensor, bias: bias?.tensor, eps: eps)
    } else {
      y = batch.instanceNorm(weight: weight?.tensor, bias: bias?.tensor, eps: eps)
      if let runningMean, let runningVar {
        noGrad {
          let (variance, mean) = batch.varMean(dim: Array(2..<rank))
          for (running, each) in [(runningMean.tensor, mean), (runningVar.tensor, variance)] {
            running.lerp_(each.mean(dim: 0).to(running.dtype), momentum)
          }
        }
      }
    }
    if x.ndim != rank { y = y.squeeze(0) }
    return y
  }

  var settings: String {
    "\(numFeatures), eps: \(eps), momentum: \(momentum), affine: \(weight != nil), "
      + "trackRunningStats: \(runningMean != nil)"
  }
}

/// Normalises the channels of each of [n, numFeatures, l], or of [numFeatures, l]. Torch's `nn.InstanceNorm1d`.
public final class InstanceNorm1d: InstanceNormLayer {
  /// The factor of each channel: [numFeatures]; nil if not affine.
  public let weight: Parameter?
  /// The summand of each channel: [numFeatures]; nil if not affine.
  public let bias: Parameter?
  /// The running mean of each channel; nil where none is kept.
  public let runningMean: Buffer?
  /// The running variance of each channel; nil where none is kept.
  public let runningVar: Buffer?
  /// How many batches the running statistics have seen.
  public let numBatchesTracked: Buffer?
  /// Channels.
  public let numFeatures: Int
  /// Keeps denominators from 0.
  public let eps: Double
  /// What a batch counts in the running statistics; nil for their plain mean.
  public let momentum: Double
  let mode = Mode()
  static let rank = 3

  /// - Parameters:
  ///   - momentum: What a batch counts in the running statistics.
  ///   - affine: Scale and move by learned numbers, which start as ones and zeros.
  ///   - trackRunningStats: Keep running statistics for evaluation.
  public init(
    _ numFeatures: Int, eps: Double = 1e-5, momentum: Double = 0.1, affine: Bool = false, trackRunningStats: Bool = false,
    dtype: DType = .float32
  ) {
    (self.numFeatures, self.eps, self.momentum) = (numFeatures, eps, momentum)
    weight = affine ? Parameter(.ones([numFeatures], dtype: dtype)) : nil
    bias = affine ? Parameter(.zeros([numFeatures], dtype: dtype)) : nil
    runningMean = trackRunningStats ? Buffer(.zeros([numFeatures], dtype: dtype)) : nil
    runningVar = trackRunningStats ? Buffer(.ones([numFeatures], dtype: dtype)) : nil
    numBatchesTracked = trackRunningStats ? Buffer(Tensor(0 as Int64), mayBeMissing: true) : nil
  }

  public func forward(_ x: Tensor) -> Tensor { normalize(x) }
  public var configuration: String { settings }
}

/// Normalises the channels of each of [n, numFeatures, h, w], or of [numFeatures, h, w]. Torch's `nn.InstanceNorm2d`.
public final class InstanceNorm2d: InstanceNormLayer {
  /// The factor of each channel: [numFeatures]; nil if not affine.
  public let weight: Parameter?
  /// The summand of each channel: [numFeatures]; nil if not affine.
  public let bias: Parameter?
  /// The running mean of each channel; nil where none is kept.
  public let runningMean: Buffer?
  /// The running variance of each channel; nil where none is kept.
  public let runningVar: Buffer?
  /// How many batches the running statistics have seen.
  public let numBatchesTracked: Buffer?
  /// Channels.
  public let numFeatures: Int
  /// Keeps denominators from 0.
  public let eps: Double
  /// What a batch counts in the running statistics; nil for their plain mean.
  public let momentum: Double
  let mode = Mode()
  static let rank = 4

  /// - Parameters:
  ///   - momentum: What a batch counts in the running statistics.
  ///   - affine: Scale and move by learned numbers, which start as ones and zeros.
  ///   - trackRunningStats: Keep running statistics for evaluation.
  public init(
    _ numFeatures: Int, eps: Double = 1e-5, momentum: Double = 0.1, affine: Bool = false, trackRunningStats: Bool = false,
    dtype: DType = .float32
  ) {
    (self.numFeatures, self.eps, self.momentum) = (numFeatures, eps, momentum)
    weight = affine ? Parameter(.ones([numFeatures], dtype: dtype)) : nil
    bias = affine ? Parameter(.zeros([numFeatures], dtype: dtype)) : nil
    runningMean = trackRunningStats ? Buffer(.zeros([numFeatures], dtype: dtype)) : nil
    runningVar = trackRunningStats ? Buffer(.ones([numFeatures], dtype: dtype)) : nil
    numBatchesTracked = trackRunningStats ? Buffer(Tensor(0 as Int64), mayBeMissing: true) : nil
  }

  public func forward(_ x: Tensor) -> Tensor { normalize(x) }
  public var configuration: String { settings }
}

/// Normalises the channels of each of [n, numFeatures, d, h, w], or of [numFeatures, d, h, w]. Torch's `nn.InstanceNorm3d`.
public final class InstanceNorm3d: InstanceNormLayer {
  /// The factor of each channel: [numFeatures]; nil if not affine.
  public let weight: Parameter?
  /// The summand of each channel: [numFeatures]; nil if not affine.
  public let bias: Parameter?
  /// The running mean of each channel; nil where none is kept.
  public let runningMean: Buffer?
  /// The running variance of each channel; nil where none is kept.
  public let runningVar: Buffer?
  /// How many batches the running statistics have seen.
  public let numBatchesTracked: Buffer?
  /// Channels.
  public let numFeatures: Int
  /// Keeps denominators from 0.
  public let eps: Double
  /// What a batch counts in the running statistics; nil for their plain mean.
  public let momentum: Double
  let mode = Mode()
  static let rank = 5

  /// - Parameters:
  ///   - momentum: What a batch counts in the running statistics.
  ///   - affine: Scale and move by learned numbers, which start as ones and zeros.
  ///   - trackRunningStats: Keep running statistics for evaluation.
  public init(
    _ numFeatures: Int, eps: Double = 1e-5, momentum: Double = 0.1, affine: Bool = false, trackRunningStats: Bool = false,
    dtype: DType = .float32
  ) {
    (self.numFeatures, self.eps, self.momentum) = (numFeatures, eps, momentum)
    weight = affine ? Parameter(.ones([numFeatures], dtype: dtype)) : nil
    bias = affine ? Parameter(.zeros([numFeatures], dtype: dtype)) : nil
    runningMean = trackRunningStats ? Buffer(.zeros([numFeatures], dtype: dtype)) : nil
    runningVar = trackRunningStats ? Buffer(.ones([numFeatures], dtype: dtype)) : nil
    numBatchesTracked = trackRunningStats ? Buffer(Tensor(0 as Int64), mayBeMissing: true) : nil
  }

  public func forward(_ x: Tensor) -> Tensor { normalize(x) }
  public var configuration: String { settings }
}
