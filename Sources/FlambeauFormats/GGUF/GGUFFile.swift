import Flambeau

/// A file of llama.cpp's, `.gguf`, version 2 or 3: tensors, many of them packed in blocks, and what to know about the model.
///
/// Sizes are turned round: GGUF names the innermost dimension first.
struct GGUFFile {
  static let magic: [UInt8] = Array("GGUF".utf8)

  private(set) var entries: [Checkpoint.Entry] = []
  /// The model's facts as text; of long arrays the first elements.
  private(set) var texts: [String: String] = [:]

  private static let alignmentKey = "general.alignment"

  init(_ bytes: StoredBytes, file: String) throws(FormatError) {
    let (infos, texts, start) = try bytes.withUnsafeBytes { (raw) throws(FormatError) in
      do throws(GGUFReader.Failure) {
        return try Self.header(raw)
      } catch {
        throw FormatError(file: file, what: error.what, where: "byte \(error.position)")
      }
    }
    self.texts = texts
    var ranges: [(range: Range<Int>, name: String)] = []
    for info in infos {
      let (from, overflow) = start.addingReportingOverflow(info.offset)
      guard !overflow, from <= bytes.count, info.byteCount <= bytes.count - from else {
        throw FormatError(file: file, what: "does not lie within the file", where: "tensor '\(info.name)'")
      }
      let range = from..<from + info.byteCount
      if !range.isEmpty { ranges.append((range, info.name)) }
      entries.append(Self.entry(info, bytes.slice(range), file))
    }
    ranges.sort { $0.range.lowerBound < $1.range.lowerBound }
    for (a, b) in zip(ranges, ranges.dropFirst()) where a.range.upperBound > b.range.lowerBound {
      throw FormatError(file: file, what: "overlaps '\(b.name)'", where: "tensor '\(a.name)'")
    }
  }

  private struct Info {
    let name: String
    let shape: [Int]
    let packing: GGUFPacking
    let offset: Int
    let byteCount: Int
  }

  private static func header(
    _ bytes: UnsafeRawBufferPointer
  ) throws(GGUFReader.Failure) -> (infos: [Info], texts: [String: String], start: Int) {
    var reader = GGUFReader(bytes)
    _ = try reader.take(4)
    let version = try reader.number(UInt32.self)
    guard version.byteSwapped > 16 || version == 0 else { throw reader.failure("is a big-endian GGUF file, which is not read") }
    guard version == 2 || version == 3 else { throw reader.failure("is of GGUF version \(version); 2 and 3 are read") }
    let tensorCount = try reader.number(UInt64.self)
    let factCount = try reader.number(UInt64.self)
    var texts: [String: String] = [:]
    var fact: UInt64 = 0
    while fact < factCount {
      let key = try reader.string()
      texts[key] = try reader.fact()
      fact += 1
    }
    let alignment = texts[alignmentKey].map { Int($0) ?? 0 } ?? 32
    guard alignment > 0, alignment <= 1 << 20 else { throw reader.failure("'\(alignmentKey)' is no alignment") }
    var infos: [Info] = []
    var tensor: UInt64 = 0
    while tensor < tensorCount {
      infos.append(try info(&reader))
      tensor += 1
    }
    let start = (reader.position + alignment - 1) / alignment * alignment
    return (infos, texts, start)
  }

  private static func info(_ reader: inout GGUFReader) throws(GGUFReader.Failure) -> Info {
    let name = try reader.string()
    let rank = try reader.number(UInt32.self)
    guard rank <= 8 else { throw reader.failure("tensor '\(name)' claims \(rank) dimensions") }
    var shape: [Int] = []
    for _ in 0..<rank { shape.insert(try reader.count(), at: 0) }
    let code = try reader.number(UInt32.self)
    guard let packing = GGUFPacking.all.first(where: { $0.code == code }) else {
      throw reader.failure("tensor '\(name)' is of type \(code), which is not known")
    }
    guard StoredArray.byteCount(.float64, shape) != nil else { throw reader.failure("tensor '\(name)' is too large") }
    guard (shape.last ?? 1) % packing.elements == 0 else {
      throw reader.failure("the rows of tensor '\(name)' are no whole blocks of \(packing.name)")
    }
    let offset = try reader.count()
    // No packing takes more than the eight bytes an element that were held to fit.
    let blocks = shape.reduce(1, *) / packing.elements
    return Info(name: name, shape: shape, packing: packing, offset: offset, byteCount: blocks * packing.byteCount)
  }

  private static func entry(_ info: Info, _ bytes: StoredBytes, _ file: String) -> Checkpoint.Entry {
    let dtype = info.packing.dtype
    let isPacked = info.packing.elements > 1
    return Checkpoint.Entry(
      name: info.name, shape: info.shape, dtype: dtype, packing: isPacked ? info.packing.name : nil, storedByteCount: bytes.count
    ) { () throws(FormatError) in
      var elements = bytes
      if isPacked {
        guard let unpack = info.packing.unpack else {
          throw FormatError(
            file: file, what: "is packed as \(info.packing.name), which is not read", where: "tensor '\(info.name)'")
        }
        let count = bytes.count / info.packing.byteCount * info.packing.elements
        let unpacked = StoredBytes(count: count * dtype.byteCount) { target in
          bytes.withUnsafeBytes { unpack($0, target.bindMemory(to: Float.self)) }
        }
        guard let unpacked else {
          throw FormatError(file: file, what: "takes more memory than this machine has", where: "tensor '\(info.name)'")
        }
        elements = unpacked
      }
      return try StoredArray(name: info.name, dtype: dtype, shape: info.shape, bytes: elements).tensor(file: file)
    }
  }
}

/// Reads the header of a GGUF file.
struct GGUFReader {
  struct Failure: Error {
    let what: String
    let position: Int
  }

  private let bytes: UnsafeRawBufferPointer
  private(set) var position = 0
  private static let deepest = 4
  private static let shown = 8

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  func failure(_ what: String) -> Failure { Failure(what: what, position: position) }

  mutating func take(_ count: Int) throws(Failure) -> Int {
    guard count >= 0, count <= bytes.count - position else { throw failure("claims \(count) bytes, more than follow") }
    defer { position += count }
    return position
  }

  mutating func number<T: BitwiseCopyable & FixedWidthInteger>(_ type: T.Type) throws(Failure) -> T {
    T(littleEndian: bytes.loadUnaligned(fromByteOffset: try take(MemoryLayout<T>.size), as: type))
  }

  mutating func count() throws(Failure) -> Int {
    let value = try number(UInt64.self)
    guard let count = Int(exactly: value) else { throw failure("claims a count of \(value)") }
    return count
  }

  mutating func string() throws(Failure) -> String {
    let count = try count()
    let at = try take(count)
    guard let text = String(validating: bytes[at..<at + count], as: UTF8.self) else { throw failure("a string is not UTF-8") }
    return text
  }

  /// A value after its type, as text.
  mutating func fact() throws(Failure) -> String { try fact(try number(UInt32.self), depth: 0) }

  private mutating func fact(_ type: UInt32, depth: Int) throws(Failure) -> String {
    switch type {
    case 0: "\(try number(UInt8.self))"
    case 1: "\(try number(Int8.self))"
    case 2: "\(try number(UInt16.self))"
    case 3: "\(try number(Int16.self))"
    case 4: "\(try number(UInt32.self))"
    case 5: "\(try number(Int32.self))"
    case 6: "\(Float(bitPattern: try number(UInt32.self)))"
    case 7: try number(UInt8.self) == 0 ? "false" : "true"
    case 8: try string()
    case 9: try array(depth: depth)
    case 10: "\(try number(UInt64.self))"
    case 11: "\(try number(Int64.self))"
    case 12: "\(Double(bitPattern: try number(UInt64.self)))"
    default: throw failure("a value is of type \(type), which is not known")
    }
  }

  private mutating func array(depth: Int) throws(Failure) -> String {
    guard depth < Self.deepest else { throw failure("the nesting is too deep") }
    let type = try number(UInt32.self)
    let count = try count()
    var shown: [String] = []
    var index = 0
    while index < count {
      let text = try fact(type, depth: depth + 1)
      if index < Self.shown { shown.append(text) }
      index += 1
    }
    return "[\(shown.joined(separator: ", "))\(count > Self.shown ? ", … \(count) in all" : "")]"
  }
}
