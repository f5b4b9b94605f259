import Flambeau
@testable import FlambeauFormats
import TestSupport
import Testing

@Suite struct NpyTests {
  static func file(_ header: String, version: UInt8 = 1, _ data: [UInt8] = []) -> [UInt8] {
    let length = version == 1 ? littleEndian(UInt16(header.utf8.count)) : littleEndian(UInt32(header.utf8.count))
    return [0x93] + Array("NUMPY".utf8) + [version, 0] + length + Array(header.utf8) + data
  }

  static func read(_ bytes: [UInt8]) throws -> StoredArray { try Npy.read(StoredBytes(bytes), file: "f") }

  @Test(arguments: [1, 2, 3] as [UInt8]) func readsByHand(_ version: UInt8) throws {
    let header = "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }   \n"
    let array = try Self.read(Self.file(header, version: version, Array(0..<14)))
    #expect(array.dtype == .int16 && array.shape == [2, 3] && array.isFortranOrder && array.strides == [1, 2])
    #expect(array.bytes.array == Array(0..<12))
    #expect(array.rowMajor().bytes.array == [0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11])
  }

  @Test func otherSpellings() throws {
    let big = try Self.read(Self.file(#"{"shape":(2L,),"fortran_order":False,"descr":">f4"}"#, Array(0..<8)))
    #expect(big.dtype == .float32 && big.shape == [2] && big.bytes.array == [3, 2, 1, 0, 7, 6, 5, 4])
    let scalar = try Self.read(Self.file("{'descr': '?', 'fortran_order': False, 'shape': ()}", [1]))
    #expect(scalar.dtype == .bool && scalar.shape == [])
    let empty = try Self.read(Self.file("{'descr': '|u1', 'fortran_order': False, 'shape': (0, 5)}"))
    #expect(empty.shape == [0, 5] && empty.bytes.count == 0)
  }

  static func header(_ descr: String = "'<f4'", _ order: String = "False", _ shape: String = "(1,)") -> String {
    "{'descr': \(descr), 'fortran_order': \(order), 'shape': \(shape), }"
  }

  static let hostile: [(header: String, says: String)] = [
    ("", "'{' was expected"), (header("'|O'"), "Python objects are not read"),
    (header("'<c8'"), "of type '<c8' are not supported"),
    (header("'<u4'"), "of type '<u4' are not supported"), (header("[('a', '<f4')]"), "records are not supported"),
    (header("'<f4'", "0"), "True or False was expected"), (header("'<f4'", "False", "(1)"), "',' was expected"),
    (header("'<f4'", "False", "(-1,)"), "a size was expected"), (header("'<f4'", "False", "(01,)"), "a size was expected"),
    (header("'<f4'", "False", "[1]"), "'(' was expected"), (header("'<f4'", "False", "(1e3,)"), "was expected"),
    (header("'<f4'", "False", "(99999999999999999999,)"), "the size is too large"),
    (header("'<f4'", "False", "(4294967296, 4294967296)"), "the shape is too large"),
    (header("'<f4'", "False", "(1000000000000,)"), "takes 4000000000000 bytes, but 4 are there"),
    (header() + "x", "something follows the dictionary"), ("{'descr': '<f4', 'shape': (1,)}", "is missing"),
    ("{'descr': '<f4', 'descr': '<f4'}", "'descr' appears twice"), ("{'a': 1}", "the key 'a' is unknown"),
    ("{'descr", "a string does not end"), ("{'de\\x73cr': '<f4'}", "a character it cannot have"),
    (String(repeating: " ", count: 10_001), "claims a header of 10001 bytes; 10000 are allowed"),
  ]

  @Test(arguments: hostile.indices) func refuses(_ index: Int) throws {
    let (header, says) = Self.hostile[index]
    let error = #expect(throws: FormatError.self) { try Self.read(Self.file(header, [0, 0, 0, 0])) }
    #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
  }

  @Test func refusesEveryShorterFile() throws {
    let whole = Self.file(Self.header(), [0, 0, 0, 0])
    #expect(try Self.read(whole).shape == [1])
    for count in 0..<whole.count { #expect(throws: FormatError.self) { try Self.read(Array(whole.prefix(count))) } }
    #expect(throws: FormatError.self) { try Self.read(Self.file(Self.header(), version: 4, [0, 0, 0, 0])) }
  }

  static let shapes: [[Int]] = [[], [0], [5], [2, 3], [1, 4], [3, 0, 2], [2, 3, 4]]
  static let dtypes = DType.allCases.filter { $0 != .bfloat16 }

  @Test(arguments: dtypes) func roundTrip(_ dtype: DType) throws {
    try withFolder { folder in
      for shape in Self.shapes {
        for isFortranOrder in [false, true] {
          let array = counting("", dtype, shape, isFortranOrder: isFortranOrder)
          try Npy.write(array, to: folder + "/a.npy")
          let back = try Npy.read(folder + "/a.npy")
          #expect(back.dtype == dtype && back.shape == shape && back.bytes.array == array.bytes.array)
          #expect(back.rowMajor().bytes.array == array.rowMajor().bytes.array)
        }
      }
    }
  }

  @Test func refusesWhatNumpyLacks() throws {
    try withFolder { folder in
      #expect(throws: FormatError.self) { try Npy.write(counting("", .bfloat16, [1]), to: folder + "/a.npy") }
      let deep = counting("", .bool, [Int](repeating: 1, count: 5_000))
      #expect(throws: FormatError.self) { try Npy.write(deep, to: folder + "/a.npy") }
    }
  }

  /// numpy reads our files, and writes the same bytes when it saves what it read.
  @Test(.enabled(if: Python.path != nil)) func numpysBytes() throws {
    try withFolder { folder in
      for (index, shape) in Self.shapes.enumerated() {
        for dtype in Self.dtypes {
          for isFortranOrder in [false, true] {
            let array = counting("", dtype, shape, isFortranOrder: isFortranOrder)
            try Npy.write(array, to: "\(folder)/\(dtype)-\(index)-\(isFortranOrder).npy")
          }
        }
      }
      let script = """
        import glob, os, sys, numpy
        count = 0
        for path in glob.glob(sys.argv[1] + '/*.npy'):
            array = numpy.load(path)
            assert array.dtype == os.path.basename(path).split('-')[0], path
            numpy.save(sys.argv[1] + '/again', array)
            assert open(path, 'rb').read() == open(sys.argv[1] + '/again.npy', 'rb').read(), path
            os.remove(sys.argv[1] + '/again.npy')
            count += 1
        print(count)
        """
      #expect(try Python.run(script, folder) == "\(Self.shapes.count * Self.dtypes.count * 2)\n")
    }
  }

  @Test(.enabled(if: Python.path != nil)) func readsNumpysFiles() throws {
    try withFolder { folder in
      let script = """
        import sys, numpy
        for order in '<>':
            for code in ['i2', 'i4', 'i8', 'f2', 'f4', 'f8']:
                for layout in 'CF':
                    for version in [1, 2, 3]:
                        array = numpy.arange(24).reshape(2, 3, 4).astype(order + code, order=layout)
                        with open(f'{sys.argv[1]}/{"big" if order == ">" else "little"}-{code}-{layout}-{version}', 'wb') as file:
                            numpy.lib.format.write_array(file, array, (version, 0))
        """
      _ = try Python.run(script, folder)
      for (code, dtype) in [
        ("i2", DType.int16), ("i4", .int32), ("i8", .int64), ("f2", .float16), ("f4", .float32), ("f8", .float64),
      ] {
        var rows: Set<[UInt8]> = []
        for order in ["little", "big"] {
          for layout in ["C", "F"] {
            for version in 1...3 {
              let array = try Npy.read("\(folder)/\(order)-\(code)-\(layout)-\(version)")
              #expect(array.dtype == dtype && array.shape == [2, 3, 4] && array.isFortranOrder == (layout == "F"))
              rows.insert(array.rowMajor().bytes.array)
            }
          }
        }
        #expect(rows.count == 1)
        if dtype == .int32 { #expect(rows.first == (0..<24).flatMap { littleEndian(Int32($0)) }) }
        if dtype == .float64 { #expect(rows.first == (0..<24).flatMap { littleEndian(Double($0).bitPattern) }) }
      }
    }
  }

  @Test func mutationsNeverStopTheProgram() throws {
    var accepted = 0
    var refused = 0
    mutate(Self.file(Self.header("'>i2'", "True", "(2, 3)"), Array(0..<12)), rounds: 20_000, seed: 2) { bytes in
      if let array = try? Self.read(bytes) {
        accepted += 1
        _ = array.rowMajor().bytes.array
      } else {
        refused += 1
      }
    }
    #expect(accepted > 0 && refused > accepted)
  }
}
