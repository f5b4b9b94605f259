#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// libturbojpeg, opened when first needed.
struct TurboJPEG: Sendable {
  /// What a pixel of the result is, with the library's number for it.
  enum Format: Int32 {
    case rgb = 0
    case gray = 6
    case cmyk = 11

    var channels: Int {
      switch self {
      case .gray: 1
      case .rgb: 3
      case .cmyk: 4
      }
    }

    init?(components: Int, wanted: ImageMode) {
      switch (components, wanted) {
      case (1, _), (3, .gray), (3, .grayAlpha): self = .gray
      case (3, _): self = .rgb
      case (4, _): self = .cmyk
      default: return nil
      }
    }
  }

  enum Outcome {
    case whole
    /// There is a picture, but the library found something odd.
    case warned(String)
    case failed(String)
  }

  private typealias Handle = UnsafeMutableRawPointer
  private typealias Start = @convention(c) @Sendable () -> Handle?
  private typealias End = @convention(c) @Sendable (Handle) -> Int32
  private typealias Decompress =
    @convention(c) @Sendable (
      Handle, UnsafeRawPointer, UInt, UnsafeMutableRawPointer, Int32, Int32, Int32, Int32, Int32
    ) -> Int32
  private typealias Code = @convention(c) @Sendable (Handle) -> Int32
  private typealias Sentence = @convention(c) @Sendable (Handle) -> UnsafePointer<CChar>?

  private let start: Start
  private let end: End
  private let decompress: Decompress
  private let code: Code
  private let sentence: Sentence

  /// nil where the machine has none.
  static let shared = TurboJPEG(["libturbojpeg.so.0", "libturbojpeg.0.dylib", "/opt/homebrew/lib/libturbojpeg.0.dylib"])

  init?(_ names: [String]) {
    guard let library = names.lazy.compactMap({ dlopen($0, RTLD_NOW | RTLD_LOCAL) }).first,
      let start = dlsym(library, "tjInitDecompress"), let end = dlsym(library, "tjDestroy"),
      let decompress = dlsym(library, "tjDecompress2"), let code = dlsym(library, "tjGetErrorCode"),
      let sentence = dlsym(library, "tjGetErrorStr2")
    else { return nil }
    self.start = unsafeBitCast(start, to: Start.self)
    self.end = unsafeBitCast(end, to: End.self)
    self.decompress = unsafeBitCast(decompress, to: Decompress.self)
    self.code = unsafeBitCast(code, to: Code.self)
    self.sentence = unsafeBitCast(sentence, to: Sentence.self)
  }

  /// Refuses a file that goes over the picture more than 500 times, which takes forever.
  private static let limitScans: Int32 = 32768

  /// Fills `target` with `height` rows of `width` pixels. Discrete cosines and upsampling are exact, the default everywhere.
  func decompress(
    _ bytes: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer, width: Int, height: Int, _ format: Format
  ) -> Outcome {
    guard let handle = start() else { return .failed("libturbojpeg cannot start") }
    defer { _ = end(handle) }
    let last = UnsafeMutableRawBufferPointer(rebasing: target.suffix(width * format.channels))
    Self.mark(last)
    let result = decompress(
      handle, bytes.baseAddress!, UInt(bytes.count), target.baseAddress!, Int32(width), Int32(width * format.channels),
      Int32(height), format.rawValue, Self.limitScans)
    if result == 0 { return .whole }
    let why = sentence(handle).map { String(cString: $0) } ?? "no reason is given"
    // After a warning the library calls an error a warning too; but after an error the last row is unwritten.
    return code(handle) == 0 && !Self.isMarked(last) ? .warned(why) : .failed(why)
  }

  /// Bytes that no picture has.
  private static func mark(_ row: UnsafeMutableRawBufferPointer) {
    for i in row.indices { row[i] = UInt8(truncatingIfNeeded: i &* i &* 167 &+ 91) }
  }

  private static func isMarked(_ row: UnsafeMutableRawBufferPointer) -> Bool {
    row.indices.allSatisfy { row[$0] == UInt8(truncatingIfNeeded: $0 &* $0 &* 167 &+ 91) }
  }
}
