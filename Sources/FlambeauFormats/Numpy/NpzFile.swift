import Flambeau

/// The arrays of a zip file of `.npy` members, as `numpy.load` reads and `numpy.savez` and `savez_compressed` write.
struct NpzFile: Sendable {
  /// The members whose names end in `.npy`, without that ending, in the file's order.
  let names: [String]
  private let members: [[UInt8]: ZipReader.Member]
  private let zip: ZipReader
  private let file: String

  private static let ending = ".npy"

  /// Maps the file at `path` and reads its table of contents.
  init(_ path: String) throws(FormatError) {
    try self.init(MappedFile.bytes(of: path), file: path)
  }

  /// Reads a file that is in memory; errors call it `file`.
  init(_ bytes: StoredBytes, file: String) throws(FormatError) {
    try self.init(ZipReader(bytes, file: file), file: file)
  }

  /// Whether `zip` holds an array.
  static func isHeld(in zip: ZipReader) -> Bool { zip.members.contains { $0.name.hasSuffix(ending) } }

  init(_ zip: ZipReader, file: String) throws(FormatError) {
    self.zip = zip
    self.file = file
    var names: [String] = []
    var members: [[UInt8]: ZipReader.Member] = [:]
    for member in zip.members where member.name.hasSuffix(Self.ending) {
      let name = String(member.name.dropLast(Self.ending.count))
      guard members.updateValue(member, forKey: Array(name.utf8)) == nil else {
        throw FormatError(file: file, what: "appears twice", where: "member '\(member.name)'")
      }
      names.append(name)
    }
    self.names = names
    self.members = members
  }

  /// Reads the array called `name`, checking its checksum; nothing of an uncompressed one is copied. nil if there is none.
  func array(named name: String) throws(FormatError) -> StoredArray? {
    guard let member = members[Array(name.utf8)] else { return nil }
    return try Npy.read(zip.read(member), name: name, file: file, within: "member '\(member.name)'")
  }

  /// Writes `arrays` to `path`, by default uncompressed: either the whole file or none.
  static func write(
    _ arrays: [StoredArray], compressed: Bool = false, to path: String
  ) throws(FormatError) {
    try write(arrays, compressed: compressed, to: path, zip64From: ZipWriter.largestShort)
  }

  static func write(
    _ arrays: [StoredArray], compressed: Bool, to path: String, zip64From limit: UInt64
  ) throws(FormatError) {
    if compressed, Zlib.shared == nil {
      throw FormatError(file: path, what: "cannot be compressed: this machine has no zlib")
    }
    try AtomicFile.write(path) { (file) throws(FormatError) in
      var zip = ZipWriter(limit: limit)
      var names: Set<[UInt8]> = []
      for array in arrays {
        func failure(_ what: String) -> FormatError { FormatError(file: path, what: what, where: "array '\(array.name)'") }
        guard names.insert(Array(array.name.utf8)).inserted else { throw failure("two arrays have this name") }
        guard array.name.utf8.count < 0xFF00 else { throw failure("the name is too long") }
        let parts = [StoredBytes(try Npy.header(of: array, file: path)), array.bytes]
        let deflated = compressed ? Zlib.shared?.deflate(parts) : nil
        if compressed, deflated == nil { throw failure("zlib failed") }
        try zip.add(array.name + ending, parts, deflated: deflated, to: &file)
      }
      try zip.finish(&file)
    }
  }
}
