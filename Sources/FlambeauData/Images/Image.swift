import CKernels
import Flambeau
import FlambeauFormats

/// Which channels a decoded image has. Torchvision's `ImageReadMode`.
public enum ImageMode: Sendable {
  /// Those of the file, palettes resolved: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha. CMYK becomes RGB.
  case unchanged
  /// One channel: brightness.
  case gray
  /// Brightness and opacity.
  case grayAlpha
  /// Red, green, blue.
  case rgb
  /// Red, green, blue, opacity.
  case rgba

  var channels: Int? {
    switch self {
    case .unchanged: nil
    case .gray: 1
    case .grayAlpha: 2
    case .rgb: 3
    case .rgba: 4
    }
  }
}

/// PNG and JPEG files to and from tensors `[channels, height, width]`.
///
/// The formats' own libraries do the work, libpng and libturbojpeg, which are opened when first needed; where one is not
/// installed the error names the package. Pixels equal Pillow's and torchvision's. Nothing is turned by a photo's EXIF orientation.
public enum Image {
  /// The pixels an image may have unless the caller says otherwise, 179 million: where Pillow sees an attack.
  public static let mostPixels = 178_956_970

  /// The image in `bytes`, a whole PNG or JPEG file, recognised by its first bytes.
  ///
  /// - Parameters:
  ///   - mode: The channels. Grey is made as Pillow makes it (from a JPEG in colour it is the luma channel, as in
  ///     torchvision); alpha is 255 where the file has none, and is left out, not blended, where it is not wanted.
  ///   - mostPixels: More are an error, before memory is asked for.
  ///   - name: What the error calls the image.
  /// - Returns: uint8 `[channels, height, width]`. Only a 16-bit PNG with mode `unchanged` is int32, of 0...65535; otherwise the
  ///   lower 8 of 16 bits are dropped.
  public static func decode(
    _ bytes: some Collection<UInt8>, as mode: ImageMode = .unchanged, mostPixels: Int = Image.mostPixels, name: String = "image"
  ) throws(FormatError) -> Tensor {
    func pixels(_ bytes: UnsafeBufferPointer<UInt8>) -> Result<Tensor, FormatError> {
      Result { () throws(FormatError) in
        try decode(UnsafeRawBufferPointer(bytes), ImageRequest(name: name, mode: mode, mostPixels: mostPixels))
      }
    }
    let result = bytes.withContiguousStorageIfAvailable(pixels) ?? Array(bytes).withUnsafeBufferPointer(pixels)
    return try result.get()
  }

  /// The image in the file at `path`; see ``decode(_:as:mostPixels:name:)``.
  public static func load(
    _ path: String, as mode: ImageMode = .unchanged, mostPixels: Int = Image.mostPixels
  ) throws(FormatError) -> Tensor {
    try decode(WholeFile.read(path), as: mode, mostPixels: mostPixels, name: path)
  }

  /// A PNG file of the image: uint8, `[channels, height, width]` with 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha)
  /// channels, or `[height, width]`.
  ///
  /// - Parameter compression: zlib's effort, from 0 (none) to 9. Torchvision's default is 6.
  public static func encodePNG(_ image: Tensor, compression: Int = 6) throws(FormatError) -> [UInt8] {
    try PNG.encode(image, compression: compression, name: "encodePNG")
  }

  /// Writes the image as a PNG file; see ``encodePNG(_:compression:)``. The file appears complete or not at all.
  public static func savePNG(_ image: Tensor, to path: String, compression: Int = 6) throws(FormatError) {
    let bytes = try PNG.encode(image, compression: compression, name: path)
    try AtomicFile.write(path) { (file) throws(FormatError) in try file.write(bytes) }
  }

  private static func decode(_ bytes: UnsafeRawBufferPointer, _ request: ImageRequest) throws(FormatError) -> Tensor {
    if bytes.starts(with: PNG.signature) { return try PNG.decode(bytes, request) }
    if bytes.starts(with: JPEG.signature) { return try JPEG.decode(bytes, request) }
    throw request.refusal(
      bytes.isEmpty ? "is empty" : "is neither PNG nor JPEG: it begins with \(hex(bytes.prefix(8)))")
  }
}

private func hex(_ bytes: some Sequence<UInt8>) -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
}

/// What is wanted of an image, and what its errors call it.
struct ImageRequest {
  let name: String
  let mode: ImageMode
  let mostPixels: Int

  func refusal(_ what: String) -> FormatError { FormatError(file: name, what: what) }

  /// Refuses sizes beyond the limit, and those of which the file's bytes cannot be the compressed form.
  ///
  /// - Parameter fewestBytes: The smallest file that a compressor could make of so many pixels.
  func check(width: Int, height: Int, fewestBytes: Int, of count: Int) throws(FormatError) {
    guard width > 0, height > 0 else { throw refusal("claims \(width)×\(height) pixels") }
    let (pixels, overflow) = width.multipliedReportingOverflow(by: height)
    guard !overflow, pixels <= mostPixels else {
      throw refusal("claims \(width)×\(height) pixels, more than the \(mostPixels) allowed; mostPixels allows more")
    }
    guard fewestBytes <= count else {
      throw refusal("claims \(width)×\(height) pixels, more than its \(count) bytes can hold")
    }
  }
}
