import Flambeau
import FlambeauNN

/// A small network for images, of inverted residuals (Sandler et al., 2018), with torchvision's names: its checkpoints load as they
/// are.
///
/// Input [n, 3, h, w], normalised as the checkpoint wants it; output [n, numClasses], logits. Convolutions start Kaiming-normal by
/// fan out, the classifier normal with the deviation 0.01.
public final class MobileNetV2: Layer {
  /// The convolutions.
  public let features: Sequential
  /// Dropout, and the map to the classes.
  public let classifier: Sequential

  /// Torchvision's `mobilenet_v2`.
  ///
  /// - Parameters:
  ///   - widthMultiplier: Of the channels, which are rounded to multiples of 8.
  ///   - dropout: The share of features set to 0 before the classifier while training.
  public init(numClasses: Int = 1000, widthMultiplier: Double = 1, dropout: Double = 0.2) {
    func width(_ channels: Int, _ multiplier: Double) -> Int {
      let wanted = Double(channels) * multiplier
      let rounded = Swift.max(8, Int(wanted + 4) / 8 * 8)
      // Not more than a tenth is lost.
      return Double(rounded) < 0.9 * wanted ? rounded + 8 : rounded
    }
    var inputs = width(32, widthMultiplier)
    var layers: [any Layer] = [Self.step(3, inputs, 3, stride: 2)]
    for stage in Self.stages {
      let outputs = width(stage.channels, widthMultiplier)
      for position in 0..<stage.count {
        layers.append(InvertedResidual(inputs, outputs, expansion: stage.expansion, stride: position == 0 ? stage.stride : 1))
        inputs = outputs
      }
    }
    let last = width(1280, Swift.max(1, widthMultiplier))
    layers.append(Self.step(inputs, last, 1))
    features = Sequential(layers)
    let head = Linear(last, numClasses)
    classifier = Sequential(Dropout(dropout), head)
    for case let convolution as Conv2d in modules() {
      Init.kaimingNormal_(convolution.weight.tensor, mode: .fanOut, nonlinearity: .relu)
    }
    Init.normal_(head.weight.tensor, std: 0.01)
    if let bias = head.bias { Init.zeros_(bias.tensor) }
  }

  /// Logits [N, classes] of images [N, 3, H, W].
  public func callAsFunction(_ x: Tensor) -> Tensor { classifier(features(x).mean(dim: [2, 3])) }

  /// Blocks that follow each other; the first has the stride.
  private static let stages: [(expansion: Int, channels: Int, count: Int, stride: Int)] = [
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
  ]

  /// A convolution, its norm and ReLU6.
  fileprivate static func step(_ inputs: Int, _ outputs: Int, _ kernel: Int, stride: Int = 1, groups: Int = 1) -> Sequential {
    Sequential(
      Conv2d(inputs, outputs, Size2D(kernel), stride: Size2D(stride), padding: Size2D(kernel / 2), groups: groups, bias: false),
      BatchNorm2d(outputs), ReLU6())
  }

  /// Widens, convolves each channel, narrows; plus the input where the shape stays.
  final class InvertedResidual: Layer {
    let conv: Sequential
    private let keepsShape: Bool

    init(_ inputs: Int, _ outputs: Int, expansion: Int, stride: Int) {
      let hidden = inputs * expansion
      let widening: [any Layer] = expansion == 1 ? [] : [MobileNetV2.step(inputs, hidden, 1)]
      conv = Sequential(
        widening + [
          MobileNetV2.step(hidden, hidden, 3, stride: stride, groups: hidden), Conv2d(hidden, outputs, 1, bias: false),
          BatchNorm2d(outputs),
        ])
      keepsShape = stride == 1 && inputs == outputs
    }

    func callAsFunction(_ x: Tensor) -> Tensor { keepsShape ? x + conv(x) : conv(x) }
  }
}
