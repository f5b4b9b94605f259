import Flambeau

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension Images {
  /// The image in another size. Torchvision's `resize`.
  ///
  /// uint8 pixels are weighted by whole numbers of 16 bits and rounded, exactly as torch's `interpolate` does it.
  ///
  /// - Parameter antialias: Shrinking averages what lies under a pixel, as Pillow does; only for `.bilinear` and `.bicubic`.
  public static func resize(
    _ image: Tensor, height: Int, width: Int, interpolation: InterpolationMode = .bilinear, antialias: Bool = true,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    do throws(TensorError) {
      try checkImage(image)
      guard height > 0, width > 0, image.count > 0 else {
        throw TensorError(.argument, "cannot make \((height, width)) of \(image.shape): images have pixels")
      }
    } catch {
      return Door.refuse(error, in: "resize", image, file: file, line: line)
    }
    let (rows, columns) = (image.shape[-2], image.shape[-1])
    if rows == height && columns == width { return image }
    let smooth = interpolation == .bilinear || interpolation == .bicubic
    let planes = image.reshape([1, -1, rows, columns])
    let resized = planes.interpolate(
      size: [height, width], mode: interpolation, antialias: antialias && smooth, file: file, line: line)
    return resized.reshape(Shape(image.shape.dropLast(2) + [height, width]))
  }

  /// The image in a size in which its shorter side has `shorterSide` pixels and the longer one as many as keep the aspect.
  public static func resize(
    _ image: Tensor, shorterSide: Int, interpolation: InterpolationMode = .bilinear, antialias: Bool = true,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    guard image.ndim >= 2, image.count > 0 else {
      return resize(image, height: 0, width: 0, file: file, line: line)
    }
    let (rows, columns) = (image.shape[-2], image.shape[-1])
    let longer = Int(Double(shorterSide * Swift.max(rows, columns)) / Double(Swift.min(rows, columns)))
    return resize(
      image, height: rows <= columns ? shorterSide : longer, width: rows <= columns ? longer : shorterSide,
      interpolation: interpolation, antialias: antialias, file: file, line: line)
  }

  /// The `height` × `width` pixels from `top`, `left` on, 0 where there is no image. Torchvision's `crop`.
  public static func crop(
    _ image: Tensor, top: Int, left: Int, height: Int, width: Int, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    do throws(TensorError) {
      let source = try Planes(image)
      guard height >= 0, width >= 0 else {
        throw TensorError(.argument, "sizes must not be negative, but got \((height, width))")
      }
      return source.crop(top: top, left: left, height: height, width: width)
    } catch {
      return Door.refuse(error, in: "crop", image, file: file, line: line)
    }
  }

  /// The middle of the image, with 0 around it where it is smaller. Torchvision's `center_crop`.
  public static func centerCrop(
    _ image: Tensor, height: Int, width: Int, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    guard image.ndim >= 2 else { return crop(image, top: 0, left: 0, height: height, width: width, file: file, line: line) }
    func start(_ size: Int, _ wanted: Int) -> Int {
      // Python rounds halves to even numbers, and halves padding downwards.
      size >= wanted ? Int((Double(size - wanted) / 2).rounded(.toNearestOrEven)) : -((wanted - size) / 2)
    }
    return crop(
      image, top: start(image.shape[-2], height), left: start(image.shape[-1], width), height: height, width: width, file: file,
      line: line)
  }

  /// The image with more rows and columns around it. Torchvision's `pad`.
  public static func pad(
    _ image: Tensor, left: Int, top: Int, right: Int, bottom: Int, fill: Double = 0, mode: PaddingMode = .constant,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    do throws(TensorError) { try checkImage(image) } catch {
      return Door.refuse(error, in: "pad", image, file: file, line: line)
    }
    let (rows, columns) = (image.shape[-2], image.shape[-1])
    let planes = image.reshape([1, -1, rows, columns])
    let padded = planes.pad([left, right, top, bottom], mode: mode, value: fill, file: file, line: line)
    return padded.reshape(Shape(image.shape.dropLast(2) + [rows + top + bottom, columns + left + right]))
  }

  /// Left to right. Torchvision's `hflip`.
  public static func horizontalFlip(_ image: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    do throws(TensorError) { return try Planes(image).mirrored() } catch {
      return Door.refuse(error, in: "horizontalFlip", image, file: file, line: line)
    }
  }

  /// Top to bottom. Torchvision's `vflip`.
  public static func verticalFlip(_ image: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    do throws(TensorError) { return try Planes(image).upsideDown() } catch {
      return Door.refuse(error, in: "verticalFlip", image, file: file, line: line)
    }
  }

  /// The image turned about its middle, in its size, 0 where nothing of it comes. Torchvision's `rotate`.
  ///
  /// - Parameter degrees: Against the clock.
  public static func rotate(
    _ image: Tensor, degrees: Double, interpolation: GridMode = .nearest, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    do throws(TensorError) { try checkImage(image) } catch {
      return Door.refuse(error, in: "rotate", image, file: file, line: line)
    }
    let (height, width) = (image.shape[-2], image.shape[-1])
    let angle = degrees * .pi / 180
    let (a, b) = (Float(cos(angle)), Float(sin(angle)))
    var places: [Float] = []
    places.reserveCapacity(2 * height * width)
    for row in 0..<height {
      let y = Float(row) - Float(height) / 2 + 0.5
      for column in 0..<width {
        let x = Float(column) - Float(width) / 2 + 0.5
        places.append((a * x - b * y) / (0.5 * Float(width)))
        places.append((b * x + a * y) / (0.5 * Float(height)))
      }
    }
    let pixels = image.dtype.isFloatingPoint ? image : image.to(.float32)
    let grid = Tensor(places, shape: [1, height, width, 2], device: image.device).to(pixels.dtype)
    let turned = pixels.reshape([1, -1, height, width]).gridSample(grid, mode: interpolation, file: file, line: line)
      .reshape(image.shape)
    return image.dtype.isFloatingPoint ? turned : turned.round().to(image.dtype)
  }

  /// The image with `value`, which fits `[…, channels, height, width]` by broadcasting, in place of some of its pixels.
  /// Torchvision's `erase`.
  public static func erase(
    _ image: Tensor, top: Int, left: Int, height: Int, width: Int, value: Tensor, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    do throws(TensorError) {
      try checkImage(image)
      guard top >= 0, left >= 0, height >= 0, width >= 0, top + height <= image.shape[-2], left + width <= image.shape[-1]
      else {
        throw TensorError(
          .argument, "there are no \((height, width)) pixels from \((top, left)) on in an image of \(image.shape)")
      }
    } catch {
      return Door.refuse(error, in: "erase", image, file: file, line: line)
    }
    let result = image.clone()
    noGrad {
      _ = result.narrow(-2, start: top, length: height).narrow(-1, start: left, length: width).copy_(
        value.to(image.dtype), file: file, line: line)
    }
    return result
  }

  static func checkImage(_ image: Tensor) throws(TensorError) {
    guard image.ndim >= 2 else {
      throw TensorError(.shape, "expected an image [..., height, width], but got \(image.shape)")
    }
    if image.requiresGrad {
      throw TensorError(.autograd, "pixels are moved without recording: detach() an image that requires grad")
    }
  }
}
