import Flambeau

/// The largest element of every window of [n, c, l]. Torch's `nn.MaxPool1d`.
public final class MaxPool1d: HookableLayer {
  /// The size of the window.
  public let kernelSize: Int
  /// How far the window moves.
  public let stride: Int
  /// How many elements are added on each side.
  public let padding: Int
  /// The distance of the elements that a window sees.
  public let dilation: Int
  /// Windows that reach over the edge count.
  public let ceilMode: Bool

  /// - Parameters:
  ///   - stride: From window to window; the kernel's size by default.
  ///   - padding: −∞ on either side.
  ///   - dilation: From element to element of a window.
  ///   - ceilMode: A last window may hang over the edge.
  public init(_ kernelSize: Int, stride: Int? = nil, padding: Int = 0, dilation: Int = 1, ceilMode: Bool = false) {
    self.kernelSize = kernelSize
    self.stride = stride ?? kernelSize
    self.padding = padding
    self.dilation = dilation
    self.ceilMode = ceilMode
  }

  public func forward(_ x: Tensor) -> Tensor {
    x.maxPool1d(kernelSize, stride: stride, padding: padding, dilation: dilation, ceilMode: ceilMode)
  }

  /// The largest elements and their positions in their planes, as int64. Torch's `return_indices`.
  public func withIndices(_ x: Tensor) -> (values: Tensor, indices: Tensor) {
    x.maxPool1dWithIndices(kernelSize, stride: stride, padding: padding, dilation: dilation, ceilMode: ceilMode)
  }

  public var configuration: String {
    "\(kernelSize), stride: \(stride), padding: \(padding), dilation: \(dilation), ceilMode: \(ceilMode)"
  }
}

/// The mean of every window of [n, c, l]. Torch's `nn.AvgPool1d`.
public final class AvgPool1d: HookableLayer {
  /// The size of the window.
  public let kernelSize: Int
  /// How far the window moves.
  public let stride: Int
  /// How many elements are added on each side.
  public let padding: Int
  /// Windows that reach over the edge count.
  public let ceilMode: Bool
  /// Added zeros count in the mean.
  public let countIncludePad: Bool

  /// - Parameters:
  ///   - stride: From window to window; the kernel's size by default.
  ///   - padding: Zeros on either side.
  ///   - ceilMode: A last window may hang over the edge.
  ///   - countIncludePad: The zeros count in the number that sums are divided by.
  public init(_ kernelSize: Int, stride: Int? = nil, padding: Int = 0, ceilMode: Bool = false, countIncludePad: Bool = true) {
    self.kernelSize = kernelSize
    self.stride = stride ?? kernelSize
    self.padding = padding
    self.ceilMode = ceilMode
    self.countIncludePad = countIncludePad
  }

  public func forward(_ x: Tensor) -> Tensor {
    x.avgPool1d(
      kernelSize, stride: stride, padding: padding, ceilMode: ceilMode, countIncludePad: countIncludePad)
  }

  public var configuration: String { "\(kernelSize), stride: \(stride), padding: \(padding)" }
}

/// The means of `outputSize` windows of about equal size of [n, c, l]. Torch's `nn.AdaptiveAvgPool1d`.
public final class AdaptiveAvgPool1d: HookableLayer {
  /// The size of the output, whatever the input has.
  public let outputSize: Int

  /// As torch's constructor.
  public init(_ outputSize: Int) {
    self.outputSize = outputSize
  }

  public func forward(_ x: Tensor) -> Tensor {
    x.adaptiveAvgPool1d(outputSize)
  }

  public var configuration: String { "\(outputSize)" }
}

/// The largest elements of `outputSize` windows of about equal size of [n, c, l]. Torch's `nn.AdaptiveMaxPool1d`.
public final class AdaptiveMaxPool1d: HookableLayer {
  /// The size of the output, whatever the input has.
  public let outputSize: Int

  /// As torch's constructor.
  public init(_ outputSize: Int) {
    self.outputSize = outputSize
  }

  public func forward(_ x: Tensor) -> Tensor {
    x.adaptiveMaxPool1d(outputSize)
  }

  public var configuration: String { "\(outputSize)" }
}

/// The largest element of every window of [n, c, d, h, w]. Torch's `nn.MaxPool3d`.
public final class MaxPool3d: HookableLayer {
  /// The size of the window.
  public let kernelSize: Size3D
  /// How far the window moves.
  public let stride: Size3D
  /// How many elements are added on each side.
  public let padding: Size3D
  /// The distance of the elements that a window sees.
  public let dilation: Size3D
  /// Windows that reach over the edge count.
  public let ceilMode: Bool

  /// - Parameters:
  ///   - stride: From window to window; the kernel's size by default.
  ///   - padding: −∞ on either side.
  ///   - dilation: From element to element of a window.
  ///   - ceilMode: A last window may hang over the edge.
  public init(_ kernelSize: Size3D, stride: Size3D? = nil, padding: Size3D = 0, dilation: Size3D = 1, ceilMode: Bool = false) {
    self.kernelSize = kernelSize
    self.stride = stride ?? kernelSize
    self.padding = padding
    self.dilation = dilation
    self.ceilMode = ceilMode
  }

  public func forward(_ x: Tensor) -> Tensor {
    x.maxPool3d(kernelSize, stride: stride, padding: padding, dilation: dilation, ceilMode: ceilMode)
  }

  /// The largest elements and their positions in their planes, as int64. Torch's `return_indices`.
  public func withIndices(_ x: Tensor) -> (values: Tensor, indices: Tensor) {
    x.maxPool3dWithIndices(kernelSize, stride: stride, padding: padding, dilation: dilation, ceilMode: ceilMode)
  }

  public var configuration: String {
    "\(kernelSize), stride: \(stride), padding: \(padding), dilation: \(dilation), ceilMode: \(ceilMode)"
  }
}

/// The mean of every window of [n, c, d, h, w]. Torch's `nn.AvgPool3d`.
public final class AvgPool3d: HookableLayer {
  /// The size of the window.
  public let kernelSize: Size3D
  /// How far the window moves.
  public let stride: Size3D
  /// How many elements are added on each side.
  public let padding: Size3D
  /// Windows that reach over the edge count.
  public let ceilMode: Bool
  /// Added zeros count in the mean.
  public let countIncludePad: Bool
  /// What sums are divided by; nil for the size of the window.
  public let divisorOverride: Int?

  /// - Parameters:
  ///   - stride: From window to window; the kernel's size by default.
  ///   - padding: Zeros on either side.
  ///   - ceilMode: A last window may hang over the edge.
  ///   - countIncludePad: The zeros count in the number that sums are divided by.
  ///   - divisorOverride: What sums are divided by, in place of the window's size.
  public init(
    _ kernelSize: Size3D, stride: Size3D? = nil, padding: Size3D = 0, ceilMode: Bool = false, countIncludePad: Bool = true,
    divisorOverride: Int? = nil
  ) {
    self.kernelSize = kernelSize
    self.stride = stride ?? kernelSize
    self.padding = padding
    self.ceilMode = ceilMode
    self.countIncludePad = countIncludePad
    self.divisorOverride = divisorOverride
  }

  public func forward(_ x: Tensor) -> Tensor {
    x.avgPool3d(
      kernelSize, stride: stride, padding: padding, ceilMode: ceilMode, countIncludePad: countIncludePad,
      divisorOverride: divisorOverride)
  }

  public var configuration: String { "\(kernelSize), stride: \(stride), padding: \(padding)" }
}

/// The means of `outputSize` windows of about equal size of [n, c, d, h, w]. Torch's `nn.AdaptiveAvgPool3d`.
public final class AdaptiveAvgPool3d: HookableLayer {
  /// The size of the output, whatever the input has.
  public let outputSize: Size3D

  /// As torch's constructor.
  public init(_ outputSize: Size3D) {
    self.outputSize = outputSize
  }

  public func forward(_ x: Tensor) -> Tensor {
    x.adaptiveAvgPool3d(outputSize)
  }

  public var configuration: String { "\(outputSize)" }
}

/// The largest elements of `outputSize` windows of about equal size of [n, c, d, h, w]. Torch's `nn.AdaptiveMaxPool3d`.
public final class AdaptiveMaxPool3d: HookableLayer {
  /// The size of the output, whatever the input has.
  public let outputSize: Size3D

  /// As torch's constructor.
  public init(_ outputSize: Size3D) {
    self.outputSize = outputSize
  }

  public func forward(_ x: Tensor) -> Tensor {
    x.adaptiveMaxPool3d(outputSize)
  }

  public var configuration: String { "\(outputSize)" }
}
