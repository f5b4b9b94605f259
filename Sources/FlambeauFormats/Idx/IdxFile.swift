import Flambeau

/// Reading idx, the format of MNIST's files.
///
/// Two zero bytes, the element type, the number of dimensions, their sizes and then the elements, all big-endian.
public enum IdxFile {
  /// The array in the file at `path`; a file compressed by gzip is inflated.
  public static func load(_ path: String) throws(FormatError) -> Tensor {
    try read(MappedFile.bytes(of: path), file: path).tensor(file: path)
  }

  static func read(_ bytes: StoredBytes, file: String) throws(FormatError) -> StoredArray {
    let source = IdxSource(bytes, file: file)
    let header = try IdxHeader(source.prefix(IdxHeader.largestByteCount), file: file)
    let elements = try source.bytes(from: header.byteCount, count: header.elementByteCount)
    guard let native = elements.swapped(elementByteCount: header.dtype.byteCount) else {
      throw FormatError(file: file, what: "takes \(elements.count) bytes, more than this machine has")
    }
    return StoredArray(name: "", dtype: header.dtype, shape: header.shape, bytes: native)
  }
}

/// What stands before the elements.
struct IdxHeader {
  /// Two zeros, type, rank and as many sizes as a byte counts.
  static let largestByteCount = 4 + 255 * 4
  private static let dtypes: [UInt8: DType] = [
    0x08: .uint8, 0x09: .int8, 0x0B: .int16, 0x0C: .int32, 0x0D: .float32, 0x0E: .float64,
  ]

  let dtype: DType
  let shape: [Int]
  let elementByteCount: Int
  var byteCount: Int { 4 + 4 * shape.count }

  /// `bytes` are the file's first ones.
  init(_ bytes: [UInt8], file: String) throws(FormatError) {
    guard bytes.count >= 4 else { throw FormatError(file: file, what: "ends within the header of an idx file") }
    guard bytes[0] == 0, bytes[1] == 0, let dtype = Self.dtypes[bytes[2]] else {
      throw FormatError(file: file, what: "is not an idx file: it begins with \(Self.hex(bytes.prefix(4)))")
    }
    let rank = Int(bytes[3])
    guard bytes.count >= 4 + 4 * rank else { throw FormatError(file: file, what: "ends within the header of an idx file") }
    let shape = (0..<rank).map { axis in
      bytes[4 + 4 * axis..<8 + 4 * axis].reduce(0) { $0 << 8 | Int($1) }
    }
    guard let count = StoredArray.byteCount(dtype, shape) else {
      throw FormatError(file: file, what: "claims \(dtype) of shape \(shape), more than there can be")
    }
    self.dtype = dtype
    self.shape = shape
    elementByteCount = count
  }

  private static func hex(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
  }
}

/// The contents of a file that gzip may have compressed.
private struct IdxSource {
  private let bytes: StoredBytes
  private let file: String
  private let isCompressed: Bool

  init(_ bytes: StoredBytes, file: String) {
    self.bytes = bytes
    self.file = file
    isCompressed = bytes.withUnsafeBytes { $0.count >= 2 && $0[0] == 0x1F && $0[1] == 0x8B }
  }

  func prefix(_ count: Int) throws(FormatError) -> [UInt8] {
    guard isCompressed else { return bytes.withUnsafeBytes { Array($0.prefix(count)) } }
    return try inflating { (zlib, source) throws(Zlib.Failure) in try zlib.prefix(count, of: source, wrapping: .gzip) }
  }

  /// The `count` bytes from `start` on, with which the contents must end.
  func bytes(from start: Int, count: Int) throws(FormatError) -> StoredBytes {
    let (total, overflow) = start.addingReportingOverflow(count)
    guard isCompressed else {
      guard !overflow, total == bytes.count else {
        throw FormatError(file: file, what: "claims \(count) bytes of elements, but holds \(bytes.count - start)")
      }
      return bytes.slice(start..<total)
    }
    guard !overflow, total / Zlib.largestGrowth <= bytes.count else {
      throw FormatError(
        file: file, what: "claims \(count) bytes of elements, more than its \(bytes.count) compressed ones can hold")
    }
    let inflated = try inflating { (zlib, source) throws(Zlib.Failure) in
      try StoredBytes(count: total) { (target) throws(Zlib.Failure) in
        try zlib.inflate(source, into: target, wrapping: .gzip)
      }
    }
    guard let inflated else { throw FormatError(file: file, what: "takes \(total) bytes, more than this machine has") }
    return inflated.slice(start..<total)
  }

  private func inflating<R>(
    _ body: (Zlib, UnsafeRawBufferPointer) throws(Zlib.Failure) -> R
  ) throws(FormatError) -> R {
    guard let zlib = Zlib.shared else {
      throw FormatError(file: file, what: "is compressed, and this machine has no zlib")
    }
    do throws(Zlib.Failure) {
      return try bytes.withUnsafeBytes { (source) throws(Zlib.Failure) in try body(zlib, source) }
    } catch {
      throw FormatError(file: file, what: error.what)
    }
  }
}
