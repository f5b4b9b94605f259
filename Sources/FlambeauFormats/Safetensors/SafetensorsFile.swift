import Flambeau

/// The arrays of a safetensors file, as `safetensors.torch.load_file` reads and `save_file` writes them.
///
/// Reading maps the file: a tensor's bytes are read from the disk when they are touched.
struct SafetensorsFile: Sendable {
  /// In the order of their data.
  let arrays: [StoredArray]
  /// What the writer said about the file, such as `["format": "pt"]`.
  let metadata: [String: String]
  private let positions: [[UInt8]: Int]

  private static let longestHeader = 100_000_000

  /// Maps the file at `path` and checks its header as strictly as the official implementation.
  init(_ path: String) throws(FormatError) {
    try self.init(MappedFile.bytes(of: path), file: path)
  }

  /// Reads a file that is in memory; errors call it `file`.
  init(_ bytes: StoredBytes, file: String) throws(FormatError) {
    let (header, start) = try bytes.withUnsafeBytes { (bytes) throws(FormatError) in try Self.header(bytes, file) }
    arrays = header.entries.map { entry in
      let range = entry.start + start..<entry.end + start
      return StoredArray(name: entry.name, dtype: entry.dtype, shape: entry.shape, bytes: bytes.slice(range))
    }
    metadata = header.metadata
    positions = Dictionary(uniqueKeysWithValues: arrays.indices.map { [arrays] in (Array(arrays[$0].name.utf8), $0) })
  }

  private static func header(
    _ bytes: UnsafeRawBufferPointer, _ file: String
  ) throws(FormatError) -> (SafetensorsHeader, Int) {
    guard bytes.count >= 8 else { throw FormatError(file: file, what: "is too short for a safetensors file") }
    let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    guard length <= longestHeader else {
      throw FormatError(file: file, what: "claims a header of \(length) bytes; the format allows \(longestHeader)")
    }
    let start = 8 + Int(length)
    guard start <= bytes.count else {
      throw FormatError(file: file, what: "claims a header of \(length) bytes, but holds \(bytes.count) in all")
    }
    let header = try SafetensorsHeader(UnsafeRawBufferPointer(rebasing: bytes[8..<start]), file: file)
    let end = header.entries.last?.end ?? 0
    guard end == bytes.count - start else {
      throw FormatError(file: file, what: "holds \(bytes.count - start) bytes of data where its header describes \(end)")
    }
    return (header, start)
  }

  subscript(name: String) -> StoredArray? { positions[Array(name.utf8)].map { arrays[$0] } }

  /// Writes `arrays` to `path`: the same bytes for the same arrays in any order, and either the whole file or none.
  static func write(
    _ arrays: [StoredArray], metadata: [String: String] = [:], to path: String
  ) throws(FormatError) {
    var names: Set<[UInt8]> = []
    for array in arrays {
      func failure(_ what: String) -> FormatError { FormatError(file: path, what: what, where: "tensor '\(array.name)'") }
      if !names.insert(Array(array.name.utf8)).inserted { throw failure("two tensors have this name") }
      if array.name == SafetensorsHeader.metadataKey { throw failure("the format keeps this name for itself") }
    }
    let ordered = arrays.map { (rank: SafetensorsHeader.rank($0.dtype), array: $0) }.sorted { a, b in
      a.rank != b.rank ? a.rank > b.rank : a.array.name.utf8.lexicographicallyPrecedes(b.array.name.utf8)
    }.map { $0.array.rowMajor() }
    let text = SafetensorsHeader(of: ordered, metadata: metadata).text
    guard text.count <= longestHeader else {
      throw FormatError(file: path, what: "its header would take \(text.count) bytes; the format allows \(longestHeader)")
    }
    try AtomicFile.write(path) { (file) throws(FormatError) in
      try file.write(withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) })
      try file.write(text)
      for array in ordered { try file.write(array.bytes) }
    }
  }
}
