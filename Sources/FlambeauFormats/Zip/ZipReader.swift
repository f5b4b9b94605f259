/// The table of contents of a zip file, with zip64's sizes.
struct ZipReader {
  struct Member {
    let name: String
    fileprivate let isDeflated: Bool
    fileprivate let checksum: UInt32
    let size: Int
    /// Where its bytes lie in the file.
    fileprivate let range: Range<Int>
  }

  let members: [Member]
  private let bytes: StoredBytes
  private let file: String

  init(_ bytes: StoredBytes, file: String) throws(FormatError) {
    self.bytes = bytes
    self.file = file
    members = try bytes.withUnsafeBytes { (bytes) throws(FormatError) in
      do throws(Failure) {
        return try Directory(bytes).members()
      } catch {
        throw FormatError(file: file, what: error.what, where: error.member.map { "member '\($0)'" })
      }
    }
  }

  private struct Failure: Error {
    let what: String
    var member: String?
  }

  /// A member's bytes, inflated if need be.
  ///
  /// - Parameter checked: Whether the checksum must agree, which reads all of a stored member; a deflated one's always must.
  func read(_ member: Member, checked: Bool = true) throws(FormatError) -> StoredBytes {
    func failure(_ what: String) -> FormatError { FormatError(file: file, what: what, where: "member '\(member.name)'") }
    var result = bytes.slice(member.range)
    guard checked || member.isDeflated else { return result }
    if member.isDeflated {
      guard let zlib = Zlib.shared else { throw failure("is compressed, and this machine has no zlib") }
      guard member.size / Zlib.largestGrowth <= member.range.count else {
        throw failure("claims \(member.size) bytes, more than its \(member.range.count) compressed ones can hold")
      }
      var inflated: StoredBytes?
      do throws(Zlib.Failure) {
        inflated = try StoredBytes(count: member.size) { (target) throws(Zlib.Failure) in
          try result.withUnsafeBytes { (source) throws(Zlib.Failure) in try zlib.inflate(source, into: target) }
        }
      } catch {
        throw failure(error.what)
      }
      guard let inflated else { throw failure("takes \(member.size) bytes, more than this machine has") }
      result = inflated
    }
    var checksum = CRC32()
    checksum.update(result)
    guard checksum.value == member.checksum else { throw failure("the checksum does not agree with the data") }
    return result
  }

  /// Holds every member against its checksum.
  func verify() throws(FormatError) {
    for member in members { _ = try read(member) }
  }

  /// Reads the central directory, which alone tells what is in the file.
  private struct Directory {
    let bytes: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// The little-endian number at `offset`, which the caller has checked to be there.
    private func load<T: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(_ offset: Int, _ type: T.Type) -> T {
      T(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: type))
    }

    private func holds(_ offset: Int, _ count: Int, before end: Int) -> Bool {
      offset >= 0 && count >= 0 && offset <= end && count <= end - offset
    }

    private func signed(_ offset: Int, _ mark: UInt32, _ count: Int, before end: Int) -> Bool {
      holds(offset, count, before: end) && load(offset, UInt32.self) == mark
    }

    func members() throws(Failure) -> [Member] {
      let (start, end, count) = try extent()
      guard count <= (end - start) / 46 else { throw Failure(what: "claims \(count) members, more than its directory holds") }
      var found: [(offset: Int, member: Member)] = []
      var position = start
      for _ in 0..<count {
        guard signed(position, 0x0201_4B50, 46, before: end) else { throw Failure(what: "the zip directory is damaged") }
        let nameCount = Int(load(position + 28, UInt16.self))
        let extraCount = Int(load(position + 30, UInt16.self))
        let length = 46 + nameCount + extraCount + Int(load(position + 32, UInt16.self))
        guard holds(position, length, before: end) else { throw Failure(what: "the zip directory is damaged") }
        found.append(try member(at: position, nameCount, extraCount, before: start))
        position += length
      }
      guard position == end else { throw Failure(what: "the zip directory is damaged") }
      try refuseOverlap(found.sorted { $0.offset < $1.offset })
      return found.map(\.member)
    }

    /// Members that share bytes are how a small file claims to hold much.
    private func refuseOverlap(_ found: [(offset: Int, member: Member)]) throws(Failure) {
      for (a, b) in zip(found, found.dropFirst()) where a.member.range.upperBound > b.offset {
        throw Failure(what: "overlaps '\(b.member.name)'", member: a.member.name)
      }
    }

    /// Where the directory starts and ends, and how many members it lists.
    private func extent() throws(Failure) -> (start: Int, end: Int, count: Int) {
      let last = bytes.count - 22
      // The record is followed by a comment of up to 65,535 bytes, whose length it states.
      let candidates = stride(from: last, through: max(last - 0xFFFF, 0), by: -1)
      let found = candidates.first { position in
        signed(position, 0x0605_4B50, 22, before: bytes.count) && Int(load(position + 20, UInt16.self)) == last - position
      }
      guard let record = found else { throw Failure(what: "is not a zip file, or is cut off") }
      var end = record
      var disks = [UInt64(load(record + 4, UInt16.self)), UInt64(load(record + 6, UInt16.self))]
      var counts = [UInt64(load(record + 8, UInt16.self)), UInt64(load(record + 10, UInt16.self))]
      var size = UInt64(load(record + 12, UInt32.self))
      var start = UInt64(load(record + 16, UInt32.self))
      let locator = record - 20
      if signed(locator, 0x0706_4B50, 20, before: record) {
        let large = Int(exactly: load(locator + 8, UInt64.self)) ?? -1
        guard signed(large, 0x0606_4B50, 56, before: locator) else { throw Failure(what: "the zip64 record is damaged") }
        end = large
        disks = [UInt64(load(large + 16, UInt32.self)), UInt64(load(large + 20, UInt32.self))]
        counts = [load(large + 24, UInt64.self), load(large + 32, UInt64.self)]
        size = load(large + 40, UInt64.self)
        start = load(large + 48, UInt64.self)
      }
      guard disks == [0, 0], counts[0] == counts[1] else { throw Failure(what: "is one part of several") }
      guard let from = Int(exactly: start), let length = Int(exactly: size), let count = Int(exactly: counts[0]),
        holds(from, length, before: end), from + length == end
      else { throw Failure(what: "the zip directory does not lie where the file says") }
      return (from, end, count)
    }

    private func member(
      at entry: Int, _ nameCount: Int, _ extraCount: Int, before directory: Int
    ) throws(Failure) -> (Int, Member) {
      let rawName = bytes[entry + 46..<entry + 46 + nameCount]
      guard let name = String(validating: rawName, as: UTF8.self) else { throw Failure(what: "a member's name is not UTF-8") }
      func failure(_ what: String) -> Failure { Failure(what: what, member: name) }
      let leavesFolder = name.split(separator: "/", omittingEmptySubsequences: false).contains("..")
      guard !leavesFolder, !name.hasPrefix("/"), !rawName.contains(0) else { throw failure("its name leads out of the archive") }
      let method = load(entry + 10, UInt16.self)
      guard load(entry + 8, UInt16.self) & 1 == 0 else { throw failure("is encrypted") }
      guard method == 0 || method == 8 else { throw failure("is packed by method \(method); stored and deflated are read") }

      var sizes = [load(entry + 24, UInt32.self), load(entry + 20, UInt32.self), load(entry + 42, UInt32.self)].map(UInt64.init)
      var extra = entry + 46 + nameCount
      let extraEnd = extra + extraCount
      while holds(extra, 4, before: extraEnd) {
        let count = Int(load(extra + 2, UInt16.self))
        guard holds(extra + 4, count, before: extraEnd) else { throw failure("its extra fields are damaged") }
        if load(extra, UInt16.self) == 1 {
          var field = extra + 4
          for index in sizes.indices where sizes[index] == 0xFFFF_FFFF {
            guard holds(field, 8, before: extra + 4 + count) else { throw failure("its zip64 sizes are missing") }
            sizes[index] = load(field, UInt64.self)
            field += 8
          }
          break
        }
        extra += 4 + count
      }
      guard let size = Int(exactly: sizes[0]), let packed = Int(exactly: sizes[1]), let local = Int(exactly: sizes[2]),
        signed(local, 0x0403_4B50, 30, before: directory)
      else { throw failure("does not lie where the directory says") }
      let localName = Int(load(local + 26, UInt16.self))
      let start = local + 30 + localName + Int(load(local + 28, UInt16.self))
      guard holds(start, packed, before: directory), method == 8 || packed == size else {
        throw failure("does not lie where the directory says")
      }
      guard bytes[local + 30..<local + 30 + localName].elementsEqual(rawName) else {
        throw failure("has another name at its data than in the directory")
      }
      let checksum = load(entry + 16, UInt32.self)
      return (local, Member(name: name, isDeflated: method == 8, checksum: checksum, size: size, range: start..<start + packed))
    }
  }
}
