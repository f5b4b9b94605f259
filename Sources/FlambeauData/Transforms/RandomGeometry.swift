import Flambeau

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A stretch of the image at a random place, after `padding` rows and columns of zeros were put on each side.
public struct RandomCrop: ImageTransform {
  /// Rows.
  public let height: Int
  /// Elements of a row.
  public let width: Int
  /// How many elements are added on each side.
  public let padding: Int

  /// A square of `side` pixels, after `padding` zeros on each side.
  public init(_ side: Int, padding: Int = 0) { self.init(height: side, width: side, padding: padding) }

  /// A rectangle of so many pixels, after `padding` zeros on each side.
  public init(height: Int, width: Int, padding: Int = 0) {
    self.height = height
    self.width = width
    self.padding = padding
  }

  /// A part [C, height, width] of an image that is at least as large; otherwise an error.
  public func callAsFunction(_ image: Tensor) -> Tensor {
    Images.randomCrop(image, height: height, width: width, padding: padding)
  }
}

/// Left to right, with the given probability.
public struct RandomHorizontalFlip: ImageTransform {
  /// How often it happens.
  public let probability: Double

  /// Flips so many of the images (default: half).
  public init(probability: Double = 0.5) { self.probability = probability }

  /// An image [C, H, W], perhaps with left and right exchanged.
  public func callAsFunction(_ image: Tensor) -> Tensor { Images.randomHorizontalFlip(image, probability: probability) }
}

/// Top to bottom, with the given probability.
public struct RandomVerticalFlip: ImageTransform {
  /// How often it happens.
  public let probability: Double

  /// Flips so many of the images (default: half).
  public init(probability: Double = 0.5) { self.probability = probability }

  /// An image [C, H, W], perhaps with top and bottom exchanged.
  public func callAsFunction(_ image: Tensor) -> Tensor {
    Draw.happens(probability) ? Images.verticalFlip(image) : image
  }
}

/// A random part of the image, of random aspect, in one size: what networks for ImageNet learn from.
public struct RandomResizedCrop: ImageTransform {
  /// Rows.
  public let height: Int
  /// Elements of a row.
  public let width: Int
  /// Which share of the image's pixels the part has.
  public let scale: ClosedRange<Double>
  /// Its width over its height.
  public let ratio: ClosedRange<Double>
  /// How pixels between are found.
  public let interpolation: InterpolationMode
  /// Smooths before making smaller.
  public let antialias: Bool

  /// Crops of a share `scale` of the area and a width-to-height `ratio`, resized to a square of `side` pixels.
  public init(
    _ side: Int, scale: ClosedRange<Double> = 0.08...1, ratio: ClosedRange<Double> = 3.0 / 4...4.0 / 3,
    interpolation: InterpolationMode = .bilinear, antialias: Bool = true
  ) {
    self.init(height: side, width: side, scale: scale, ratio: ratio, interpolation: interpolation, antialias: antialias)
  }

  /// The same, resized to a rectangle.
  public init(
    height: Int, width: Int, scale: ClosedRange<Double> = 0.08...1, ratio: ClosedRange<Double> = 3.0 / 4...4.0 / 3,
    interpolation: InterpolationMode = .bilinear, antialias: Bool = true
  ) {
    self.height = height
    self.width = width
    self.scale = scale
    self.ratio = ratio
    self.interpolation = interpolation
    self.antialias = antialias
  }

  /// A part of an image [C, H, W], resized to [C, height, width].
  public func callAsFunction(_ image: Tensor) -> Tensor {
    guard image.ndim >= 2 else { return Images.resize(image, height: height, width: width) }
    let part = part(ofHeight: image.shape[-2], width: image.shape[-1])
    let crop = Images.crop(image, top: part.top, left: part.left, height: part.height, width: part.width)
    return Images.resize(crop, height: height, width: width, interpolation: interpolation, antialias: antialias)
  }

  private func part(ofHeight rows: Int, width columns: Int) -> (top: Int, left: Int, height: Int, width: Int) {
    func whole(_ x: Double) -> Int { Int(x.rounded(.toNearestOrEven)) }
    let logarithms = (Double(logf(Float(ratio.lowerBound))), Double(logf(Float(ratio.upperBound))))
    for _ in 0..<10 {
      let area = Double(rows * columns) * Draw.uniform(scale.lowerBound, scale.upperBound)
      let aspect = Double(expf(Float(Draw.uniform(logarithms.0, logarithms.1))))
      let (width, height) = (whole((area * aspect).squareRoot()), whole((area / aspect).squareRoot()))
      if (1...max(columns, 1)).contains(width), (1...max(rows, 1)).contains(height) {
        let top = Draw.below(rows - height + 1)
        return (top, Draw.below(columns - width + 1), height, width)
      }
    }
    let aspect = Double(columns) / Double(max(rows, 1))
    var (height, width) = (rows, columns)
    if aspect < ratio.lowerBound {
      height = min(whole(Double(width) / ratio.lowerBound), rows)
    } else if aspect > ratio.upperBound {
      width = min(whole(Double(height) * ratio.upperBound), columns)
    }
    return ((rows - height) / 2, (columns - width) / 2, height, width)
  }
}

/// The image turned about its middle by a random angle.
public struct RandomRotation: ImageTransform {
  /// The angles, in degrees.
  public let degrees: ClosedRange<Double>
  /// How pixels between are found.
  public let interpolation: GridMode

  /// From `-degrees` to `degrees`.
  public init(_ degrees: Double, interpolation: GridMode = .nearest) {
    self.init(-abs(degrees)...abs(degrees), interpolation: interpolation)
  }

  /// An angle drawn from `degrees`, counter-clockwise.
  public init(_ degrees: ClosedRange<Double>, interpolation: GridMode = .nearest) {
    self.degrees = degrees
    self.interpolation = interpolation
  }

  /// An image [C, H, W] turned about its middle; what comes from outside is 0.
  public func callAsFunction(_ image: Tensor) -> Tensor {
    Images.rotate(image, degrees: Draw.uniform(degrees.lowerBound, degrees.upperBound), interpolation: interpolation)
  }
}

/// With the given probability, a random rectangle in one colour (Zhong et al., 2017). Behind ``ToFloat`` or ``Normalize``.
public struct RandomErasing: ImageTransform {
  /// What takes the pixels' place.
  public enum Filling: Sendable {
    /// Zeros.
    case zeros
    /// One value for all pixels.
    case value(Double)
    /// Normal numbers, another for each sample of each pixel.
    case noise
  }

  /// How often it happens.
  public let probability: Double
  /// Which share of the pixels is erased.
  public let scale: ClosedRange<Double>
  /// The rectangle's height over its width.
  public let ratio: ClosedRange<Double>
  /// What is put in.
  public let filling: Filling

  /// torchvision's defaults: half of the images, 2 to 33 % of the area, sides of 0.3 to 3.3 to one.
  public init(
    probability: Double = 0.5, scale: ClosedRange<Double> = 0.02...0.33, ratio: ClosedRange<Double> = 0.3...3.3,
    filling: Filling = .zeros
  ) {
    self.probability = probability
    self.scale = scale
    self.ratio = ratio
    self.filling = filling
  }

  /// An image [C, H, W], perhaps with a rectangle overwritten.
  public func callAsFunction(_ image: Tensor) -> Tensor {
    guard Draw.happens(probability), image.ndim >= 3 else { return image }
    let (channels, rows, columns) = (image.shape[-3], image.shape[-2], image.shape[-1])
    let logarithms = (Double(logf(Float(ratio.lowerBound))), Double(logf(Float(ratio.upperBound))))
    for _ in 0..<10 {
      let area = Double(rows * columns) * Draw.uniform(scale.lowerBound, scale.upperBound)
      let aspect = Double(expf(Float(Draw.uniform(logarithms.0, logarithms.1))))
      let height = Int((area * aspect).squareRoot().rounded(.toNearestOrEven))
      let width = Int((area / aspect).squareRoot().rounded(.toNearestOrEven))
      guard height < rows, width < columns else { continue }
      let value: Tensor
      switch filling {
      case .zeros: value = Tensor.zeros([1, 1, 1], device: image.device)
      case .value(let number): value = Tensor.full([1, 1, 1], number, device: image.device)
      case .noise: value = Tensor.randn([channels, height, width], device: image.device)
      }
      let top = Draw.below(rows - height + 1)
      return Images.erase(
        image, top: top, left: Draw.below(columns - width + 1), height: height, width: width, value: value)
    }
    return image
  }
}
