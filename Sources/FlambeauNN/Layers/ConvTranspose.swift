import Flambeau

/// A transposed convolution of sequences with learned kernels. Torch's `nn.ConvTranspose1d`.
///
/// Input [n, inChannels, l] or [inChannels, l]. The weight [inChannels, outChannels / groups, kernel] and the bias
/// [outChannels] start uniform between ±1/√(outChannels / groups · kernel size).
public final class ConvTranspose1d: HookableLayer {
  /// [inChannels, outChannels / groups, kernelSize].
  public let weight: Parameter
  /// [outChannels]; nil without one.
  public let bias: Parameter?
  /// Channels of the input.
  public let inChannels: Int
  /// Channels of the output.
  public let outChannels: Int
  /// The size of the window.
  public let kernelSize: Int
  /// How far the window moves.
  public let stride: Int
  /// How many elements are added on each side.
  public let padding: Int
  /// How much longer the output is than the shortest that fits.
  public let outputPadding: Int
  /// The distance of the elements that a window sees.
  public let dilation: Int
  /// How many groups the channels fall into, each with filters of its own.
  public let groups: Int

  /// - Parameters:
  ///   - padding: What is cut off on either side.
  ///   - outputPadding: Positions added at the end; less than stride or dilation.
  ///   - groups: Channels are cut into as many parts, each convolved for itself.
  public init(
    _ inChannels: Int, _ outChannels: Int, _ kernelSize: Int, stride: Int = 1, padding: Int = 0,
    outputPadding: Int = 0, groups: Int = 1, bias: Bool = true, dilation: Int = 1, dtype: DType = .float32,
    file: StaticString = #fileID, line: UInt = #line
  ) {
    Conv2d.check("ConvTranspose1d", inChannels, outChannels, groups, file, line)
    (self.inChannels, self.outChannels, self.kernelSize) = (inChannels, outChannels, kernelSize)
    (self.stride, self.padding, self.outputPadding) = (stride, padding, outputPadding)
    (self.dilation, self.groups) = (dilation, groups)
    weight = Parameter(.zeros(Shape([inChannels, outChannels / Swift.max(groups, 1)] + [kernelSize]), dtype: dtype))
    self.bias = bias ? Parameter(.zeros([outChannels], dtype: dtype)) : nil
    Init.linear_(weight.tensor, bias: self.bias?.tensor)
  }

  public func forward(_ x: Tensor) -> Tensor {
    x.convTranspose1d(
      weight.tensor, bias: bias?.tensor, stride: stride, padding: padding, outputPadding: outputPadding, groups: groups,
      dilation: dilation)
  }

  public var configuration: String {
    var text = "\(inChannels), \(outChannels), \(kernelSize), stride: \(stride)"
    if padding != 0 { text += ", padding: \(padding)" }
    if dilation != 1 { text += ", dilation: \(dilation)" }
    if outputPadding != 0 { text += ", outputPadding: \(outputPadding)" }
    if groups != 1 { text += ", groups: \(groups)" }
    return bias == nil ? text + ", bias: false" : text
  }
}

/// A transposed convolution of images with learned kernels. Torch's `nn.ConvTranspose2d`.
///
/// Input [n, inChannels, h, w] or [inChannels, h, w]. The weight [inChannels, outChannels / groups, kernel height, kernel width] and the bias
/// [outChannels] start uniform between ±1/√(outChannels / groups · kernel size).
public final class ConvTranspose2d: HookableLayer {
  /// [inChannels, outChannels / groups, height, width].
  public let weight: Parameter
  /// [outChannels]; nil without one.
  public let bias: Parameter?
  /// Channels of the input.
  public let inChannels: Int
  /// Channels of the output.
  public let outChannels: Int
  /// The size of the window.
  public let kernelSize: Size2D
  /// How far the window moves.
  public let stride: Size2D
  /// How many elements are added on each side.
  public let padding: Size2D
  /// How much longer the output is than the shortest that fits.
  public let outputPadding: Size2D
  /// The distance of the elements that a window sees.
  public let dilation: Size2D
  /// How many groups the channels fall into, each with filters of its own.
  public let groups: Int

  /// - Parameters:
  ///   - padding: What is cut off on either side.
  ///   - outputPadding: Positions added at the end; less than stride or dilation.
  ///   - groups: Channels are cut into as many parts, each convolved for itself.
  public init(
    _ inChannels: Int, _ outChannels: Int, _ kernelSize: Size2D, stride: Size2D = 1, padding: Size2D = 0,
    outputPadding: Size2D = 0, groups: Int = 1, bias: Bool = true, dilation: Size2D = 1, dtype: DType = .float32,
    file: StaticString = #fileID, line: UInt = #line
  ) {
    Conv2d.check("ConvTranspose2d", inChannels, outChannels, groups, file, line)
    (self.inChannels, self.outChannels, self.kernelSize) = (inChannels, outChannels, kernelSize)
    (self.stride, self.padding, self.outputPadding) = (stride, padding, outputPadding)
    (self.dilation, self.groups) = (dilation, groups)
    weight = Parameter(.zeros(Shape([inChannels, outChannels / Swift.max(groups, 1)] + kernelSize.sizes), dtype: dtype))
    self.bias = bias ? Parameter(.zeros([outChannels], dtype: dtype)) : nil
    Init.linear_(weight.tensor, bias: self.bias?.tensor)
  }

  public func forward(_ x: Tensor) -> Tensor {
    x.convTranspose2d(
      weight.tensor, bias: bias?.tensor, stride: stride, padding: padding, outputPadding: outputPadding, groups: groups,
      dilation: dilation)
  }

  public var configuration: String {
    var text = "\(inChannels), \(outChannels), \(kernelSize), stride: \(stride)"
    if padding != 0 { text += ", padding: \(padding)" }
    if dilation != 1 { text += ", dilation: \(dilation)" }
    if outputPadding != 0 { text += ", outputPadding: \(outputPadding)" }
    if groups != 1 { text += ", groups: \(groups)" }
    return bias == nil ? text + ", bias: false" : text
  }
}

/// A transposed convolution of volumes with learned kernels. Torch's `nn.ConvTranspose3d`.
///
/// Input [n, inChannels, d, h, w] or [inChannels, d, h, w]. The weight [inChannels, outChannels / groups, kernel sizes] and the bias
/// [outChannels] start uniform between ±1/√(outChannels / groups · kernel size).
public final class ConvTranspose3d: HookableLayer {
  /// [inChannels, outChannels / groups, depth, height, width].
  public let weight: Parameter
  /// [outChannels]; nil without one.
  public let bias: Parameter?
  /// Channels of the input.
  public let inChannels: Int
  /// Channels of the output.
  public let outChannels: Int
  /// The size of the window.
  public let kernelSize: Size3D
  /// How far the window moves.
  public let stride: Size3D
  /// How many elements are added on each side.
  public let padding: Size3D
  /// How much longer the output is than the shortest that fits.
  public let outputPadding: Size3D
  /// The distance of the elements that a window sees.
  public let dilation: Size3D
  /// How many groups the channels fall into, each with filters of its own.
  public let groups: Int

  /// - Parameters:
  ///   - padding: What is cut off on either side.
  ///   - outputPadding: Positions added at the end; less than stride or dilation.
  ///   - groups: Channels are cut into as many parts, each convolved for itself.
  public init(
    _ inChannels: Int, _ outChannels: Int, _ kernelSize: Size3D, stride: Size3D = 1, padding: Size3D = 0,
    outputPadding: Size3D = 0, groups: Int = 1, bias: Bool = true, dilation: Size3D = 1, dtype: DType = .float32,
    file: StaticString = #fileID, line: UInt = #line
  ) {
    Conv2d.check("ConvTranspose3d", inChannels, outChannels, groups, file, line)
    (self.inChannels, self.outChannels, self.kernelSize) = (inChannels, outChannels, kernelSize)
    (self.stride, self.padding, self.outputPadding) = (stride, padding, outputPadding)
    (self.dilation, self.groups) = (dilation, groups)
    weight = Parameter(.zeros(Shape([inChannels, outChannels / Swift.max(groups, 1)] + kernelSize.sizes), dtype: dtype))
    self.bias = bias ? Parameter(.zeros([outChannels], dtype: dtype)) : nil
    Init.linear_(weight.tensor, bias: self.bias?.tensor)
  }

  public func forward(_ x: Tensor) -> Tensor {
    x.convTranspose3d(
      weight.tensor, bias: bias?.tensor, stride: stride, padding: padding, outputPadding: outputPadding, groups: groups,
      dilation: dilation)
  }

  public var configuration: String {
    var text = "\(inChannels), \(outChannels), \(kernelSize), stride: \(stride)"
    if padding != 0 { text += ", padding: \(padding)" }
    if dilation != 1 { text += ", dilation: \(dilation)" }
    if outputPadding != 0 { text += ", outputPadding: \(outputPadding)" }
    if groups != 1 { text += ", groups: \(groups)" }
    return bias == nil ? text + ", bias: false" : text
  }
}
