import Flambeau

/// A convolution of sequences with learned kernels. Torch's `nn.Conv1d`.
///
/// Input [n, inChannels, l] or [inChannels, l]. The weight [outChannels, inChannels / groups, kernel] and the bias
/// [outChannels] start uniform between ±1/√(inChannels / groups · kernel size).
public final class Conv1d: HookableLayer {
  /// [outChannels, inChannels / groups, kernelSize].
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
  /// The distance of the elements that a window sees.
  public let dilation: Int
  /// How many groups the channels fall into, each with filters of its own.
  public let groups: Int
  /// What is added at the edges.
  public let paddingMode: PaddingMode
  private let border: Border
  private let frame: ConvolutionFrame?

  private enum Border: Sendable {
    case zeros(Int)
    case named(ConvolutionPadding)
  }

  /// - Parameters:
  ///   - padding: Zeros on either side.
  ///   - groups: Channels are cut into as many parts, each convolved for itself.
  ///   - paddingMode: What the padding shows: zeros (`.constant`) or parts of the input.
  public convenience init(
    _ inChannels: Int, _ outChannels: Int, _ kernelSize: Int, stride: Int = 1, padding: Int = 0, dilation: Int = 1,
    groups: Int = 1, bias: Bool = true, paddingMode: PaddingMode = .constant, dtype: DType = .float32,
    file: StaticString = #fileID, line: UInt = #line
  ) {
    self.init(
      inChannels, outChannels, kernelSize, stride, .zeros(padding), dilation, groups, bias, paddingMode, dtype, file, line)
  }

  /// With as much padding as its name says.
  public convenience init(
    _ inChannels: Int, _ outChannels: Int, _ kernelSize: Int, stride: Int = 1, padding: ConvolutionPadding,
    dilation: Int = 1, groups: Int = 1, bias: Bool = true, paddingMode: PaddingMode = .constant, dtype: DType = .float32,
    file: StaticString = #fileID,
    line: UInt = #line
  ) {
    self.init(
      inChannels, outChannels, kernelSize, stride, .named(padding), dilation, groups, bias, paddingMode, dtype, file, line)
  }

  private init(
    _ inChannels: Int, _ outChannels: Int, _ kernelSize: Int, _ stride: Int, _ border: Border, _ dilation: Int,
    _ groups: Int, _ bias: Bool, _ paddingMode: PaddingMode, _ dtype: DType, _ file: StaticString, _ line: UInt
  ) {
    Conv2d.check("Conv1d", inChannels, outChannels, groups, file, line)
    (self.inChannels, self.outChannels, self.kernelSize) = (inChannels, outChannels, kernelSize)
    (self.stride, self.border, self.dilation, self.groups) = (stride, border, dilation, groups)
    self.paddingMode = paddingMode
    frame =
      switch border {
      case .zeros(let padding): ConvolutionFrame(paddingMode, [padding])
      case .named(let padding):
        ConvolutionFrame(paddingMode, padding, kernel: [kernelSize], stride: [stride], dilation: [dilation])
      }
    weight = Parameter(.zeros(Shape([outChannels, inChannels / Swift.max(groups, 1)] + [kernelSize]), dtype: dtype))
    self.bias = bias ? Parameter(.zeros([outChannels], dtype: dtype)) : nil
    Init.linear_(weight.tensor, bias: self.bias?.tensor)
  }

  public func forward(_ x: Tensor) -> Tensor {
    if let frame {
      return frame(x).conv1d(
        weight.tensor, bias: bias?.tensor, stride: stride, dilation: dilation, groups: groups)
    }
    return switch border {
    case .zeros(let padding):
      x.conv1d(weight.tensor, bias: bias?.tensor, stride: stride, padding: padding, dilation: dilation, groups: groups)
    case .named(let padding):
      x.conv1d(weight.tensor, bias: bias?.tensor, stride: stride, padding: padding, dilation: dilation, groups: groups)
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
