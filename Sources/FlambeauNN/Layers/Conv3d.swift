import Flambeau

/// A convolution of volumes with learned kernels. Torch's `nn.Conv3d`.
///
/// Input [n, inChannels, d, h, w] or [inChannels, d, h, w]. The weight [outChannels, inChannels / groups, kernel sizes] and the bias
/// [outChannels] start uniform between ±1/√(inChannels / groups · kernel size).
public final class Conv3d: HookableLayer {
  /// [outChannels, inChannels / groups, depth, height, width].
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
  /// The distance of the elements that a window sees.
  public let dilation: Size3D
  /// How many groups the channels fall into, each with filters of its own.
  public let groups: Int
  /// What is added at the edges.
  public let paddingMode: PaddingMode
  private let border: Border
  private let frame: ConvolutionFrame?

  private enum Border: Sendable {
    case zeros(Size3D)
    case named(ConvolutionPadding)
  }

  /// - Parameters:
  ///   - padding: Zeros on either side.
  ///   - groups: Channels are cut into as many parts, each convolved for itself.
  ///   - paddingMode: What the padding shows: zeros (`.constant`) or parts of the input.
  public convenience init(
    _ inChannels: Int, _ outChannels: Int, _ kernelSize: Size3D, stride: Size3D = 1, padding: Size3D = 0, dilation: Size3D = 1,
    groups: Int = 1, bias: Bool = true, paddingMode: PaddingMode = .constant, dtype: DType = .float32,
    file: StaticString = #fileID, line: UInt = #line
  ) {
    self.init(
      inChannels, outChannels, kernelSize, stride, .zeros(padding), dilation, groups, bias, paddingMode, dtype, file, line)
  }

  /// With as much padding as its name says.
  public convenience init(
    _ inChannels: Int, _ outChannels: Int, _ kernelSize: Size3D, stride: Size3D = 1, padding: ConvolutionPadding,
    dilation: Size3D = 1, groups: Int = 1, bias: Bool = true, paddingMode: PaddingMode = .constant, dtype: DType = .float32,
    file: StaticString = #fileID,
    line: UInt = #line
  ) {
    self.init(
      inChannels, outChannels, kernelSize, stride, .named(padding), dilation, groups, bias, paddingMode, dtype, file, line)
  }

  private init(
    _ inChannels: Int, _ outChannels: Int, _ kernelSize: Size3D, _ stride: Size3D, _ border: Border, _ dilation: Size3D,
    _ groups: Int, _ bias: Bool, _ paddingMode: PaddingMode, _ dtype: DType, _ file: StaticString, _ line: UInt
  ) {
    Conv2d.check("Conv3d", inChannels, outChannels, groups, file, line)
    (self.inChannels, self.outChannels, self.kernelSize) = (inChannels, outChannels, kernelSize)
    (self.stride, self.border, self.dilation, self.groups) = (stride, border, dilation, groups)
    self.paddingMode = paddingMode
    frame =
      switch border {
      case .zeros(let padding): ConvolutionFrame(paddingMode, padding.sizes)
      case .named(let padding):
        ConvolutionFrame(paddingMode, padding, kernel: kernelSize.sizes, stride: stride.sizes, dilation: dilation.sizes)
      }
    weight = Parameter(.zeros(Shape([outChannels, inChannels / Swift.max(groups, 1)] + kernelSize.sizes), dtype: dtype))
    self.bias = bias ? Parameter(.zeros([outChannels], dtype: dtype)) : nil
    Init.linear_(weight.tensor, bias: self.bias?.tensor)
  }

  public func forward(_ x: Tensor) -> Tensor {
    if let frame {
      return frame(x).conv3d(
        weight.tensor, bias: bias?.tensor, stride: stride, dilation: dilation, groups: groups)
    }
    return switch border {
    case .zeros(let padding):
      x.conv3d(weight.tensor, bias: bias?.tensor, stride: stride, padding: padding, dilation: dilation, groups: groups)
    case .named(let padding):
      x.conv3d(weight.tensor, bias: bias?.tensor, stride: stride, padding: padding, dilation: dilation, groups: groups)
    }
  }

  public var configuration: String {
    var text = "\(inChannels), \(outChannels), \(kernelSize), stride: \(stride)"
    switch border {
    case .zeros(let padding): if padding != 0 { text += ", padding: \(padding)" }
    case .named(let padding): text += ", padding: .\(padding)"
    }
    if dilation != 1 { text += ", dilation: \(dilation)" }
    if groups != 1 { text += ", groups: \(groups)" }
    if paddingMode != .constant { text += ", paddingMode: \(paddingMode)" }
    return bias == nil ? text + ", bias: false" : text
  }
}
