import CKernels
import Flambeau
import FlambeauFormats

/// PNG files through libpng.
enum PNG {
  static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
  static let missing = "PNG files need libpng 1.6, which is not on this machine: install Debian's package libpng16-16"
  /// No deflate stream grows by more.
  private static let largestGrowth = 1032

  private static let names: [String] = ["libpng16.so.16", "libpng16.16.dylib", "/opt/homebrew/lib/libpng16.16.dylib"]
  static let isThere = names.contains { fb_png_open($0) }

  static func decode(_ bytes: UnsafeRawBufferPointer, _ request: ImageRequest) throws(FormatError) -> Tensor {
    guard isThere else { throw request.refusal(missing) }
    let start = bytes.baseAddress!.assumingMemoryBound(to: UInt8.self)
    var size = fb_png_size()
    var complaint = Complaint()
    guard let file = complaint.during({ fb_png_begin(start, bytes.count, &size, $0) }) else {
      throw request.refusal("is damaged: \(complaint.text)")
    }
    defer { fb_png_end(file) }
    let (width, height) = (Int(size.width), Int(size.height))
    let (stored, overflow) = size.stored_row_bytes.multipliedReportingOverflow(by: height)
    try request.check(
      width: width, height: height, fewestBytes: overflow ? .max : stored / largestGrowth, of: bytes.count)
    let isWide = size.bits == 16
    var isWhole = false
    let pixels = Tensor(
      shape: [height, width, Int(size.channels)], dtype: isWide ? .int16 : .uint8
    ) { target in
      isWhole = complaint.during { fb_png_pixels(file, target.baseAddress!.assumingMemoryBound(to: UInt8.self), $0) }
    }
    guard isWhole else { throw request.refusal("is damaged: \(complaint.text)") }
    guard isWide else { return Channels.planes(pixels, as: request.mode) }
    // The tensor's signed numbers stand for unsigned ones.
    let wide = pixels.to(.int32) & 0xFFFF
    return request.mode == .unchanged
      ? Channels.planes(wide, as: .unchanged) : Channels.planes((wide >> 8).to(.uint8), as: request.mode)
  }

  static func encode(_ image: Tensor, compression: Int, name: String) throws(FormatError) -> [UInt8] {
    func refusal(_ what: String) -> FormatError { FormatError(file: name, what: what) }
    let planes = image.ndim == 2 ? image.unsqueeze(0) : image
    guard planes.dtype == .uint8, planes.ndim == 3, (1...4).contains(planes.shape[0]), planes.count > 0,
      planes.shape[1] < 1 << 31, planes.shape[2] < 1 << 31
    else {
      throw refusal(
        "a PNG is made of uint8 [channels, height, width] with 1 to 4 channels and pixels in it, not of \(image.dtype) \(image.shape)"
      )
    }
    guard (0...9).contains(compression) else { throw refusal("compression is 0 to 9, but got \(compression)") }
    guard isThere else { throw refusal(missing) }
    let pixels = Channels.pixels(planes)
    var complaint = Complaint()
    var count = 0
    let file = pixels.withUnsafeBytes { source in
      let start = source.baseAddress!.assumingMemoryBound(to: UInt8.self)
      return complaint.during {
        fb_png_write(
          start, UInt32(planes.shape[2]), UInt32(planes.shape[1]), UInt32(planes.shape[0]), Int32(compression), &count, $0)
      }
    }
    guard let file else { throw refusal("cannot be made: \(complaint.text)") }
    defer { fb_png_free(file) }
    return Array(UnsafeBufferPointer(start: file, count: count))
  }

  /// libpng's sentence.
  private struct Complaint {
    private(set) var text = ""

    mutating func during<R>(_ body: (UnsafeMutablePointer<CChar>) -> R) -> R {
      withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(fb_png_message_bytes)) { buffer in
        buffer.initialize(repeating: 0)
        let result = body(buffer.baseAddress!)
        text = String(cString: buffer.baseAddress!)
        return result
      }
    }
  }
}
