import Flambeau
import TestSupport
import Testing

@testable import FlambeauFormats

@Suite struct NpzTests {
  static let arrays = [
    counting("weight", .float32, [3, 40]), counting("fortran", .int64, [2, 5], isFortranOrder: true), counting("aé", .bool, []),
    counting("empty", .float64, [0, 2]), counting("zeros", .uint8, [1]),
  ]

  static func read(_ bytes: [UInt8]) throws -> NpzFile { try NpzFile(StoredBytes(bytes), file: "f") }

  /// The bytes of a file of `arrays`; with a `limit` of 0 every size is written as zip64.
  static func file(
    _ arrays: [StoredArray] = arrays, compressed: Bool, zip64From limit: UInt64 = ZipWriter.largestShort
  ) throws -> [UInt8] {
    try withFolder { folder in
      try NpzFile.write(arrays, compressed: compressed, to: folder + "/a.npz", zip64From: limit)
      return try contents(folder + "/a.npz")
    }
  }

  /// A zip of one member, field by field.
  static func byHand(
    name: String = "a.npy", localName: String? = nil, method: UInt16 = 0, flags: UInt16 = 0, checksum: UInt32, packed: [UInt8],
    size: UInt32, entries: UInt16 = 1, offset: UInt32 = 0
  ) -> [UInt8] {
    let fields =
      littleEndian(UInt16(20)) + littleEndian(flags) + littleEndian(method) + [0, 0, 0, 0] + littleEndian(checksum)
      + littleEndian(UInt32(packed.count)) + littleEndian(size)
    let there = Array((localName ?? name).utf8)
    let local = [0x50, 0x4B, 3, 4] + fields + littleEndian(UInt16(there.count)) + [0, 0] + there + packed
    let central =
      [0x50, 0x4B, 1, 2, 20, 0] + fields + littleEndian(UInt16(name.utf8.count)) + [UInt8](repeating: 0, count: 12)
      + littleEndian(offset) + Array(name.utf8)
    let end =
      [0x50, 0x4B, 5, 6, 0, 0, 0, 0] + littleEndian(entries) + littleEndian(entries) + littleEndian(UInt32(central.count))
      + littleEndian(UInt32(local.count)) + [0, 0]
    return local + central + end
  }

  static func checksum(_ bytes: [UInt8]) -> UInt32 {
    var checksum = CRC32()
    checksum.update(StoredBytes(bytes))
    return checksum.value
  }

  static func deflated(_ bytes: [UInt8]) throws -> [UInt8] { try #require(Zlib.shared?.deflate([StoredBytes(bytes)])) }

  static let npy = NpyTests.file("{'descr': '|u1', 'fortran_order': False, 'shape': (3,)}", [7, 8, 9])

  @Test func checksums() {
    #expect(Self.checksum(Array("123456789".utf8)) == 0xCBF4_3926)
    #expect(Self.checksum([]) == 0)
    #expect(Self.checksum(Array("The quick brown fox jumps over the lazy dog".utf8)) == 0x414F_A339)
  }

  @Test func readsByHand() throws {
    let stored = try Self.read(Self.byHand(checksum: Self.checksum(Self.npy), packed: Self.npy, size: UInt32(Self.npy.count)))
    #expect(stored.names == ["a"])
    let array = try #require(try stored.array(named: "a"))
    #expect(array.name == "a" && array.dtype == .uint8 && array.shape == [3] && array.bytes.array == [7, 8, 9])
    #expect(try stored.array(named: "b") == nil)
    let packed = try Self.deflated(Self.npy)
    let deflated = try Self.read(
      Self.byHand(method: 8, checksum: Self.checksum(Self.npy), packed: packed, size: UInt32(Self.npy.count)))
    #expect(try deflated.array(named: "a")?.bytes.array == [7, 8, 9])
  }

  @Test(arguments: [false, true], [0, 1_000, ZipWriter.largestShort])
  func roundTrip(_ compressed: Bool, _ limit: UInt64) throws {
    let bytes = try Self.file(compressed: compressed, zip64From: limit)
    let file = try Self.read(bytes)
    #expect(file.names == Self.arrays.map(\.name))
    for array in Self.arrays {
      let back = try #require(try file.array(named: array.name))
      #expect(back.dtype == array.dtype && back.shape == array.shape && back.bytes.array == array.bytes.array)
      #expect(back.isFortranOrder == array.isFortranOrder)
    }
    #expect(try Self.file(compressed: compressed, zip64From: limit) == bytes)
    for count in stride(from: 0, to: bytes.count, by: 7) {
      #expect(throws: FormatError.self) { try Self.read(Array(bytes.prefix(count))) }
    }
  }

  @Test func compressionCompresses() throws {
    let zeros = StoredArray(
      name: "z", dtype: .uint8, shape: [3_000_000], bytes: StoredBytes([UInt8](repeating: 0, count: 3_000_000)))
    let bytes = try Self.file([zeros], compressed: true)
    #expect(bytes.count < 10_000)
    #expect(try Self.read(bytes).array(named: "z")?.bytes.array == zeros.bytes.array)
  }

  static func hostile() throws -> [(bytes: [UInt8], says: String)] {
    let npy = npy
    let sum = checksum(npy)
    let packed = try deflated(npy)
    let size = UInt32(npy.count)
    return [
      (byHand(checksum: sum ^ 1, packed: npy, size: size), "the checksum does not agree"),
      (byHand(method: 8, checksum: sum ^ 1, packed: packed, size: size), "the checksum does not agree"),
      (byHand(method: 8, checksum: sum, packed: packed, size: size - 1), "grow past the \(size - 1) bytes claimed"),
      (byHand(method: 8, checksum: sum, packed: packed, size: size + 1), "hold \(size) bytes where \(size + 1) are claimed"),
      (byHand(method: 8, checksum: sum, packed: packed, size: 0), "grow past the 0 bytes claimed"),
      (byHand(method: 8, checksum: sum, packed: packed, size: 4_000_000_000), "more than its \(packed.count) compressed ones"),
      (byHand(method: 8, checksum: sum, packed: packed.dropLast(), size: size), "end early"),
      (byHand(method: 8, checksum: sum, packed: packed + [0], size: size), "something follows the compressed data"),
      (byHand(method: 8, checksum: sum, packed: [7] + packed, size: size), "are damaged"),
      (byHand(method: 12, checksum: sum, packed: npy, size: size), "packed by method 12"),
      (byHand(flags: 1, checksum: sum, packed: npy, size: size), "is encrypted"),
      (byHand(checksum: sum, packed: npy, size: size + 1), "does not lie where the directory says"),
      (byHand(checksum: sum, packed: npy, size: size, offset: 1), "does not lie where the directory says"),
      (byHand(localName: "b.npy", checksum: sum, packed: npy, size: size), "has another name"),
      (byHand(checksum: sum, packed: npy, size: size, entries: 2), "claims 2 members"),
      (byHand(checksum: sum, packed: npy, size: size, entries: 0), "directory is damaged"),
      (byHand(checksum: checksum([1]), packed: [1], size: 1), "member 'a.npy': is not an .npy file"),
      ([], "is not a zip file"), ([UInt8](repeating: 0x50, count: 70_000), "is not a zip file"),
    ]
  }

  @Test func refuses() throws {
    for (bytes, says) in try Self.hostile() {
      let error = #expect(throws: FormatError.self, "\(says)") { try Self.read(bytes).array(named: "a") }
      #expect(error?.description.contains(says) == true, "\(error?.description ?? ""), not \(says)")
    }
  }

  /// Two entries for one stretch of data.
  @Test func refusesOverlap() throws {
    let one = Self.byHand(checksum: Self.checksum(Self.npy), packed: Self.npy, size: UInt32(Self.npy.count))
    let local = 35 + Self.npy.count
    let central = Array(one[local..<one.count - 22])
    let end =
      [0x50, 0x4B, 5, 6, 0, 0, 0, 0, 2, 0, 2, 0] + littleEndian(UInt32(central.count * 2)) + littleEndian(UInt32(local)) + [0, 0]
    let error = #expect(throws: FormatError.self) { try Self.read(one[..<local] + central + central + end) }
    #expect(error?.what == "overlaps 'a.npy'" && error?.where == "member 'a.npy'")
  }

  @Test func memoryThatIsNotThereIsNoTrap() {
    let bytes = StoredBytes(count: Int.max / 2) { _ in }
    #expect(bytes == nil)
  }

  @Test func refusesTwoOfOneName() throws {
    #expect(throws: FormatError.self) { try Self.file([Self.arrays[0], Self.arrays[0]], compressed: false) }
  }

  @Test(.enabled(if: Python.path != nil)) func numpyReads() throws {
    try withFolder { folder in
      for (index, limit) in [0, 1_000, ZipWriter.largestShort].enumerated() {
        for compressed in [false, true] {
          try NpzFile.write(Self.arrays, compressed: compressed, to: "\(folder)/\(index)\(compressed).npz", zip64From: limit)
        }
      }
      let script = """
        import glob, sys, zipfile, numpy
        count = 0
        for path in glob.glob(sys.argv[1] + '/*.npz'):
            assert zipfile.ZipFile(path).testzip() is None
            file = numpy.load(path)
            assert file.files == ['weight', 'fortran', 'aé', 'empty', 'zeros'], file.files
            raw = numpy.array([(7 * i + 3) % 256 for i in range(480)], 'u1')
            assert (file['weight'].view('u1').ravel() == raw).all() and file['weight'].shape == (3, 40)
            assert file['fortran'].tobytes('F') == raw[:80].tobytes() and file['fortran'].shape == (2, 5)
            assert file['aé'].shape == () and file['aé'].dtype == bool and file['empty'].shape == (0, 2)
            count += 1
        print(count)
        """
      #expect(try Python.run(script, folder) == "6\n")
    }
  }

  @Test(.enabled(if: Python.path != nil)) func readsNumpysFiles() throws {
    try withFolder { folder in
      let script = """
        import sys, numpy
        arrays = dict(a=numpy.arange(1000, dtype='<i4').reshape(10, 100), b=numpy.asfortranarray(numpy.arange(6.).reshape(2, 3)),
                      c=numpy.array([True, False]))
        numpy.savez(sys.argv[1] + '/stored.npz', **arrays)
        numpy.savez_compressed(sys.argv[1] + '/packed.npz', **arrays)
        """
      _ = try Python.run(script, folder)
      for name in ["stored", "packed"] {
        let file = try NpzFile("\(folder)/\(name).npz")
        #expect(file.names == ["a", "b", "c"])
        let a = try #require(try file.array(named: "a"))
        #expect(a.dtype == .int32 && a.shape == [10, 100] && a.bytes.array == (0..<1000).flatMap { littleEndian(Int32($0)) })
        let b = try #require(try file.array(named: "b"))
        #expect(b.dtype == .float64 && b.shape == [2, 3] && b.isFortranOrder)
        #expect(b.rowMajor().bytes.array == (0..<6).flatMap { littleEndian(Double($0).bitPattern) })
        #expect(try file.array(named: "c")?.bytes.array == [1, 0])
      }
    }
  }

  @Test(arguments: [false, true], [0, ZipWriter.largestShort])
  func mutationsNeverStopTheProgram(_ compressed: Bool, _ limit: UInt64) throws {
    var opened = 0
    var read = 0
    var refused = 0
    mutate(try Self.file(compressed: compressed, zip64From: limit), rounds: 5_000, seed: 3) { bytes in
      do {
        let file = try Self.read(bytes)
        opened += 1
        for name in file.names where try file.array(named: name)?.rowMajor() != nil { read += 1 }
      } catch {
        refused += 1
      }
    }
    #expect(opened > 0 && read > 0 && refused > 1_000)
  }
}
