import Flambeau

/// What batch normalisations of all ranks have in common (Ioffe and Szegedy, 2015).
///
/// While training, channels are normalised by the batch's own mean and biased variance, and running statistics follow the mean
/// and the unbiased variance; in evaluation the running ones are used, if they are kept.
protocol BatchNormLayer: HookableLayer {
  var weight: Parameter? { get }
  var bias: Parameter? { get }
  var runningMean: Buffer? { get }
  var runningVar: Buffer? { get }
  /// The batches seen while training, int64.
  var numBatchesTracked: Buffer? { get }
  var mode: Mode { get }
  /// Held while the running statistics change.
  var updates: Lock { get }
  var numFeatures: Int { get }
  var eps: Double { get }
  var momentum: Double? { get }
  /// The numbers of dimensions an input may have, in words and as numbers.
  static var ranks: (words: String, numbers: ClosedRange<Int>) { get }
}

extension BatchNormLayer {
  /// `rectified`: what `relu` makes of it.
  func normalize(_ x: Tensor, rectified: Bool = false) -> Tensor {
    guard Self.ranks.numbers.contains(x.ndim) || Context.current.isFailed else {
      return Door.refuse(
        TensorError(.shape, "expected \(Self.ranks.words) input (got \(x.ndim)D input)"), in: "\(type(of: self))", x)
    }
    if !mode.isTraining, let runningMean, let runningVar {
      let y = x.batchNorm(
        mean: runningMean.tensor, variance: runningVar.tensor, weight: weight?.tensor, bias: bias?.tensor, eps: eps)
      return rectified ? y.relu() : y
    }
    let (y, mean, variance) =
      rectified
      ? x.batchNormRelu(weight: weight?.tensor, bias: bias?.tensor, eps: eps)
      : x.batchNorm(weight: weight?.tensor, bias: bias?.tensor, eps: eps)
    if mode.isTraining, let runningMean, let runningVar, let numBatchesTracked {
      noGrad {
        RunningStatistics(mean: runningMean.tensor, variance: runningVar.tensor, count: numBatchesTracked.tensor)
          .add(
            mean: mean, variance: variance, momentum: mode.isCumulative ? nil : momentum, under: updates,
            operation: "\(type(of: self))")
      }
    }
    return y
  }

  var settings: String {
    "\(numFeatures), eps: \(eps), momentum: \(momentum.map { "\($0)" } ?? "nil"), affine: \(weight != nil), "
      + "trackRunningStats: \(runningMean != nil)"
  }
}

/// Normalises the channels of [n, numFeatures] or [n, numFeatures, l]. Torch's `nn.BatchNorm1d`.
public final class BatchNorm1d: BatchNormLayer {
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
  public let momentum: Double?
  let mode = Mode()
  let updates = Lock()
  static let ranks = (words: "2D or 3D", numbers: 2...3)

  /// - Parameters:
  ///   - momentum: What a batch counts in the running statistics; nil for the average of all batches.
  ///   - affine: Scale and move by learned numbers, which start as ones and zeros.
  ///   - trackRunningStats: Keep running statistics for evaluation.
  public init(
    _ numFeatures: Int, eps: Double = 1e-5, momentum: Double? = 0.1, affine: Bool = true, trackRunningStats: Bool = true,
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

/// Normalises the channels of [n, numFeatures, h, w]. Torch's `nn.BatchNorm2d`.
public final class BatchNorm2d: BatchNormLayer {
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
  public let momentum: Double?
  let mode = Mode()
  let updates = Lock()
  static let ranks = (words: "4D", numbers: 4...4)

  /// - Parameters:
  ///   - momentum: What a batch counts in the running statistics; nil for the average of all batches.
  ///   - affine: Scale and move by learned numbers, which start as ones and zeros.
  ///   - trackRunningStats: Keep running statistics for evaluation.
  public init(
    _ numFeatures: Int, eps: Double = 1e-5, momentum: Double? = 0.1, affine: Bool = true, trackRunningStats: Bool = true,
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

  /// `self(x).relu()`, in one pass unless hooks are to see what is between.
  package func rectified(_ x: Tensor) -> Tensor {
    LayerHooks.areThere && LayerHooks.of(self) != nil ? self(x).relu() : normalize(x, rectified: true)
  }
}

/// Normalises the channels of [n, numFeatures, d, h, w]. Torch's `nn.BatchNorm3d`.
public final class BatchNorm3d: BatchNormLayer {
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
  public let momentum: Double?
  let mode = Mode()
  let updates = Lock()
  static let ranks = (words: "5D", numbers: 5...5)

  /// - Parameters:
  ///   - momentum: What a batch counts in the running statistics; nil for the average of all batches.
  ///   - affine: Scale and move by learned numbers, which start as ones and zeros.
  ///   - trackRunningStats: Keep running statistics for evaluation.
  public init(
    _ numFeatures: Int, eps: Double = 1e-5, momentum: Double? = 0.1, affine: Bool = true, trackRunningStats: Bool = true,
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
