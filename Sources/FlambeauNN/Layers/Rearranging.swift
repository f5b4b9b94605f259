import Flambeau

/// Another size. Torch's `nn.Upsample`.
///
/// Input [n, c, l], [n, c, h, w] or [n, c, d, h, w].
public final class Upsample: HookableLayer {
  /// The size of the output; nil where a factor is given.
  public let size: [Int]?
  /// How many times larger the output is, in each dimension; one number where all grow alike.
  public let scaleFactor: [Double]?
  /// `size` or `scaleFactor` has one number for all dimensions.
  private let isUniform: Bool
  /// How elements between are found.
  public let mode: InterpolationMode
  /// The corners' centres are kept.
  public let alignCorners: Bool?

  /// - Parameters:
  ///   - size: The output's, one for each dimension after the channels; or
  ///   - scaleFactor: what the input's is multiplied by.
  public init(
    size: [Int]? = nil, scaleFactor: [Double]? = nil, mode: InterpolationMode = .nearest, alignCorners: Bool? = nil
  ) {
    (self.size, self.scaleFactor, self.mode, self.alignCorners) = (size, scaleFactor, mode, alignCorners)
    isUniform = false
  }

  /// One size for all dimensions after the channels.
  public init(size: Int, mode: InterpolationMode = .nearest, alignCorners: Bool? = nil) {
    (self.size, scaleFactor, self.mode, self.alignCorners, isUniform) = ([size], nil, mode, alignCorners, true)
  }

  /// One factor for all dimensions after the channels.
  public init(scaleFactor: Double, mode: InterpolationMode = .nearest, alignCorners: Bool? = nil) {
    (size, self.scaleFactor, self.mode, self.alignCorners, isUniform) = (nil, [scaleFactor], mode, alignCorners, true)
  }

  public func forward(_ x: Tensor) -> Tensor {
    if isUniform, let size { return x.interpolate(size: size[0], mode: mode, alignCorners: alignCorners) }
    if isUniform, let scaleFactor {
      return x.interpolate(scaleFactor: scaleFactor[0], mode: mode, alignCorners: alignCorners)
    }
    return x.interpolate(size: size, scaleFactor: scaleFactor, mode: mode, alignCorners: alignCorners)
  }

  public var configuration: String {
    (size.map { "size: \($0)" } ?? "scaleFactor: \(scaleFactor ?? [])") + ", mode: \(mode)"
  }
}

/// The blocks that a kernel sees of [n, c, h, w], as columns. Torch's `nn.Unfold`.
public final class Unfold: HookableLayer {
  /// The size of the window.
  public let kernelSize: Size2D
  /// The distance of the elements that a window sees.
  public let dilation: Size2D
  /// How many elements are added on each side.
  public let padding: Size2D
  /// How far the window moves.
  public let stride: Size2D

  /// As torch's constructor.
  public init(_ kernelSize: Size2D, dilation: Size2D = 1, padding: Size2D = 0, stride: Size2D = 1) {
    self.kernelSize = kernelSize
    self.dilation = dilation
    self.padding = padding
    self.stride = stride
  }

  public func forward(_ x: Tensor) -> Tensor {
    x.unfold(kernelSize, dilation: dilation, padding: padding, stride: stride)
  }

  public var configuration: String { "\(kernelSize), dilation: \(dilation), padding: \(padding), stride: \(stride)" }
}

/// The sums, in images of `outputSize`, of blocks [n, c · kernel area, blocks]. Torch's `nn.Fold`.
public final class Fold: HookableLayer {
  /// The size of the planes that are put together.
  public let outputSize: Size2D
  /// The size of the window.
  public let kernelSize: Size2D
  /// The distance of the elements that a window sees.
  public let dilation: Size2D
  /// How many elements are added on each side.
  public let padding: Size2D
  /// How far the window moves.
  public let stride: Size2D

  /// As torch's constructor.
  public init(_ outputSize: Size2D, _ kernelSize: Size2D, dilation: Size2D = 1, padding: Size2D = 0, stride: Size2D = 1) {
    self.outputSize = outputSize
    self.kernelSize = kernelSize
    self.dilation = dilation
    self.padding = padding
    self.stride = stride
  }

  public func forward(_ x: Tensor) -> Tensor {
    x.fold(outputSize, kernelSize, dilation: dilation, padding: padding, stride: stride)
  }

  public var configuration: String {
    "\(outputSize), \(kernelSize), dilation: \(dilation), padding: \(padding), stride: \(stride)"
  }
}

/// `localResponseNorm(_:alpha:beta:k:)` of [n, c, *]. Torch's `nn.LocalResponseNorm`.
public final class LocalResponseNorm: HookableLayer {
  /// How many channels are looked at.
  public let size: Int
  /// What the squares are multiplied with.
  public let alpha: Double
  /// The exponent of the denominator.
  public let beta: Double
  /// The constant in the denominator.
  public let k: Double

  /// As torch's constructor.
  public init(_ size: Int, alpha: Double = 1e-4, beta: Double = 0.75, k: Double = 1) {
    self.size = size
    self.alpha = alpha
    self.beta = beta
    self.k = k
  }

  public func forward(_ x: Tensor) -> Tensor {
    x.localResponseNorm(size, alpha: alpha, beta: beta, k: k)
  }

  public var configuration: String { "\(size), alpha: \(alpha), beta: \(beta), k: \(k)" }
}

/// Channels become pixels: [n, c · r², h, w] → [n, c, h · r, w · r] (Shi et al., 2016). Torch's `nn.PixelShuffle`.
public final class PixelShuffle: HookableLayer {
  /// How many times larger it becomes.
  public let upscaleFactor: Int
  /// As torch's constructor.
  public init(_ upscaleFactor: Int) { self.upscaleFactor = upscaleFactor }
  public func forward(_ x: Tensor) -> Tensor { x.pixelShuffle(upscaleFactor) }
  public var configuration: String { "\(upscaleFactor)" }
}

/// Pixels become channels: [n, c, h · r, w · r] → [n, c · r², h, w]. Torch's `nn.PixelUnshuffle`.
public final class PixelUnshuffle: HookableLayer {
  /// How many times smaller it becomes.
  public let downscaleFactor: Int
  /// As torch's constructor.
  public init(_ downscaleFactor: Int) { self.downscaleFactor = downscaleFactor }
  public func forward(_ x: Tensor) -> Tensor { x.pixelUnshuffle(downscaleFactor) }
  public var configuration: String { "\(downscaleFactor)" }
}

/// The channels of [n, c, *] dealt out over `groups`. Torch's `nn.ChannelShuffle`.
public final class ChannelShuffle: HookableLayer {
  /// How many groups the channels fall into, each with filters of its own.
  public let groups: Int
  /// As torch's constructor.
  public init(_ groups: Int) { self.groups = groups }
  public func forward(_ x: Tensor) -> Tensor { x.channelShuffle(groups) }
  public var configuration: String { "\(groups)" }
}

/// A dimension as several. Torch's `nn.Unflatten`.
public final class Unflatten: HookableLayer {
  /// The dimension it goes over.
  public let dim: Int
  /// What the dimension becomes.
  public let unflattenedSize: Shape
  /// As torch's constructor.
  public init(_ dim: Int, _ unflattenedSize: Shape) { (self.dim, self.unflattenedSize) = (dim, unflattenedSize) }
  public func forward(_ x: Tensor) -> Tensor { x.unflatten(dim, unflattenedSize) }
  public var configuration: String { "\(dim), \(unflattenedSize)" }
}

/// Images of another size, every pixel the nearest one. Torch's `nn.UpsamplingNearest2d`.
public final class UpsamplingNearest2d: HookableLayer {
  /// The size of the output; nil where a factor is given.
  public let size: [Int]?
  /// How many times larger the output is.
  public let scaleFactor: [Double]?

  /// - Parameters:
  ///   - size: Height and width of the output; or
  ///   - scaleFactor: what the input's are multiplied by.
  public init(size: [Int]? = nil, scaleFactor: [Double]? = nil) { (self.size, self.scaleFactor) = (size, scaleFactor) }
  /// A square output.
  public convenience init(size: Int) { self.init(size: [size, size]) }
  /// One factor for height and width.
  public convenience init(scaleFactor: Double) { self.init(scaleFactor: [scaleFactor, scaleFactor]) }
  public func forward(_ x: Tensor) -> Tensor { x.interpolate(size: size, scaleFactor: scaleFactor, mode: .nearest) }
  public var configuration: String { size.map { "size: \($0)" } ?? "scaleFactor: \(scaleFactor ?? [])" }
}

/// Images of another size, interpolated between pixels whose corners stay corners. Torch's `nn.UpsamplingBilinear2d`.
public final class UpsamplingBilinear2d: HookableLayer {
  /// The size of the output; nil where a factor is given.
  public let size: [Int]?
  /// How many times larger the output is.
  public let scaleFactor: [Double]?

  /// - Parameters:
  ///   - size: Height and width of the output; or
  ///   - scaleFactor: what the input's are multiplied by.
  public init(size: [Int]? = nil, scaleFactor: [Double]? = nil) { (self.size, self.scaleFactor) = (size, scaleFactor) }
  /// A square output.
  public convenience init(size: Int) { self.init(size: [size, size]) }
  /// One factor for height and width.
  public convenience init(scaleFactor: Double) { self.init(scaleFactor: [scaleFactor, scaleFactor]) }
  public func forward(_ x: Tensor) -> Tensor {
    x.interpolate(size: size, scaleFactor: scaleFactor, mode: .bilinear, alignCorners: true)
  }
  public var configuration: String { size.map { "size: \($0)" } ?? "scaleFactor: \(scaleFactor ?? [])" }
}
