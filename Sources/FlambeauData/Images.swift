import Flambeau

/// Changes of images `[…, height, width]`, as torchvision's transforms make them: for ``Dataset/mapInputs(_:)``, or for a
/// whole batch, whose images then get the same random change.
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
    func perChannel(_ values: [Float]) -> Tensor { Tensor(values, shape: [values.count, 1, 1]).to(image.dtype) }
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
        top = draw(below: rows - height + 1)
        left = draw(below: columns - width + 1)
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
      var chance: Float = 0
      Generator.current.fillUniform(&chance, .float32, count: 1)
      return Double(chance) < probability ? source.mirrored() : image
    } catch {
      return Door.refuse(error, in: "randomHorizontalFlip", image, file: file, line: line)
    }
  }

  /// Torch's `randint(0, bound, (1,))`.
  private static func draw(below bound: Int) -> Int {
    var value: Int64 = 0
    Generator.current.fillIntegers(&value, .int64, count: 1, low: 0, high: Int64(bound))
    return Int(value)
  }
}

/// An image as planes of rows of pixels, of which only the size matters.
private struct Planes {
  let image: Tensor
  let count: Int
  let height: Int
  let width: Int
  let pixel: Int

  init(_ image: Tensor) throws(TensorError) {
    guard image.ndim >= 2 else {
      throw TensorError(.shape, "expected an image [..., height, width], but got \(image.shape)")
    }
    if image.requiresGrad {
      throw TensorError(.autograd, "pixels are moved without recording: detach() an image that requires grad")
    }
    self.image = image
    (height, width) = (image.shape[-2], image.shape[-1])
    count = image.shape.dropLast(2).reduce(1, *)
    pixel = image.dtype.byteCount
  }

  private func made(
    height: Int, width: Int, _ fill: (UnsafeMutableRawBufferPointer, UnsafeRawPointer) -> Void
  ) -> Tensor {
    Tensor(shape: Shape(image.shape.dropLast(2) + [height, width]), dtype: image.dtype) { target in
      image.withUnsafeBytes { source in
        if let start = source.baseAddress, !target.isEmpty { fill(target, start) }
      }
    }
  }

  /// `height` × `width` pixels from `top`, `left` on; those outside the image are 0.
  func crop(top: Int, left: Int, height: Int, width: Int) -> Tensor {
    made(height: height, width: width) { target, source in
      let rows = max(0, -top)..<max(max(0, -top), min(height, self.height - top))
      let columns = max(0, -left)..<max(max(0, -left), min(width, self.width - left))
      if rows.count < height || columns.count < width { target.initializeMemory(as: UInt8.self, repeating: 0) }
      for plane in 0..<count {
        for row in rows {
          let from = ((plane * self.height + row + top) * self.width + columns.lowerBound + left) * pixel
          let to = ((plane * height + row) * width + columns.lowerBound) * pixel
          (target.baseAddress! + to).copyMemory(from: source + from, byteCount: columns.count * pixel)
        }
      }
    }
  }

  func mirrored() -> Tensor {
    made(height: height, width: width) { target, source in
      switch pixel {
      case 1: mirror(UInt8.self, source, target)
      case 2: mirror(UInt16.self, source, target)
      case 4: mirror(UInt32.self, source, target)
      default: mirror(UInt64.self, source, target)
      }
    }
  }

  private func mirror<Pixel>(_: Pixel.Type, _ source: UnsafeRawPointer, _ target: UnsafeMutableRawBufferPointer) {
    let from = source.assumingMemoryBound(to: Pixel.self)
    let to = target.baseAddress!.assumingMemoryBound(to: Pixel.self)
    for row in 0..<count * height {
      for column in 0..<width { to[row * width + column] = from[(row + 1) * width - 1 - column] }
    }
  }
}
