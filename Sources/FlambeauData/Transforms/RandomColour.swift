import Flambeau

/// Brightness, contrast, saturation and hue changed by random factors, in random order.
public struct ColorJitter: ImageTransform {
  /// What each is multiplied with (the hue: turned by); nil leaves it.
  public let brightness, contrast, saturation, hue: ClosedRange<Double>?

  /// - Parameters:
  ///   - brightness: Factors are drawn from `max(0, 1 - brightness)...1 + brightness`; likewise `contrast` and `saturation`.
  ///   - hue: Turns of the colour circle are drawn from `-hue...hue`; at most 0.5.
  public init(brightness: Double = 0, contrast: Double = 0, saturation: Double = 0, hue: Double = 0) {
    func around(_ middle: Double, _ reach: Double, from least: Double) -> ClosedRange<Double>? {
      reach > 0 ? max(middle - reach, least)...middle + reach : nil
    }
    self.init(
      brightness: around(1, brightness, from: 0), contrast: around(1, contrast, from: 0),
      saturation: around(1, saturation, from: 0), hue: around(0, hue, from: -hue))
  }

  /// Ranges of factors, none below 0, and of turns within -0.5...0.5; nil leaves something as it is.
  public init(
    brightness: ClosedRange<Double>?, contrast: ClosedRange<Double>? = nil, saturation: ClosedRange<Double>? = nil,
    hue: ClosedRange<Double>? = nil
  ) {
    self.brightness = brightness
    self.contrast = contrast
    self.saturation = saturation
    self.hue = hue
  }

  /// An image [3, H, W] with changes drawn anew, in an order drawn anew.
  public func callAsFunction(_ image: Tensor) -> Tensor {
    let order = Generator.current.permutation(4)
    let changes: [@Sendable (Tensor, Double) -> Tensor] = [
      { Images.adjustBrightness($0, $1) }, { Images.adjustContrast($0, $1) }, { Images.adjustSaturation($0, $1) },
      { Images.adjustHue($0, $1) },
    ]
    let drawn = [brightness, contrast, saturation, hue].map { $0.map { Draw.uniform($0.lowerBound, $0.upperBound) } }
    return order.reduce(image) { image, k in drawn[k].map { changes[k](image, $0) } ?? image }
  }
}

/// The image under a bell of random width.
public struct GaussianBlur: ImageTransform {
  /// The size of the window.
  public let kernelSize: Int
  /// The width of the blur, in pixels.
  public let sigma: ClosedRange<Double>

  /// - Parameter kernelSize: Odd, in pixels.
  public init(kernelSize: Int, sigma: ClosedRange<Double> = 0.1...2) {
    self.kernelSize = kernelSize
    self.sigma = sigma
  }

  /// An image [C, H, W] blurred by a width drawn anew.
  public func callAsFunction(_ image: Tensor) -> Tensor {
    Images.gaussianBlur(image, kernelSize: kernelSize, sigma: Draw.uniform(sigma.lowerBound, sigma.upperBound))
  }
}
