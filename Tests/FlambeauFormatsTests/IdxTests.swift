import Flambeau
import Testing

@testable import FlambeauFormats

@Suite struct IdxTests {
  static func read(_ bytes: [UInt8]) throws(FormatError) -> StoredArray { try IdxFile.read(StoredBytes(bytes), file: "f") }

  static func header(_ type: UInt8, _ shape: [UInt32]) -> [UInt8] {
    [0, 0, type, UInt8(shape.count)] + shape.flatMap { littleEndian($0.byteSwapped) }
  }

  /// `bytes` as gzip writes them, with a file name in the header.
  static func gzip(_ bytes: [UInt8], checksum: UInt32? = nil) throws -> [UInt8] {
    [0x1F, 0x8B, 8, 8, 0, 0, 0, 0, 0, 3] + Array("name\0".utf8) + (try NpzTests.deflated(bytes))
      + littleEndian(checksum ?? NpzTests.checksum(bytes)) + littleEndian(UInt32(bytes.count))
  }

  static func message(_ bytes: [UInt8]) -> String? {
    do {
      _ = try read(bytes)
      return nil
    } catch {
      return error.what
    }
  }

  static let small = header(0x08, [2, 3]) + [1, 2, 3, 4, 5, 6]

  @Test(arguments: [false, true])
  func readsBytes(compressed: Bool) throws {
    let array = try Self.read(compressed ? Self.gzip(Self.small) : Self.small)
    #expect(array.dtype == .uint8 && array.shape == [2, 3] && array.bytes.array == [1, 2, 3, 4, 5, 6])
  }

  @Test func swapsTheBytesOfWideElements() throws {
    let values: [Float] = [1.5, -2, 0.1]
    let array = try Self.read(Self.header(0x0D, [3]) + values.flatMap { littleEndian($0.bitPattern.byteSwapped) })
    #expect(array.dtype == .float32 && array.bytes.array == values.flatMap { littleEndian($0.bitPattern) })
    let shorts = try Self.read(Self.gzip(Self.header(0x0B, [2, 1]) + [1, 2, 0xFF, 0xFE]))
    #expect(shorts.dtype == .int16 && shorts.shape == [2, 1] && shorts.bytes.array == [2, 1, 0xFE, 0xFF])
  }

  @Test func readsScalarsAndEmptyArrays() throws {
    #expect(try Self.read(Self.header(0x09, []) + [7]).bytes.array == [7])
    #expect(try Self.read(Self.gzip(Self.header(0x08, [0, 28, 28]))).shape == [0, 28, 28])
  }

  @Test func refusesOtherFiles() throws {
    #expect(Self.message([]) == "ends within the header of an idx file")
    #expect(Self.message([0, 0, 8]) == "ends within the header of an idx file")
    #expect(Self.message([0, 0, 8, 3, 0, 0]) == "ends within the header of an idx file")
    #expect(Self.message([0x50, 0x4B, 3, 4]) == "is not an idx file: it begins with 50 4b 03 04")
    #expect(Self.message([0, 0, 0x0A, 1, 0, 0, 0, 1, 0]) == "is not an idx file: it begins with 00 00 0a 01")
    #expect(Self.message(try Self.gzip(Array("hello".utf8))) == "is not an idx file: it begins with 68 65 6c 6c")
  }

  @Test func refusesSizesThatDoNotFit() throws {
    #expect(Self.message(Self.small + [7]) == "claims 6 bytes of elements, but holds 7")
    #expect(Self.message(Self.small.dropLast()) == "claims 6 bytes of elements, but holds 5")
    let huge = Self.header(0x0E, [.max, .max, .max])
    #expect(Self.message(huge) == "claims float64 of shape [4294967295, 4294967295, 4294967295], more than there can be")
    let packed = try Self.gzip(Self.header(0x08, [60_000, 28, 28]) + [1, 2, 3])
    #expect(
      Self.message(packed) == "claims 47040000 bytes of elements, more than its \(packed.count) compressed ones can hold")
    #expect(
      Self.message(try Self.gzip(Self.small + [7])) == "the compressed data grow past the 18 bytes claimed")
    #expect(
      Self.message(try Self.gzip(Self.small.dropLast()))
        == "the compressed data hold 17 bytes where 18 are claimed")
  }

  @Test func refusesDamagedCompression() throws {
    let elements = (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3) }
    let file = Self.header(0x08, [5000]) + elements
    let packed = try Self.gzip(file)
    #expect(Self.message(packed) == nil)
    for count in [packed.count - 1, packed.count - 8, packed.count / 2, 40] {
      #expect(Self.message(Array(packed.prefix(count)))?.contains("end") == true, "\(count)")
    }
    #expect(Self.message(Array(packed.prefix(10))) == "ends within the header of an idx file")
    #expect(Self.message(packed + [0]) == "something follows the compressed data")
    #expect(Self.message(try Self.gzip(file, checksum: 1)) == "the compressed data are damaged")
  }

  @Test func mutatedFilesNeverStopTheProgram() throws {
    let file = Self.header(0x08, [30, 4]) + (0..<120).map { UInt8($0) }
    for (seed, bytes) in [file, try Self.gzip(file)].enumerated() {
      mutate(bytes, rounds: 3000, seed: UInt64(seed)) { _ = try? Self.read($0) }
    }
  }
}
