import Flambeau
import FlambeauData
import FlambeauFormats
import FlambeauModels
import FlambeauNN

/// A network for photos: its kind, the size it looks at, and what its outputs mean.
struct PhotoModel: Codable {
  /// The networks by the names they have in torchvision.
  static let kinds: [String: @Sendable (Int, ResNet.Stem) -> ResNet] = [
    "resnet18": { .resnet18(numClasses: $0, stem: $1) }, "resnet34": { .resnet34(numClasses: $0, stem: $1) },
    "resnet50": { .resnet50(numClasses: $0, stem: $1) },
  ]
  static let names = kinds.keys.sorted().joined(separator: ", ")
  /// Up to so many pixels, photos are too small to be made smaller at the network's entrance.
  private static let small = 64
  static let sizes = 1...8192

  let kind: String
  /// The side of the square that the network looks at, in pixels.
  let size: Int
  let classes: [String]

  func network() -> ResNet { Self.kinds[kind]!(classes.count, size <= Self.small ? .cifar : .imageNet) }

  /// From decoded images to what the network reads, as networks for ImageNet are judged.
  var look: Compose {
    let margin = size <= Self.small ? size : size * 256 / 224
    return Compose(Resize(margin), CenterCrop(size), ToFloat(), Normalize.imageNet)
  }

  /// The same with chance, as they learn.
  var augmentedLook: Compose {
    let cut: any ImageTransform =
      size <= Self.small
      ? Compose(Resize(size), CenterCrop(size), RandomCrop(size, padding: size / 8)) : RandomResizedCrop(size)
    return Compose(cut, RandomHorizontalFlip(), ToFloat(), Normalize.imageNet)
  }

  /// What a file of the model's tensors says of it, besides them.
  var metadata: [String: String] {
    get throws { [Self.key: try JSONLines.line(self)] }
  }

  static let key = "photo_model"
}
