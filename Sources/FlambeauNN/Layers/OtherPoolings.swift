import Flambeau

// Poolings by powers, at random places, and back.

/// (Σ xᵖ)^(1/p) of every window of [n, c, l], for p = `normType`. Torch's `nn.LPPool1d`.
public final class LPPool1d: HookableLayer {
  /// The order of the norm.
  public let normType: Double
  /// The size of the window.
  public let kernelSize: Int
  /// How far the window moves.
  public let stride: Int
  /// Windows that reach over the edge count.
  public let ceilMode: Bool

  /// - Parameters:
  ///   - stride: From window to window; the kernel's size by default.
  ///   - ceilMode: A last window may hang over the edge.
  public init(_ normType: Double, _ kernelSize: Int, stride: Int? = nil, ceilMode: Bool = false) {
    (self.normType, self.kernelSize) = (normType, kernelSize)
    (self.stride, self.ceilMode) = (stride ?? kernelSize, ceilMode)
  }

  public func forward(_ x: Tensor) -> Tensor { x.lpPool1d(normType, kernelSize, stride: stride, ceilMode: ceilMode) }
  public var configuration: String {
    "normType: \(normType), kernelSize: \(kernelSize), stride: \(stride), ceilMode: \(ceilMode)"
  }
}

/// (Σ xᵖ)^(1/p) of every window of [n, c, h, w], for p = `normType`. Torch's `nn.LPPool2d`.
public final class LPPool2d: HookableLayer {
  /// The order of the norm.
  public let normType: Double
  /// The size of the window.
  public let kernelSize: Size2D
  /// How far the window moves.
  public let stride: Size2D
  /// Windows that reach over the edge count.
  public let ceilMode: Bool

  /// - Parameters:
  ///   - stride: From window to window; the kernel's size by default.
  ///   - ceilMode: A last window may hang over the edge.
  public init(_ normType: Double, _ kernelSize: Size2D, stride: Size2D? = nil, ceilMode: Bool = false) {
    (self.normType, self.kernelSize) = (normType, kernelSize)
    (self.stride, self.ceilMode) = (stride ?? kernelSize, ceilMode)
  }

  public func forward(_ x: Tensor) -> Tensor { x.lpPool2d(normType, kernelSize, stride: stride, ceilMode: ceilMode) }
  public var configuration: String {
    "normType: \(normType), kernelSize: \(kernelSize), stride: \(stride), ceilMode: \(ceilMode)"
  }
}

/// (Σ xᵖ)^(1/p) of every window of [n, c, d, h, w], for p = `normType`. Torch's `nn.LPPool3d`.
public final class LPPool3d: HookableLayer {
  /// The order of the norm.
  public let normType: Double
  /// The size of the window.
  public let kernelSize: Size3D
  /// How far the window moves.
  public let stride: Size3D
  /// Windows that reach over the edge count.
  public let ceilMode: Bool

  /// - Parameters:
  ///   - stride: From window to window; the kernel's size by default.
  ///   - ceilMode: A last window may hang over the edge.
  public init(_ normType: Double, _ kernelSize: Size3D, stride: Size3D? = nil, ceilMode: Bool = false) {
    (self.normType, self.kernelSize) = (normType, kernelSize)
    (self.stride, self.ceilMode) = (stride ?? kernelSize, ceilMode)
  }

  public func forward(_ x: Tensor) -> Tensor { x.lpPool3d(normType, kernelSize, stride: stride, ceilMode: ceilMode) }
  public var configuration: String {
    "normType: \(normType), kernelSize: \(kernelSize), stride: \(stride), ceilMode: \(ceilMode)"
  }
}

/// The largest elements of windows at random places, which cover [n, c, h, w] in about equal steps (Graham, 2014). Torch's
/// `nn.FractionalMaxPool2d`.
public final class FractionalMaxPool2d: HookableLayer {
  /// The size of the window.
  public let kernelSize: Size2D
  /// The size of the output, whatever the input has.
  public let outputSize: Size2D?
  /// The size of the output as a share of the input's; nil where a size is given.
  public let outputRatio: [Double]?

  /// - Parameters:
  ///   - outputSize: How many windows; or
  ///   - outputRatio: what the input's height and width are multiplied by.
  public init(_ kernelSize: Size2D, outputSize: Size2D? = nil, outputRatio: [Double]? = nil) {
    (self.kernelSize, self.outputSize, self.outputRatio) = (kernelSize, outputSize, outputRatio)
  }

  public func forward(_ x: Tensor) -> Tensor {
    x.fractionalMaxPool2d(kernelSize, outputSize: outputSize, outputRatio: outputRatio)
  }

  /// The largest elements and their positions in their planes, as int64. Torch's `return_indices`.
  public func withIndices(_ x: Tensor) -> (values: Tensor, indices: Tensor) {
    x.fractionalMaxPool2dWithIndices(kernelSize, outputSize: outputSize, outputRatio: outputRatio)
  }

  public var configuration: String {
    "\(kernelSize)" + (outputSize.map { ", outputSize: \($0)" } ?? ", outputRatio: \(outputRatio ?? [])")
  }
}

/// The largest elements of windows at random places, which cover [n, c, d, h, w] in about equal steps (Graham, 2014). Torch's
/// `nn.FractionalMaxPool3d`.
public final class FractionalMaxPool3d: HookableLayer {
  /// The size of the window.
  public let kernelSize: Size3D
  /// The size of the output, whatever the input has.
  public let outputSize: Size3D?
  /// The size of the output as a share of the input's; nil where a size is given.
  public let outputRatio: [Double]?

  /// - Parameters:
  ///   - outputSize: How many windows; or
  ///   - outputRatio: what the input's depth, height and width are multiplied by.
  public init(_ kernelSize: Size3D, outputSize: Size3D? = nil, outputRatio: [Double]? = nil) {
    (self.kernelSize, self.outputSize, self.outputRatio) = (kernelSize, outputSize, outputRatio)
  }

  public func forward(_ x: Tensor) -> Tensor {
    x.fractionalMaxPool3d(kernelSize, outputSize: outputSize, outputRatio: outputRatio)
  }

  /// The largest elements and their positions in their planes, as int64. Torch's `return_indices`.
  public func withIndices(_ x: Tensor) -> (values: Tensor, indices: Tensor) {
    x.fractionalMaxPool3dWithIndices(kernelSize, outputSize: outputSize, outputRatio: outputRatio)
  }

  public var configuration: String {
    "\(kernelSize)" + (outputSize.map { ", outputSize: \($0)" } ?? ", outputRatio: \(outputRatio ?? [])")
  }
}

/// Zeros with the elements of a pooling where ``MaxPool1d/withIndices(_:)`` found them. Torch's `nn.MaxUnpool1d`.
public final class MaxUnpool1d: Module {
  /// The size of the window.
  public let kernelSize: Int
  /// How far the window moves.
  public let stride: Int
  /// How many elements are added on each side.
  public let padding: Int

  /// - Parameter stride: From window to window; the kernel's size by default.
  public init(_ kernelSize: Int, stride: Int? = nil, padding: Int = 0) {
    (self.kernelSize, self.stride, self.padding) = (kernelSize, stride ?? kernelSize, padding)
  }

  /// - Parameter outputSize: The pooled sequence's length, where several would give this one.
  public func callAsFunction(_ x: Tensor, _ indices: Tensor, outputSize: Int? = nil) -> Tensor {
    x.maxUnpool1d(indices, kernelSize, stride: stride, padding: padding, outputSize: outputSize)
  }

  public var configuration: String { "\(kernelSize), stride: \(stride), padding: \(padding)" }
}

/// Zeros with the elements of a pooling where ``MaxPool2d/withIndices(_:)`` found them. Torch's `nn.MaxUnpool2d`.
public final class MaxUnpool2d: Module {
  /// The size of the window.
  public let kernelSize: Size2D
  /// How far the window moves.
  public let stride: Size2D
  /// How many elements are added on each side.
  public let padding: Size2D

  /// - Parameter stride: From window to window; the kernel's size by default.
  public init(_ kernelSize: Size2D, stride: Size2D? = nil, padding: Size2D = 0) {
    (self.kernelSize, self.stride, self.padding) = (kernelSize, stride ?? kernelSize, padding)
  }

  /// - Parameter outputSize: The pooled image's size, where several would give this one.
  public func callAsFunction(_ x: Tensor, _ indices: Tensor, outputSize: Size2D? = nil) -> Tensor {
    x.maxUnpool2d(indices, kernelSize, stride: stride, padding: padding, outputSize: outputSize)
  }

  public var configuration: String { "\(kernelSize), stride: \(stride), padding: \(padding)" }
}

/// Zeros with the elements of a pooling where ``MaxPool3d/withIndices(_:)`` found them. Torch's `nn.MaxUnpool3d`.
public final class MaxUnpool3d: Module {
  /// The size of the window.
  public let kernelSize: Size3D
  /// How far the window moves.
  public let stride: Size3D
  /// How many elements are added on each side.
  public let padding: Size3D

  /// - Parameter stride: From window to window; the kernel's size by default.
  public init(_ kernelSize: Size3D, stride: Size3D? = nil, padding: Size3D = 0) {
    (self.kernelSize, self.stride, self.padding) = (kernelSize, stride ?? kernelSize, padding)
  }

  /// - Parameter outputSize: The pooled volume's size, where several would give this one.
  public func callAsFunction(_ x: Tensor, _ indices: Tensor, outputSize: Size3D? = nil) -> Tensor {
    x.maxUnpool3d(indices, kernelSize, stride: stride, padding: padding, outputSize: outputSize)
  }

  public var configuration: String { "\(kernelSize), stride: \(stride), padding: \(padding)" }
}
