import Flambeau

/// The JSON at the start of a safetensors file.
struct SafetensorsHeader {
  struct Entry {
    let name: String
    let dtype: DType
    let shape: [Int]
    /// Within the data, which follow the header.
    let start: Int
    let end: Int
  }

  /// In the order of their data.
  var entries: [Entry] = []
  var metadata: [String: String] = [:]

  /// The format's names. The order is the one in which the official writer lays out data, last first.
  static let dtypes: [(name: String, dtype: DType)] = [
    ("BOOL", .bool), ("U8", .uint8), ("I8", .int8), ("I16", .int16), ("F16", .float16), ("BF16", .bfloat16), ("I32", .int32),
    ("F32", .float32), ("F64", .float64), ("I64", .int64),
  ]

  static let metadataKey = "__metadata__"

  /// Reads `text` and checks what does not depend on the rest of the file: offsets that leave no hole and fit shapes.
  init(_ text: UnsafeRawBufferPointer, file: String) throws(FormatError) {
    var reader = JSONReader(text)
    do throws(JSONReader.Failure) {
      try read(&reader)
    } catch {
      throw FormatError(file: file, what: error.what, where: "byte \(error.position) of the header")
    }
    entries.sort { ($0.start, $0.end) < ($1.start, $1.end) }
    var end = 0
    for entry in entries {
      func failure(_ what: String) -> FormatError { FormatError(file: file, what: what, where: "tensor '\(entry.name)'") }
      guard entry.start <= entry.end else { throw failure("its data_offsets are not a start and an end") }
      guard entry.start == end else { throw failure("the data start at \(entry.start), but those before end at \(end)") }
      guard let count = StoredArray.byteCount(entry.dtype, entry.shape) else { throw failure("the shape is too large") }
      guard count == entry.end - entry.start else {
        throw failure("\(entry.dtype) of shape \(entry.shape) takes \(count) bytes, not \(entry.end - entry.start)")
      }
      end = entry.end
    }
  }

  /// The official implementation collects tensors and metadata into maps, so of two equal names the last counts; the
  /// fields of a tensor, and the metadata as a whole, it takes once.
  private mutating func read(_ reader: inout JSONReader) throws(JSONReader.Failure) {
    // Names are compared as bytes: Swift's strings are equal when they only look alike.
    var positions: [[UInt8]: Int] = [:]
    var entries: [Entry] = []
    var metadata: [String: String]?
    try reader.object { (reader, name) throws(JSONReader.Failure) in
      if name == Self.metadataKey {
        guard metadata == nil else { throw reader.failure("'\(name)' appears twice") }
        metadata = try Self.metadata(&reader)
        return
      }
      let entry = try Self.entry(name, &reader)
      if let position = positions[Array(name.utf8)] {
        entries[position] = entry
      } else {
        positions[Array(name.utf8)] = entries.count
        entries.append(entry)
      }
    }
    try reader.expectEnd()
    self.entries = entries
    self.metadata = metadata ?? [:]
  }

  private static func metadata(_ reader: inout JSONReader) throws(JSONReader.Failure) -> [String: String] {
    if reader.take(word: "null") { return [:] }
    var metadata: [String: String] = [:]
    try reader.object { (reader, key) throws(JSONReader.Failure) in metadata[key] = try reader.string() }
    return metadata
  }

  private static func entry(_ name: String, _ reader: inout JSONReader) throws(JSONReader.Failure) -> Entry {
    var dtype: DType?
    var shape: [Int]?
    var offsets: [Int]?
    try reader.object { (reader, key) throws(JSONReader.Failure) in
      let isSecond =
        switch key {
        case "dtype": dtype != nil
        case "shape": shape != nil
        case "data_offsets": offsets != nil
        default: false
        }
      if isSecond { throw reader.failure("'\(key)' of '\(name)' appears twice") }
      switch key {
      case "dtype":
        let word = try reader.string()
        guard let found = dtypes.first(where: { $0.name == word }) else {
          throw reader.failure("tensor '\(name)' is of dtype \(word), which is not supported")
        }
        dtype = found.dtype
      case "shape": shape = try counts(&reader)
      case "data_offsets": offsets = try counts(&reader)
      default: try reader.skipValue()
      }
    }
    guard let dtype, let shape, let offsets else {
      throw reader.failure("tensor '\(name)' lacks one of dtype, shape and data_offsets")
    }
    guard offsets.count == 2 else { throw reader.failure("the data_offsets of '\(name)' are not a start and an end") }
    return Entry(name: name, dtype: dtype, shape: shape, start: offsets[0], end: offsets[1])
  }

  private static func counts(_ reader: inout JSONReader) throws(JSONReader.Failure) -> [Int] {
    var counts: [Int] = []
    try reader.array { (reader) throws(JSONReader.Failure) in counts.append(try reader.count()) }
    return counts
  }
}

extension SafetensorsHeader {
  /// Lays out `arrays` as the official writer does: larger alignment first, then by name.
  init(of arrays: [StoredArray], metadata: [String: String]) {
    var end = 0
    entries = arrays.map { array in
      defer { end += array.bytes.count }
      return Entry(name: array.name, dtype: array.dtype, shape: array.shape, start: end, end: end + array.bytes.count)
    }
    self.metadata = metadata
  }

  static func rank(_ dtype: DType) -> Int { dtypes.firstIndex { $0.dtype == dtype }! }

  /// The header's bytes, filled with spaces to a multiple of eight.
  var text: [UInt8] {
    var fields = entries.map { entry in
      let shape = entry.shape.map(String.init).joined(separator: ",")
      let name = Self.dtypes[Self.rank(entry.dtype)].name
      return "\(JSONText.quoted(entry.name)):{\"dtype\":\"\(name)\",\"shape\":[\(shape)],"
        + "\"data_offsets\":[\(entry.start),\(entry.end)]}"
    }
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key < $1.key }.map { "\(JSONText.quoted($0.key)):\(JSONText.quoted($0.value))" }
      fields.insert("\"\(Self.metadataKey)\":{\(pairs.joined(separator: ","))}", at: 0)
    }
    var bytes = Array("{\(fields.joined(separator: ","))}".utf8)
    while bytes.count % 8 != 0 { bytes.append(0x20) }
    return bytes
  }
}
