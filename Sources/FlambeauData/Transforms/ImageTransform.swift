import Flambeau

/// A change of images `[…, channels, height, width]` with its settings, as a value. Torchvision's `transforms.v2`.
///
///     let augment = Compose(RandomResizedCrop(224), RandomHorizontalFlip(), ToFloat(), Normalize.imageNet)
///     let data = try ImageFolder("photos").transformed(by: augment)
///
/// Random ones draw from the current generator, torch's bits in torchvision's order; in a ``DataLoader`` that is a stream for
/// each epoch and sample. A batch's images get one change together.
public protocol ImageTransform: Sendable {
  /// The transformed image; `image` is [C, H, W], or [N, C, H, W] where all images are to be treated alike.
  func callAsFunction(_ image: Tensor) -> Tensor
}

/// Several changes, one after another.
public struct Compose: ImageTransform {
  /// The transforms, first to last.
  public let transforms: [any ImageTransform]

  /// The transforms, first to last.
  public init(_ transforms: any ImageTransform...) { self.transforms = transforms }
  /// The transforms, first to last.
  public init(_ transforms: [any ImageTransform]) { self.transforms = transforms }

  /// The image after all transforms, in order.
  public func callAsFunction(_ image: Tensor) -> Tensor { transforms.reduce(image) { $1($0) } }
}

extension Dataset where Sample == Example {
  /// Every input changed by `transform` when it is asked for; the targets stay.
  public func transformed(by transform: some ImageTransform) -> MappedDataset<Self, Example> {
    mapInputs { transform($0) }
  }
}

/// uint8 pixels over 255, as float32; floating-point ones as they are. Torchvision's `ToDtype(float32, scale=True)`.
public struct ToFloat: ImageTransform {
  /// The transform has no options.
  public init() {}

  /// uint8 in 0…255 becomes float32 in 0…1; float32 stays as it is.
  public func callAsFunction(_ image: Tensor) -> Tensor { Images.toFloat(image) }
}

/// `(image - mean) / std` for each channel; floating-point images only.
public struct Normalize: ImageTransform {
  /// The mean of each channel.
  public let mean: [Float]
  /// The standard deviation of each channel.
  public let std: [Float]

  /// What networks learned with that were trained on ImageNet.
  public static let imageNet = Normalize(mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225])

  /// One value for each channel, or one for all.
  public init(mean: [Float], std: [Float]) {
    self.mean = mean
    self.std = std
  }

  /// (image − mean) / std for each channel of an image [C, H, W] of floating-point numbers.
  public func callAsFunction(_ image: Tensor) -> Tensor { Images.normalize(image, mean: mean, std: std) }
}

/// The image in another size: of given height and width, or with a shorter side of given length and the aspect kept.
public struct Resize: ImageTransform {
  private enum Size {
    case exact(height: Int, width: Int)
    case shorterSide(Int)
  }
  private let size: Size
  /// How pixels between are found.
  public let interpolation: InterpolationMode
  /// Smooths before making smaller.
  public let antialias: Bool

  /// The shorter side becomes `shorterSide` pixels; the other keeps the proportions.
  public init(_ shorterSide: Int, interpolation: InterpolationMode = .bilinear, antialias: Bool = true) {
    size = .shorterSide(shorterSide)
    self.interpolation = interpolation
    self.antialias = antialias
  }

  /// The image becomes [C, height, width], whatever its proportions.
  public init(height: Int, width: Int, interpolation: InterpolationMode = .bilinear, antialias: Bool = true) {
    size = .exact(height: height, width: width)
    self.interpolation = interpolation
    self.antialias = antialias
  }

  /// The resized image, of the dtype it had; uint8 is rounded.
  public func callAsFunction(_ image: Tensor) -> Tensor {
    switch size {
    case .exact(let height, let width):
      Images.resize(image, height: height, width: width, interpolation: interpolation, antialias: antialias)
    case .shorterSide(let side): Images.resize(image, shorterSide: side, interpolation: interpolation, antialias: antialias)
    }
  }
}

/// The middle of the image, with 0 around it where it is smaller.
public struct CenterCrop: ImageTransform {
  /// Rows.
  public let height: Int
  /// Elements of a row.
  public let width: Int

  /// A square of `side` pixels.
  public init(_ side: Int) { self.init(height: side, width: side) }
  /// Of this height and width.
  public init(height: Int, width: Int) {
    self.height = height
    self.width = width
  }

  /// The middle of an image [C, H, W]: [C, height, width], with zeros where the image is smaller.
  public func callAsFunction(_ image: Tensor) -> Tensor { Images.centerCrop(image, height: height, width: width) }
}

/// More rows and columns around the image.
public struct Pad: ImageTransform {
  /// Pixels added on each side.
  public let left, top, right, bottom: Int
  /// What is put in.
  public let fill: Double
  /// What the added pixels are.
  public let mode: PaddingMode

  /// `all` pixels on each side.
  public init(_ all: Int, fill: Double = 0, mode: PaddingMode = .constant) {
    self.init(left: all, top: all, right: all, bottom: all, fill: fill, mode: mode)
  }

  /// So many pixels on each side; `fill` is the value of a constant border.
  public init(left: Int, top: Int, right: Int, bottom: Int, fill: Double = 0, mode: PaddingMode = .constant) {
    (self.left, self.top, self.right, self.bottom) = (left, top, right, bottom)
    self.fill = fill
    self.mode = mode
  }

  /// An image [C, H, W] with its border.
  public func callAsFunction(_ image: Tensor) -> Tensor {
    Images.pad(image, left: left, top: top, right: right, bottom: bottom, fill: fill, mode: mode)
  }
}

/// One grey channel, or three equal ones.
public struct Grayscale: ImageTransform {
  /// Channels of the result.
  public let channels: Int

  /// 1 channel, or 3 that are equal.
  public init(channels: Int = 1) { self.channels = channels }

  /// The brightness of an image [3, H, W]: [channels, H, W].
  public func callAsFunction(_ image: Tensor) -> Tensor { Images.grayscale(image, channels: channels) }
}
