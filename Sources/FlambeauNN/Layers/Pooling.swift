import Flambeau

/// The largest element of every window of [n, c, h, w]. Torch's `nn.MaxPool2d`.
public final class MaxPool2d: HookableLayer {
  /// The size of the window.
  public let kernelSize: Size2D
  /// How far the window moves.
  public let stride: Size2D
  /// How many elements are added on each side.
  public let padding: Size2D
  /// The distance of the elements that a window sees.
  public let dilation: Size2D
  /// Windows that reach over the edge count.
  public let ceilMode: Bool

  /// - Parameters:
  ///   - stride: From window to window; the kernel's size by default.
  ///   - padding: Rows and columns of −∞ on either side.
  ///   - dilation: From element to element of a window.
  ///   - ceilMode: A last window may hang over the edge.
  public init(
    _ kernelSize: Size2D, stride: Size2D? = nil, padding: Size2D = 0, dilation: Size2D = 1, ceilMode: Bool = false
  ) {
    (self.kernelSize, self.stride, self.padding) = (kernelSize, stride ?? kernelSize, padding)
    (self.dilation, self.ceilMode) = (dilation, ceilMode)
  }

  public func forward(_ x: Tensor) -> Tensor {
    x.maxPool2d(kernelSize, stride: stride, padding: padding, dilation: dilation, ceilMode: ceilMode)
  }

  /// The largest elements and their positions in their planes, as int64. Torch's `return_indices`.
  public func withIndices(_ x: Tensor) -> (values: Tensor, indices: Tensor) {
    x.maxPool2dWithIndices(kernelSize, stride: stride, padding: padding, dilation: dilation, ceilMode: ceilMode)
  }

  public var configuration: String {
    "\(kernelSize), stride: \(stride), padding: \(padding), dilation: \(dilation), ceilMode: \(ceilMode)"
  }
}

/// The mean of every window of [n, c, h, w]. Torch's `nn.AvgPool2d`.
public final class AvgPool2d: HookableLayer {
  /// The size of the window.
  public let kernelSize: Size2D
  /// How far the window moves.
  public let stride: Size2D
  /// How many elements are added on each side.
  public let padding: Size2D
  /// Windows that reach over the edge count.
  public let ceilMode: Bool
  /// Added zeros count in the mean.
  public let countIncludePad: Bool
  /// What sums are divided by; nil for the size of the window.
  public let divisorOverride: Int?

  /// - Parameters:
  ///   - stride: From window to window; the kernel's size by default.
  ///   - padding: Rows and columns of zeros on either side.
  ///   - ceilMode: A last window may hang over the edge.
  ///   - countIncludePad: The zeros count in the number that sums are divided by.
  ///   - divisorOverride: What sums are divided by, in place of the window's size.
  public init(
    _ kernelSize: Size2D, stride: Size2D? = nil, padding: Size2D = 0, ceilMode: Bool = false,
    countIncludePad: Bool = true, divisorOverride: Int? = nil
  ) {
    (self.kernelSize, self.stride, self.padding) = (kernelSize, stride ?? kernelSize, padding)
    (self.ceilMode, self.countIncludePad, self.divisorOverride) = (ceilMode, countIncludePad, divisorOverride)
  }

  public func forward(_ x: Tensor) -> Tensor {
    x.avgPool2d(
      kernelSize, stride: stride, padding: padding, ceilMode: ceilMode, countIncludePad: countIncludePad,
      divisorOverride: divisorOverride)
  }

  public var configuration: String { "\(kernelSize), stride: \(stride), padding: \(padding)" }
}

/// The means of `outputSize` windows of about equal size. Torch's `nn.AdaptiveAvgPool2d`.
public final class AdaptiveAvgPool2d: HookableLayer {
  /// The size of the output, whatever the input has.
  public let outputSize: Size2D
  /// As torch's constructor.
  public init(_ outputSize: Size2D) { self.outputSize = outputSize }
  public func forward(_ x: Tensor) -> Tensor { x.adaptiveAvgPool2d(outputSize) }
  public var configuration: String { "\(outputSize)" }
}

/// The largest elements of `outputSize` windows of about equal size. Torch's `nn.AdaptiveMaxPool2d`.
public final class AdaptiveMaxPool2d: HookableLayer {
  /// The size of the output, whatever the input has.
  public let outputSize: Size2D
  /// As torch's constructor.
  public init(_ outputSize: Size2D) { self.outputSize = outputSize }
  public func forward(_ x: Tensor) -> Tensor { x.adaptiveMaxPool2d(outputSize) }
  public var configuration: String { "\(outputSize)" }
}
