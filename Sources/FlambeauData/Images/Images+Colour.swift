import Flambeau

// Colours of uint8 and floating-point images, as torchvision computes them: in float32, cut to what the dtype means by black and
// white (0 and 255, or 0 and 1), without rounding.
extension Images {
  /// One channel, or three equal ones. Torchvision's `rgb_to_grayscale`; grey images stay as they are.
  public static func grayscale(
    _ image: Tensor, channels: Int = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let gray: Tensor
    do throws(TensorError) {
      guard channels == 1 || channels == 3 else { throw TensorError(.argument, "channels is 1 or 3, but got \(channels)") }
      gray = try checkColours(image) == 3 ? light(image).to(image.dtype) : image
    } catch {
      return Door.refuse(error, in: "grayscale", image, file: file, line: line)
    }
    return channels == 1 ? gray : Tensor.cat([gray, gray, gray], dim: -3)
  }

  /// All pixels times `factor`. Torchvision's `adjust_brightness`.
  public static func adjustBrightness(
    _ image: Tensor, _ factor: Double, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    adjusted(image, "adjustBrightness", factor, file, line) { pixels, _ in pixels * factor }
  }

  /// From the mean's grey at 0 over the image at 1 to more contrast. Torchvision's `adjust_contrast`.
  public static func adjustContrast(
    _ image: Tensor, _ factor: Double, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    adjusted(image, "adjustContrast", factor, file, line) { pixels, channels in
      let gray = channels == 3 ? wholeLight(image) : pixels
      return pixels * factor + gray.mean(dim: [-3, -2, -1], keepDim: true) * (1 - factor)
    }
  }

  /// From grey at 0 over the image at 1 to stronger colours. Torchvision's `adjust_saturation`.
  public static func adjustSaturation(
    _ image: Tensor, _ factor: Double, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    adjusted(image, "adjustSaturation", factor, file, line) { pixels, channels in
      channels == 1 ? pixels : pixels * factor + wholeLight(image) * (1 - factor)
    }
  }

  /// The hues moved round their circle by `turns` of it, -0.5...0.5. Torchvision's `adjust_hue`.
  public static func adjustHue(
    _ image: Tensor, _ turns: Double, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    do throws(TensorError) {
      guard (-0.5...0.5).contains(turns) else {
        throw TensorError(.argument, "hue_factor (\(turns)) is not in [-0.5, 0.5].")
      }
      if try checkColours(image) == 1 { return image }
    } catch {
      return Door.refuse(error, in: "adjustHue", image, file: file, line: line)
    }
    let isWhole = image.dtype == .uint8
    let turned = Hue.turned(isWhole ? image.to(.float32) / 255 : image.to(.float32), by: Float(turns))
    // The largest factor whose product with 1 still is 255 when it is cut off.
    return isWhole ? (turned * (256 - 1e-3)).to(.uint8) : turned.to(image.dtype)
  }

  /// The image under a bell of `kernelSize` × `kernelSize` pixels, mirrored at its edges. Torchvision's `gaussian_blur`.
  ///
  /// - Parameters:
  ///   - kernelSize: Odd.
  ///   - sigma: The bell's deviation in pixels; torchvision's default for the size if nil.
  public static func gaussianBlur(
    _ image: Tensor, kernelSize: Int, sigma: Double? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let sigma = sigma ?? Double(kernelSize) * 0.15 + 0.35
    do throws(TensorError) {
      try checkImage(image)
      guard kernelSize > 0, kernelSize % 2 == 1, sigma > 0 else {
        throw TensorError(.argument, "kernelSize is odd and sigma positive, but got \(kernelSize) and \(sigma)")
      }
    } catch {
      return Door.refuse(error, in: "gaussianBlur", image, file: file, line: line)
    }
    let (height, width) = (image.shape[-2], image.shape[-1])
    let pixels = image.dtype.isFloatingPoint ? image : image.to(.float32)
    let half = kernelSize / 2
    let reach = Double(half) / (sigma * 2.0.squareRoot())
    let steps = (0..<kernelSize).map { half == 0 ? 0 : reach * Double($0 - half) / Double(half) }
    let bell = (-Tensor(steps, device: pixels.device).square()).softmax(dim: 0).to(pixels.dtype)
    // Every plane is an image of one channel.
    let planes = pixels.reshape([-1, 1, height, width]).pad([half, half, half, half], mode: .reflect, file: file, line: line)
    let blurred = planes.conv2d(bell.reshape([1, 1, 1, kernelSize])).conv2d(bell.reshape([1, 1, kernelSize, 1]))
      .reshape(image.shape)
    return image.dtype.isFloatingPoint ? blurred : blurred.round().to(image.dtype)
  }

  private static func adjusted(
    _ image: Tensor, _ name: String, _ factor: Double, _ file: StaticString, _ line: UInt,
    _ change: (Tensor, Int) -> Tensor
  ) -> Tensor {
    do throws(TensorError) {
      let channels = try checkColours(image)
      guard factor >= 0 else { throw TensorError(.argument, "the factor must not be negative, but got \(factor)") }
      let isWhole = image.dtype == .uint8
      let changed = change(isWhole ? image.to(.float32) : image, channels)
      return changed.clamp(min: 0, max: isWhole ? 255 : 1).to(image.dtype)
    } catch {
      return Door.refuse(error, in: name, image, file: file, line: line)
    }
  }

  /// The number of channels, 1 or 3.
  private static func checkColours(_ image: Tensor) throws(TensorError) -> Int {
    try checkImage(image)
    guard image.ndim >= 3, image.shape[-3] == 1 || image.shape[-3] == 3 else {
      throw TensorError(.shape, "expected an image [..., 1 or 3 channels, height, width], but got \(image.shape)")
    }
    guard image.dtype == .uint8 || image.dtype.isFloatingPoint else {
      throw TensorError(.dtype, "expected pixels of uint8 or of a floating-point dtype, but got \(image.dtype)")
    }
    return image.shape[-3]
  }

  /// The weighted sum of the channels, one channel; float32 of bytes.
  private static func light(_ image: Tensor) -> Tensor {
    let pixels = image.dtype == .uint8 ? image.to(.float32) : image
    func channel(_ index: Int) -> Tensor { pixels.narrow(-3, start: index, length: 1) }
    return channel(0) * 0.2989 + channel(1) * 0.587 + channel(2) * 0.114
  }

  private static func wholeLight(_ image: Tensor) -> Tensor { image.dtype == .uint8 ? light(image).floor() : light(image) }
}

/// Hue, saturation and value (Smith, 1978), with torchvision's order of operations.
private enum Hue {
  /// `image` is float32 [..., 3, height, width].
  static func turned(_ image: Tensor, by turns: Float) -> Tensor {
    let count = image.shape[-2] * image.shape[-1]
    return Tensor(shape: image.shape, dtype: .float32) { target in
      let out = target.assumingMemoryBound(to: Float.self)
      image.withUnsafeElements(of: Float.self) { pixels in
        for start in stride(from: 0, to: pixels.count, by: Swift.max(3 * count, 1)) {
          for i in start..<start + count {
            let colour = turned((pixels[i], pixels[i + count], pixels[i + 2 * count]), turns)
            (out[i], out[i + count], out[i + 2 * count]) = colour
          }
        }
      }
    }
  }

  private static func turned(_ colour: (r: Float, g: Float, b: Float), _ turns: Float) -> (Float, Float, Float) {
    let (low, value) = (min(colour.r, colour.g, colour.b), max(colour.r, colour.g, colour.b))
    let range = value - low
    let saturation = range / (range == 0 ? 1 : value)
    let divisor = range == 0 ? 1 : range
    func distance(_ channel: Float) -> Float { (value - channel) / divisor }
    let (rc, gc, bc) = (distance(colour.r), distance(colour.g), distance(colour.b))
    let sector = value == colour.r ? bc - gc : value == colour.g ? rc + 2 - bc : gc + 4 - rc
    var hue = (sector * (1 / 6) + 1).truncatingRemainder(dividingBy: 1) + turns
    hue -= hue.rounded(.down)
    let six = hue * 6
    let whole = six.rounded(.down)
    let part = six - whole
    func cut(_ x: Float) -> Float { min(max(x * value, 0), 1) }
    let (p, q) = (cut(1 - saturation), cut(1 - saturation * part))
    let t = cut(saturation * part + (1 - saturation))
    switch Int(whole) % 6 {
    case 0: return (value, t, p)
    case 1: return (q, value, p)
    case 2: return (p, value, t)
    case 3: return (p, q, value)
    case 4: return (t, p, value)
    default: return (value, p, q)
    }
  }
}
