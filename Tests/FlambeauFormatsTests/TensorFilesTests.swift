import Flambeau
import Foundation
import TestSupport
import Testing

@testable import FlambeauFormats

/// Elements that every dtype holds exactly and that are told apart by their position.
func sample(_ dtype: DType, _ shape: Shape) -> Tensor {
  let numbers = (0..<shape.elementCount).map { Double(($0 * 5 + 1) % 17) }
  return (dtype == .bool ? Tensor(numbers.map { $0 < 8 }, shape: shape) : Tensor(numbers, shape: shape)).to(dtype)
}

@Suite struct TensorFilesTests {
  static let shapes: [Shape] = [[], [0], [5], [2, 0, 3], [3, 4], [2, 3, 4]]

  /// Every dtype and shape, and views of any strides.
  static func tensors(_ dtypes: [DType]) -> [String: Tensor] {
    var tensors: [String: Tensor] = [:]
    for dtype in dtypes {
      for (i, shape) in shapes.enumerated() { tensors["\(dtype).\(i)"] = sample(dtype, shape) }
      let x = sample(dtype, [3, 4, 2])
      tensors["\(dtype).transposed"] = x.T
      tensors["\(dtype).permuted"] = x.permute([1, 0, 2])
      tensors["\(dtype).narrow"] = x.narrow(1, start: 1, length: 2)
      tensors["\(dtype).inside"] = x.narrow(0, start: 1, length: 1)
      tensors["\(dtype).expanded"] = sample(dtype, [3, 1]).expand([2, 3, 4])
    }
    return tensors
  }

  static func expectSame(_ found: [String: Tensor], _ expected: [String: Tensor]) {
    #expect(found.keys.sorted() == expected.keys.sorted())
    for (name, tensor) in expected {
      guard let back = found[name] else { continue }
      #expect(back.dtype == tensor.dtype && back.shape == tensor.shape && back.isEqual(to: tensor), "\(name)")
      #expect(back.isLeaf && !back.requiresGrad)
    }
  }

  @Test func safetensors() throws {
    try withFolder { folder in
      let (path, tensors) = (folder + "/a.safetensors", Self.tensors(DType.allCases))
      try Safetensors.save(tensors, metadata: ["format": "pt"], to: path)
      let first = try contents(path)
      Self.expectSame(try Safetensors.load(path), tensors)
      #expect(try Safetensors.metadata(of: path) == ["format": "pt"])
      // Over the file that the tensors are in.
      try Safetensors.save(try Safetensors.load(path), metadata: ["format": "pt"], to: path)
      #expect(try contents(path) == first)
      try Safetensors.save(["w": Tensor([1.5]).requiresGrad_()], to: path)
      #expect(try Safetensors.load(path)["w"]?.item() == 1.5)
    }
  }

  @Test(arguments: [false, true]) func npz(_ compressed: Bool) throws {
    try withFolder { folder in
      let (path, tensors) = (folder + "/a.npz", Self.tensors(DType.allCases.filter { $0 != .bfloat16 }))
      try Npz.save(tensors, compressed: compressed, to: path)
      let first = try contents(path)
      let found = try Npz.load(path)
      Self.expectSame(found, tensors)
      try Npz.save(found, compressed: compressed, to: path)
      // An array that is not where it could be mapped is read row by row.
      #expect(try contents(path).count <= first.count + 1000)
      Self.expectSame(try Npz.load(path), tensors)
    }
  }

  @Test func npy() throws {
    try withFolder { folder in
      let path = folder + "/a.npy"
      for (name, tensor) in Self.tensors(NpyTests.dtypes) {
        try Npy.save(tensor, to: path)
        Self.expectSame([name: try Npy.load(path)], [name: tensor])
      }
      let columns = sample(.float32, [4, 3]).T
      try Npy.save(columns, to: path)
      #expect(try Npy.load(path).strides == [1, 3])
      let error = #expect(throws: FormatError.self) { try Npy.save(sample(.bfloat16, [1]), to: path) }
      #expect(error?.what.contains("numpy has no bfloat16") == true)
      #expect(try Npy.load(path).isEqual(to: columns))
    }
  }

  private static func address(_ tensor: Tensor) -> UInt { tensor.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) } }

  /// A tensor of the library's own memory starts at a multiple of 64, one in a mapping where the file has it in its page.
  @Test func alignedFilesAreSharedAndStayAsTheyAre() throws {
    try withFolder { folder in
      let path = folder + "/a.safetensors"
      try Safetensors.save(["w": sample(.float32, [100, 200]), "b": sample(.bool, [9])], to: path)
      let bytes = try contents(path)
      let header = bytes.prefix(8).enumerated().reduce(0) { $0 + Int($1.element) << ($1.offset * 8) }
      let place = UInt(8 + header)
      try #require(place % 64 != 0)
      let loaded = try Safetensors.load(path)
      let (w, b) = (try #require(loaded["w"]), try #require(loaded["b"]))
      #expect(Self.address(w) % 4096 == place && Self.address(b) % 4096 == (place + 80_000) % 4096)
      // What is written to the tensor's memory is not written to the file.
      w.withUnsafeBytes { UnsafeMutableRawPointer(mutating: $0.baseAddress!).storeBytes(of: -7, as: Float.self) }
      #expect(w.array(of: Float.self)[0] == -7)
      #expect(try contents(path) == bytes)
      // The mapping outlives the file's name.
      try FileManager.default.removeItem(atPath: path)
      #expect(w.sum().item() == sample(.float32, [100, 200]).sum().item() - 8)
    }
  }

  @Test func unalignedAndUnusualElementsAreCopied() throws {
    let header =
      #"{"b":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]},"h":{"dtype":"F16","shape":[1],"data_offsets":[3,5]},"#
      + #""w":{"dtype":"F64","shape":[2],"data_offsets":[5,21]}}"#
    try withFolder { folder in
      for padding in 0..<8 {
        let text = header + String(repeating: " ", count: padding)
        let numbers = littleEndian((1.5).bitPattern) + littleEndian((-2.0).bitPattern)
        let data: [UInt8] = [0, 2, 255, 0, 0x3C] + numbers
        try write(littleEndian(UInt64(text.utf8.count)) + Array(text.utf8) + data, to: folder + "/f")
        let loaded = try Safetensors.load(folder + "/f")
        #expect([Bool](loaded["b"]!) == [false, true, true] && loaded["b"]!.sum().item() == 2)
        #expect([Double](loaded["w"]!) == [1.5, -2] && loaded["h"]!.item() == 1)
      }
      let fortran = "{'descr': '<f8', 'fortran_order': True, 'shape': (2, 2), }"
      for padding in 0..<8 {
        let data = [1.0, 2, 3, 4].flatMap { littleEndian($0.bitPattern) }
        try write(NpyTests.file(fortran + String(repeating: " ", count: padding), data), to: folder + "/f")
        #expect([[Double]](try Npy.load(folder + "/f")) == [[1, 3], [2, 4]])
      }
    }
  }

  /// An empty tensor's sizes may multiply to more than fits.
  @Test func absurdSizesAreErrors() throws {
    try withFolder { folder in
      let header = #"{"a":{"dtype":"U8","shape":[0,4611686018427387904,8],"data_offsets":[0,0]}}"#
      try write(SafetensorsTests.file(header), to: folder + "/f")
      let error = #expect(throws: FormatError.self) { try Safetensors.load(folder + "/f") }
      #expect(error?.what.contains("is too large") == true && error?.where == "'a'")
      let deep =
        #"{"a":{"dtype":"U8","shape":[\#([String](repeating: "1", count: 2000).joined(separator: ","))],"data_offsets":[0,1]}}"#
      try write(SafetensorsTests.file(deep, data: 1), to: folder + "/f")
      #expect(try Safetensors.load(folder + "/f")["a"]?.ndim == 2000)
    }
  }

  @Test func namesThatSwiftTakesForOneAreAnError() throws {
    try withFolder { folder in
      let header =
        #"{"\u00e9":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"e\u0301":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#
      try write(SafetensorsTests.file(header), to: folder + "/f")
      let error = #expect(throws: FormatError.self) { try Safetensors.load(folder + "/f") }
      #expect(error?.what.contains("another name has the same characters") == true)
    }
  }

  @Test func nothingIsWrittenAfterAnError() throws {
    try withFolder { folder in
      try Safetensors.save(["w": Tensor(1)], to: folder + "/f")
      var refusals: [FormatError] = []
      func refused(_ body: () throws -> Void) {
        do { try body() } catch { refusals.append(error as! FormatError) }
      }
      #expect(throws: TensorError.self) {
        try withTensorErrors {
          let poisoned = Tensor([1, 2]).view([3])
          for tensor in [poisoned, Tensor([2])] {
            refused { try Safetensors.save(["w": tensor], to: folder + "/f") }
            refused { try Npy.save(tensor, to: folder + "/g") }
          }
        }
      }
      #expect(refusals.count == 4)
      #expect(refusals.allSatisfy { $0.what.contains("is not written after an error: view: shape '[3]' is invalid") })
      #expect(try Safetensors.load(folder + "/f")["w"]?.item() == 1)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["f"])
    }
  }

  @Test func damagedFilesNeverStopTheProgram() throws {
    try withFolder { folder in
      var loaded = 0
      func use(_ arrays: () throws -> [StoredArray]) {
        do { for array in try arrays() { loaded += "\(try array.tensor(file: "g"))".isEmpty ? 0 : 1 } } catch {}
      }
      try Safetensors.save(["a": sample(.bool, [5]), "b": sample(.float32, [2, 2])], to: folder + "/f")
      mutate(try contents(folder + "/f"), rounds: 4000, seed: 11) { bytes in
        use { try SafetensorsFile(StoredBytes(bytes), file: "g").arrays }
      }
      let taken = loaded
      try Npz.save(["a": sample(.bool, [5]), "b": sample(.float32, [2, 2]).T], to: folder + "/f")
      mutate(try contents(folder + "/f"), rounds: 4000, seed: 12) { bytes in
        use {
          let file = try NpzFile(StoredBytes(bytes), file: "g")
          return try file.names.map { try file.array(named: $0)! }
        }
      }
      #expect(taken > 50 && loaded - taken > 50)
    }
  }
}
