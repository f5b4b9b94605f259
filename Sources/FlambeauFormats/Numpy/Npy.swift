import Flambeau

/// Files of one array, `.npy`.
public enum Npy {
  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  /// Maps the file at `path`: versions 1 to 3, either order of dimensions, either order of bytes. Like numpy, it passes over what
  /// follows the array. The array's name is empty.
  static func read(_ path: String) throws(FormatError) -> StoredArray {
    try read(MappedFile.bytes(of: path), file: path)
  }

  /// Reads a file that is in memory; errors call it `file`.
  static func read(_ bytes: StoredBytes, file: String) throws(FormatError) -> StoredArray {
    try read(bytes, name: "", file: file, within: nil)
  }

  static func read(_ bytes: StoredBytes, name: String, file: String, within: String?) throws(FormatError) -> StoredArray {
    let prefix = within.map { "\($0), " } ?? ""
    func failure(_ what: String) -> FormatError { FormatError(file: file, what: what, where: within) }
    let (header, start) = try bytes.withUnsafeBytes { (bytes) throws(FormatError) -> (NpyHeader, Int) in
      guard bytes.count >= 10, bytes.starts(with: magic) else { throw failure("is not an .npy file") }
      guard (1...3).contains(bytes[6]), bytes[7] == 0 else {
        throw failure("is of .npy version \(bytes[6]).\(bytes[7]), which is not known")
      }
      let lead = bytes[6] == 1 ? 10 : 12
      guard bytes.count >= lead else { throw failure("ends within its header") }
      let length = (8..<lead).reversed().reduce(0) { $0 << 8 | Int(bytes[$1]) }
      guard length <= NpyHeader.longest else {
        throw failure("claims a header of \(length) bytes; \(NpyHeader.longest) are allowed")
      }
      guard length <= bytes.count - lead else { throw failure("ends within its header") }
      do throws(NpyHeader.Failure) {
        return (try NpyHeader(UnsafeRawBufferPointer(rebasing: bytes[lead..<lead + length])), lead + length)
      } catch {
        throw FormatError(file: file, what: error.what, where: "\(prefix)byte \(error.position) of the header")
      }
    }
    guard let count = StoredArray.byteCount(header.dtype, header.shape) else { throw failure("the shape is too large") }
    guard count <= bytes.count - start else {
      throw failure("\(header.dtype) of shape \(header.shape) takes \(count) bytes, but \(bytes.count - start) are there")
    }
    let elements = bytes.slice(start..<start + count)
    guard let native = header.isBigEndian ? elements.swapped(elementByteCount: header.dtype.byteCount) : elements else {
      throw failure("takes \(count) bytes, more than this machine has")
    }
    return StoredArray(
      name: name, dtype: header.dtype, shape: header.shape, bytes: native, isFortranOrder: header.isFortranOrder)
  }

  /// Writes `array` to `path` with the bytes that numpy writes: either the whole file or none. numpy has no bfloat16.
  static func write(_ array: StoredArray, to path: String) throws(FormatError) {
    let header = try header(of: array, file: path)
    try AtomicFile.write(path) { (file) throws(FormatError) in
      try file.write(header)
      try file.write(array.bytes)
    }
  }

  static func header(of array: StoredArray, file: String) throws(FormatError) -> [UInt8] {
    func failure(_ what: String) -> FormatError {
      FormatError(file: file, what: what, where: array.name.isEmpty ? nil : "array '\(array.name)'")
    }
    guard array.dtype != .bfloat16 else { throw failure("numpy has no bfloat16, so it cannot be written") }
    guard let text = NpyHeader.text(of: array) else {
      throw failure("has \(array.shape.count) dimensions, too many for a header that numpy reads")
    }
    return text
  }
}
