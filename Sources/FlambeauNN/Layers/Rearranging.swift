import Flambeau

/// Another size. Torch's `nn.Upsample`.
///
/// Input [n, c, l], [n, c, h, w] or [n, c, d, h, w].
public final class Upsample: Layer {
  public let size: [Int]?
  public let scaleFactor: [Double]?
  public let mode: InterpolationMode
  public let alignCorners: Bool?

  /// - Parameters:
  ///   - size: The output's, one for each dimension after the channels; or
  ///   - scaleFactor: what the input's is multiplied by.
  public init(
    size: [Int]? = nil, scaleFactor: [Double]? = nil, mode: InterpolationMode = .nearest, alignCorners: Bool? = nil
  ) {
    (self.size, self.scaleFactor, self.mode, self.alignCorners) = (size, scaleFactor, mode, alignCorners)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.interpolate(size: size, scaleFactor: scaleFactor, mode: mode, alignCorners: alignCorners)
  }

  public var configuration: String {
    (size.map { "size: \($0)" } ?? "scaleFactor: \(scaleFactor ?? [])") + ", mode: \(mode)"
  }
}

/// The blocks that a kernel sees of [n, c, h, w], as columns. Torch's `nn.Unfold`.
public final class Unfold: Layer {
  public let kernelSize: Size2D
  public let dilation: Size2D
  public let padding: Size2D
  public let stride: Size2D

  public init(_ kernelSize: Size2D, dilation: Size2D = 1, padding: Size2D = 0, stride: Size2D = 1) {
    self.kernelSize = kernelSize
    self.dilation = dilation
    self.padding = padding
    self.stride = stride
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.unfold(kernelSize, dilation: dilation, padding: padding, stride: stride)
  }

  public var configuration: String { "\(kernelSize), dilation: \(dilation), padding: \(padding), stride: \(stride)" }
}

/// The sums, in images of `outputSize`, of blocks [n, c · kernel area, blocks]. Torch's `nn.Fold`.
public final class Fold: Layer {
  public let outputSize: Size2D
  public let kernelSize: Size2D
  public let dilation: Size2D
  public let padding: Size2D
  public let stride: Size2D

  public init(_ outputSize: Size2D, _ kernelSize: Size2D, dilation: Size2D = 1, padding: Size2D = 0, stride: Size2D = 1) {
    self.outputSize = outputSize
    self.kernelSize = kernelSize
    self.dilation = dilation
    self.padding = padding
    self.stride = stride
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.fold(outputSize, kernelSize, dilation: dilation, padding: padding, stride: stride)
  }

  public var configuration: String {
    "\(outputSize), \(kernelSize), dilation: \(dilation), padding: \(padding), stride: \(stride)"
  }
}

/// `localResponseNorm(_:alpha:beta:k:)` of [n, c, *]. Torch's `nn.LocalResponseNorm`.
public final class LocalResponseNorm: Layer {
  public let size: Int
  public let alpha: Double
  public let beta: Double
  public let k: Double

  public init(_ size: Int, alpha: Double = 1e-4, beta: Double = 0.75, k: Double = 1) {
    self.size = size
    self.alpha = alpha
    self.beta = beta
    self.k = k
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.localResponseNorm(size, alpha: alpha, beta: beta, k: k)
  }

  public var configuration: String { "\(size), alpha: \(alpha), beta: \(beta), k: \(k)" }
}
