import Flambeau

/// An image as planes of rows of pixels, of which only the size matters.
struct Planes {
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

  func upsideDown() -> Tensor {
    made(height: height, width: width) { target, source in
      let row = width * pixel
      for plane in 0..<count {
        for y in 0..<height {
          (target.baseAddress! + (plane * height + y) * row)
            .copyMemory(from: source + (plane * height + height - 1 - y) * row, byteCount: row)
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
