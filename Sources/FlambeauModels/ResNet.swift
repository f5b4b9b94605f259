import Flambeau
import FlambeauNN

/// A residual network for images (He et al., 2016), with torchvision's names: its checkpoints load as they are.
///
/// Input [n, 3, h, w], normalised as the checkpoint wants it; output [n, numClasses], logits. Convolutions start Kaiming-normal
/// by fan out, as in torchvision: for one seed the same bits.
///
/// For other classes than a checkpoint's, make the network with as many as there are and load all but the head:
///
///     let model = ResNet.resnet18(numClasses: 2)
///     let body = try Checkpoint.load("resnet18.pth").filter { !$0.key.hasPrefix("fc.") }
///     try model.loadStateDict(StateDict(body.map { ($0.key, $0.value) }), strict: false)
///     model.requiresGrad_(false) { !$0.hasPrefix("fc.") }
///     let optimizer = SGD(model.fc.parameters(), lr: 1e-3, momentum: 0.9)
public final class ResNet: Layer {
  /// The layers before the residual blocks.
  public enum Stem: Sendable {
    /// 7 × 7 with stride 2, then a maximum pooling: for images of about 224 × 224.
    case imageNet
    /// 3 × 3 alone, for images of 32 × 32.
    case cifar
  }

  /// The first convolution.
  public let conv1: Conv2d
  /// The normalisation after it.
  public let bn1: BatchNorm2d
  /// The stem's pooling; nil for ``Stem/cifar``.
  public let maxpool: MaxPool2d?
  /// A stage of residual blocks; each but the first halves the image.
  public let layer1, layer2, layer3, layer4: Sequential
  /// The mean over what is left of the image.
  public let avgpool = AdaptiveAvgPool2d(1)
  /// The classifier.
  public let fc: Linear

  /// Torchvision's `resnet18`.
  public static func resnet18(numClasses: Int = 1000, stem: Stem = .imageNet) -> ResNet {
    ResNet([2, 2, 2, 2], BasicBlock.self, numClasses, stem)
  }

  /// Torchvision's `resnet34`.
  public static func resnet34(numClasses: Int = 1000, stem: Stem = .imageNet) -> ResNet {
    ResNet([3, 4, 6, 3], BasicBlock.self, numClasses, stem)
  }

  /// Torchvision's `resnet50`.
  public static func resnet50(numClasses: Int = 1000, stem: Stem = .imageNet) -> ResNet {
    ResNet([3, 4, 6, 3], Bottleneck.self, numClasses, stem)
  }

  private init<Block: ResidualBlock>(_ depths: [Int], _ block: Block.Type, _ numClasses: Int, _ stem: Stem) {
    switch stem {
    case .imageNet:
      conv1 = Conv2d(3, 64, 7, stride: 2, padding: 3, bias: false)
      maxpool = MaxPool2d(3, stride: 2, padding: 1)
    case .cifar:
      conv1 = Conv2d(3, 64, 3, padding: 1, bias: false)
      maxpool = nil
    }
    bn1 = BatchNorm2d(64)
    var inputs = 64
    let stages = depths.enumerated().map { stage, depth in
      Sequential(
        (0..<depth).map { position -> any Layer in
          let width = 64 << stage
          defer { inputs = width * Block.expansion }
          return Block(inputs, width, stride: stage > 0 && position == 0 ? 2 : 1)
        })
    }
    (layer1, layer2, layer3, layer4) = (stages[0], stages[1], stages[2], stages[3])
    fc = Linear(inputs, numClasses)
    for case let convolution as Conv2d in modules() {
      Init.kaimingNormal_(convolution.weight.tensor, mode: .fanOut, nonlinearity: .relu)
    }
  }

  /// Logits [N, classes] of images [N, 3, H, W].
  public func callAsFunction(_ x: Tensor) -> Tensor {
    var x = bn1.rectified(conv1(x))
    if let maxpool { x = maxpool(x) }
    x = layer4(layer3(layer2(layer1(x))))
    return fc(avgpool(x).flatten(startDim: 1))
  }
}

/// A function of the input, plus the input.
protocol ResidualBlock: Layer {
  /// The channels of the output over `width`.
  static var expansion: Int { get }
  init(_ inputs: Int, _ width: Int, stride: Int)
}

extension ResidualBlock {
  /// What brings the input to the output's shape where they differ.
  static func downsample(_ inputs: Int, _ width: Int, stride: Int) -> Sequential? {
    let outputs = width * expansion
    if stride == 1 && inputs == outputs { return nil }
    return Sequential(Conv2d(inputs, outputs, 1, stride: Size2D(stride), bias: false), BatchNorm2d(outputs))
  }
}

final class BasicBlock: ResidualBlock {
  static let expansion = 1
  let conv1, conv2: Conv2d
  let bn1, bn2: BatchNorm2d
  let downsample: Sequential?

  init(_ inputs: Int, _ width: Int, stride: Int) {
    conv1 = Conv2d(inputs, width, 3, stride: Size2D(stride), padding: 1, bias: false)
    bn1 = BatchNorm2d(width)
    conv2 = Conv2d(width, width, 3, padding: 1, bias: false)
    bn2 = BatchNorm2d(width)
    downsample = BasicBlock.downsample(inputs, width, stride: stride)
  }

  func callAsFunction(_ x: Tensor) -> Tensor {
    let y = bn2(conv2(bn1.rectified(conv1(x))))
    return y.addRelu(downsample?(x) ?? x)
  }
}

/// The stride is in the 3 × 3 convolution, as torchvision has it.
final class Bottleneck: ResidualBlock {
  static let expansion = 4
  let conv1, conv2, conv3: Conv2d
  let bn1, bn2, bn3: BatchNorm2d
  let downsample: Sequential?

  init(_ inputs: Int, _ width: Int, stride: Int) {
    let outputs = width * Bottleneck.expansion
    conv1 = Conv2d(inputs, width, 1, bias: false)
    bn1 = BatchNorm2d(width)
    conv2 = Conv2d(width, width, 3, stride: Size2D(stride), padding: 1, bias: false)
    bn2 = BatchNorm2d(width)
    conv3 = Conv2d(width, outputs, 1, bias: false)
    bn3 = BatchNorm2d(outputs)
    downsample = Bottleneck.downsample(inputs, width, stride: stride)
  }

  func callAsFunction(_ x: Tensor) -> Tensor {
    let y = bn2.rectified(conv2(bn1.rectified(conv1(x))))
    return bn3(conv3(y)).addRelu(downsample?(x) ?? x)
  }
}
