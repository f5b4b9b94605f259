#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The system's zlib, opened when first needed.
struct Zlib: Sendable {
  /// Why the bytes could not be inflated.
  struct Failure: Error {
    let what: String
  }

  /// zlib's `z_stream`.
  private struct Stream {
    var input: UnsafeRawPointer?
    var inputCount: UInt32 = 0
    var totalInput: UInt = 0
    var output: UnsafeMutableRawPointer?
    var outputCount: UInt32 = 0
    var totalOutput: UInt = 0
    var message: UnsafePointer<CChar>?
    var state: UnsafeMutableRawPointer?
    var allocate: UnsafeRawPointer?
    var free: UnsafeRawPointer?
    var opaque: UnsafeRawPointer?
    var dataType: Int32 = 0
    var adler: UInt = 0
    var reserved: UInt = 0
  }

  private typealias Step = @convention(c) @Sendable (UnsafeMutableRawPointer, Int32) -> Int32
  private typealias End = @convention(c) @Sendable (UnsafeMutableRawPointer) -> Int32
  private typealias InflateInit = @convention(c) @Sendable (UnsafeMutableRawPointer, Int32, UnsafePointer<CChar>, Int32) -> Int32
  private typealias DeflateInit =
    @convention(c) @Sendable (UnsafeMutableRawPointer, Int32, Int32, Int32, Int32, Int32, UnsafePointer<CChar>, Int32) -> Int32

  private let inflateInit: InflateInit
  private let inflateStep: Step
  private let inflateEnd: End
  private let deflateInit: DeflateInit
  private let deflateStep: Step
  private let deflateEnd: End

  /// nil where the machine has none.
  static let shared = Zlib()

  private init?() {
    #if canImport(Glibc)
      let name = "libz.so.1"
    #else
      let name = "libz.1.dylib"
    #endif
    guard let library = dlopen(name, RTLD_NOW | RTLD_LOCAL) else { return nil }
    guard let inflateInit = dlsym(library, "inflateInit2_"), let inflateStep = dlsym(library, "inflate"),
      let inflateEnd = dlsym(library, "inflateEnd"), let deflateInit = dlsym(library, "deflateInit2_"),
      let deflateStep = dlsym(library, "deflate"), let deflateEnd = dlsym(library, "deflateEnd")
    else { return nil }
    self.inflateInit = unsafeBitCast(inflateInit, to: InflateInit.self)
    self.inflateStep = unsafeBitCast(inflateStep, to: Step.self)
    self.inflateEnd = unsafeBitCast(inflateEnd, to: End.self)
    self.deflateInit = unsafeBitCast(deflateInit, to: DeflateInit.self)
    self.deflateStep = unsafeBitCast(deflateStep, to: Step.self)
    self.deflateEnd = unsafeBitCast(deflateEnd, to: End.self)
  }

  private static let finish: Int32 = 4
  private static let streamEnd: Int32 = 1
  private static let bufferError: Int32 = -5
  /// What surrounds deflated data, as zlib's window sizes tell it.
  enum Wrapping: Int32 {
    /// Nothing, as in zip files.
    case none = -15
    /// gzip's header, checksum and size.
    case gzip = 31
  }
  /// zlib counts in 32 bits.
  private static let piece = 1 << 30
  /// No deflate stream grows by more.
  static let largestGrowth = 1032

  /// Inflates `source` into all of `target`; a stream that gives less, gives more or ends early is refused.
  func inflate(
    _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer, wrapping: Wrapping = .none
  ) throws(Failure) {
    var stream = Stream()
    guard inflateInit(&stream, wrapping.rawValue, "1", Int32(MemoryLayout<Stream>.size)) == 0 else {
      throw Failure(what: "zlib cannot start")
    }
    defer { _ = inflateEnd(&stream) }
    // One byte of room beyond the claim tells a stream that ends there from one that goes on.
    var excess: UInt8 = 0
    var read = 0
    var written = 0
    while true {
      let input = min(Self.piece, source.count - read)
      let room = min(Self.piece, target.count - written)
      stream.input = source.baseAddress.map { $0 + read }
      stream.inputCount = UInt32(input)
      let code = withUnsafeMutablePointer(to: &excess) { excess in
        stream.output = room > 0 ? target.baseAddress! + written : UnsafeMutableRawPointer(excess)
        stream.outputCount = UInt32(max(room, 1))
        return inflateStep(&stream, 0)
      }
      let produced = max(room, 1) - Int(stream.outputCount)
      read += input - Int(stream.inputCount)
      written += produced
      if written > target.count { throw Failure(what: "the compressed data grow past the \(target.count) bytes claimed") }
      if code == Self.streamEnd { break }
      guard code == 0 || code == Self.bufferError else { throw Failure(what: "the compressed data are damaged") }
      if produced == 0, read == source.count { throw Failure(what: "the compressed data end early") }
    }
    guard written == target.count else {
      throw Failure(what: "the compressed data hold \(written) bytes where \(target.count) are claimed")
    }
    guard read == source.count else { throw Failure(what: "something follows the compressed data") }
  }

  /// The first `count` bytes that `source` inflates to, or all if they are fewer; what is behind them is not looked at.
  func prefix(_ count: Int, of source: UnsafeRawBufferPointer, wrapping: Wrapping) throws(Failure) -> [UInt8] {
    var stream = Stream()
    guard inflateInit(&stream, wrapping.rawValue, "1", Int32(MemoryLayout<Stream>.size)) == 0 else {
      throw Failure(what: "zlib cannot start")
    }
    defer { _ = inflateEnd(&stream) }
    stream.input = source.baseAddress
    stream.inputCount = UInt32(min(Self.piece, source.count))
    var isDamaged = false
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { target, produced in
      stream.output = UnsafeMutableRawPointer(target.baseAddress)
      stream.outputCount = UInt32(count)
      let code = inflateStep(&stream, 0)
      isDamaged = code != 0 && code != Self.streamEnd && code != Self.bufferError
      produced = count - Int(stream.outputCount)
    }
    if isDamaged { throw Failure(what: "the compressed data are damaged") }
    return bytes
  }

  /// The bytes of `parts`, one after another, deflated at zlib's default level; nil if zlib runs out of memory.
  func deflate(_ parts: [StoredBytes]) -> [UInt8]? {
    var stream = Stream()
    guard deflateInit(&stream, -1, 8, Wrapping.none.rawValue, 8, 0, "1", Int32(MemoryLayout<Stream>.size)) == 0 else {
      return nil
    }
    defer { _ = deflateEnd(&stream) }
    var result: [UInt8] = []
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
    defer { buffer.deallocate() }
    func feed(_ bytes: UnsafeRawBufferPointer, _ flush: Int32) -> Bool {
      stream.input = bytes.baseAddress
      stream.inputCount = UInt32(bytes.count)
      while true {
        stream.output = buffer.baseAddress
        stream.outputCount = UInt32(buffer.count)
        let code = deflateStep(&stream, flush)
        guard code >= 0 || code == Self.bufferError else { return false }
        result.append(contentsOf: buffer[..<(buffer.count - Int(stream.outputCount))])
        if code == Self.streamEnd || (flush == 0 && stream.inputCount == 0 && stream.outputCount > 0) { return true }
      }
    }
    for part in parts {
      let done = part.withUnsafeBytes { bytes in
        stride(from: 0, to: bytes.count, by: Self.piece).allSatisfy { start in
          feed(UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + Self.piece, bytes.count)]), 0)
        }
      }
      guard done else { return nil }
    }
    return feed(UnsafeRawBufferPointer(start: nil, count: 0), Self.finish) ? result : nil
  }
}
