import Flambeau

/// Changes of images `[…, channels, height, width]`, as torchvision's functions make them: for ``Dataset/mapInputs(_:)``, or for a
/// whole batch, whose images then get the same change. ``ImageTransform``s are the same as values that can be put together.
///
/// Random ones draw from the current generator, torch's bits in torchvision's order; in a ``DataLoader`` that is a stream for each
/// epoch and sample.
public enum Images {
  /// uint8 pixels over 255, as float32; floating-point ones as they are.
  public static func toFloat(_ image: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    if image.dtype.isFloatingPoint { return image }
    guard image.dtype == .uint8 else {
      return Door.refuse(
        TensorError(.dtype, "expected pixels of uint8 or of a floating-point dtype, but got \(image.dtype)"), in: "toFloat",
        image, file: file, line: line)
    }
    return image.to(.float32) / 255
  }

  /// `(image - mean) / std`, with a mean and a deviation for each channel, or one for all. Images are `[…, channels, height, width]`.
  public static func normalize(
    _ image: Tensor, mean: [Float], std: [Float], file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    func refuse(_ error: TensorError) -> Tensor { Door.refuse(error, in: "normalize", image, file: file, line: line) }
    guard image.dtype.isFloatingPoint else {
      return refuse(TensorError(.dtype, "Input tensor should be a float tensor. Got \(image.dtype)."))
    }
    guard image.ndim >= 3 else {
      return refuse(
        TensorError(.shape, "Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = \(image.shape)"))
    }
    let channels = image.shape[-3]
    for (name, values) in [("mean", mean), ("std", std)] where values.count != 1 && values.count != channels {
      return refuse(
        TensorError(.argument, "\(name) has \(values.count) values for images of \(channels) channels: give 1 or \(channels)"))
    }
    guard !std.contains(0) else {
      return refuse(TensorError(.argument, "std evaluated to zero, leading to division by zero."))
    }
    func perChannel(_ values: [Float]) -> Tensor {
      Tensor(values, shape: [values.count, 1, 1], device: image.device).to(image.dtype)
    }
    return (image - perChannel(mean)) / perChannel(std)
  }

  /// A stretch of `height` × `width` at a random place of the image, which first gets `padding` rows and columns of zeros on each side.
  public static func randomCrop(
    _ image: Tensor, height: Int, width: Int, padding: Int = 0, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    do throws(TensorError) {
      let source = try Planes(image)
      guard padding >= 0 && height >= 0 && width >= 0 else {
        throw TensorError(.argument, "sizes and padding must not be negative, but got \(height), \(width) and \(padding)")
      }
      let (rows, columns) = (source.height + 2 * padding, source.width + 2 * padding)
      guard height <= rows && width <= columns else {
        throw TensorError(
          .argument, "Required crop size \((height, width)) is larger than input image size \((rows, columns))")
      }
      var (top, left) = (0, 0)
      if height != rows || width != columns {
        top = Draw.below(rows - height + 1)
        left = Draw.below(columns - width + 1)
      }
      return source.crop(top: top - padding, left: left - padding, height: height, width: width)
    } catch {
      return Door.refuse(error, in: "randomCrop", image, file: file, line: line)
    }
  }

  /// The image mirrored left to right, with the given probability.
  public static func randomHorizontalFlip(
    _ image: Tensor, probability: Double = 0.5, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    do throws(TensorError) {
      let source = try Planes(image)
      return Draw.happens(probability) ? source.mirrored() : image
    } catch {
      return Door.refuse(error, in: "randomHorizontalFlip", image, file: file, line: line)
    }
  }
}
