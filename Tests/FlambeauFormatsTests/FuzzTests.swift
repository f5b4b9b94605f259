import Flambeau
import Foundation
import TestSupport
import Testing

@testable import FlambeauFormats

/// Damaged files of every format: each is read or refused with a sentence, and the program goes on.
///
/// `FLAMBEAU_FUZZ_INPUTS` says how many of each format; the long form is 200000.
@Suite struct FuzzTests {
  private static let asked = ProcessInfo.processInfo.environment["FLAMBEAU_FUZZ_INPUTS"].flatMap(Int.init)
  private static let rounds = asked ?? 2000

  private static let state: StateDict = [
    "a.weight": sample(.float32, [3, 4]), "a.bias": sample(.bfloat16, [4]), "b": sample(.bool, [5]),
    "c": sample(.int64, [2, 2]).T,
    "d": sample(.float64, []),
  ]

  private static func written(_ ending: String, _ state: StateDict) throws -> [UInt8] {
    try withFolder { folder in try contents(Checkpoint.save(state, to: "\(folder)/a\(ending)")) }
  }

  /// The same state as PyTorch wrote it before 1.6.
  private static func legacy() throws -> [UInt8] {
    let tensors = state.map { (key: PyTorchValue.string($0.key), value: PyTorchValue.tensor($0.value)) }
    let others: [PyTorchValue] = [
      .none, .bool(true), .int(-300), .double(0.5), .string("é"), .bytes([0, 200]),
      .largeInteger([UInt8](repeating: 7, count: 9)),
      .tuple([.int(1), .list([.dict([])])]), .tensor(state["a.weight"]!.narrow(0, start: 1, length: 1)),
    ]
    let writer = try PickleWriter(.dict([(.string("state"), .dict(tensors)), (.int(1), .list(others))]), file: "f")
    var bytes = PickleTests.legacyLead + writer.bytes + [0x80, 2, 0x5D, 0x28]
    for key in writer.storages.indices { bytes += [0x58, 1, 0, 0, 0, 0x30 + UInt8(key)] }
    bytes += [0x65, 0x2E]
    for storage in writer.storages {
      // All of the storage, in the order in which it lies there.
      let count = storage.bounds?.count ?? 0
      let elements = StoredBytes(of: Tensor(storageOf: storage.example, shape: [count], strides: [1], offset: 0)).array
      bytes += littleEndian(UInt64(elements.count / storage.dtype.byteCount)) + elements
    }
    return bytes
  }

  private static let formats = ["pt-zip", "pt-legacy", "safetensors", "gguf", "npz", "npy", "idx", "shards"]

  private static func seeds(_ format: String) throws -> [[UInt8]] {
    switch format {
    case "pt-zip": [try written(".pt", state), try written(".pt", ["x": sample(.uint8, [3])])]
    case "pt-legacy": [try legacy()]
    case "safetensors": [try written(".safetensors", state)]
    case "npy": [NpyTests.file(NpyTests.header("'>i4'", "True", "(3, 2, 2)"), (0..<48).map { $0 })]
    case "idx":
      [IdxTests.small, IdxTests.header(0x0E, [1, 2]) + [UInt8](repeating: 0x40, count: 16), try IdxTests.gzip(IdxTests.small)]
    case "shards":
      [Array(#"{"metadata":{"total_size":12,"x":[true,null,-1.5e2,"\u00e9\ud83d\ude00"]},"weight_map":{}}"#.utf8)]
    case "npz": [try written(".npz", ["a": sample(.float32, [3, 4]), "b": sample(.bool, [5]).T])]
    default:
      [
        GGUFTests.file(0, [2, 2], data: (0..<16).map { UInt8($0) }),
        GGUFTests.file(8, [32, 2], data: [UInt8](repeating: 0x31, count: 68)),
        GGUFTests.file(14, [256], data: [UInt8](repeating: 0x52, count: 210)),
        GGUFTests.file(12, [256], data: [UInt8](repeating: 0x17, count: 144)), GGUFTests.facts,
      ]
    }
  }

  private static func read(_ bytes: [UInt8], _ format: String) throws(FormatError) {
    if format == "idx" { return touch(try IdxTests.read(bytes).tensor(file: "f")) }
    for entry in try Checkpoint(StoredBytes(bytes), file: "f").entries {
      let tensor = try entry.tensor()
      #expect(Array(tensor.shape) == entry.shape && tensor.dtype == entry.dtype)
      touch(tensor)
    }
    if format.hasPrefix("pt") {
      var walk = PickleWalk(try PyTorch.file(StoredBytes(bytes), file: "f"))
      _ = try? walk.value()
    }
  }

  /// Reads every element that the tensor claims.
  private static func touch(_ tensor: Tensor) {
    if tensor.count <= 1 << 16 { _ = tensor.clone().withUnsafeBytes { $0.reduce(0) { $0 ^ $1 } } }
  }

  @Test(arguments: formats) func damagedFilesAreReadOrRefused(_ format: String) throws {
    let seeds = try Self.seeds(format)
    let seed = Self.asked == nil ? 17 : UInt64.random(in: 0...(.max))
    var (read, refused, wordless) = (0, 0, 0)
    for (number, bytes) in seeds.enumerated() {
      #expect(throws: Never.self) { try Self.read(bytes, format) }
      mutate(bytes, rounds: (Self.rounds + seeds.count - 1) / seeds.count, seed: seed &+ UInt64(number)) { bytes in
        do throws(FormatError) {
          try Self.read(bytes, format)
          read += 1
        } catch {
          refused += 1
          if error.what.isEmpty || error.file.isEmpty { wordless += 1 }
        }
      }
    }
    #expect(wordless == 0)
    #expect(read > Self.rounds / 100 && refused > Self.rounds / 100, "\(format), seed \(seed): \(read) read, \(refused) refused")
    if Self.asked != nil { print("fuzz \(format), seed \(seed): \(read) read, \(refused) refused") }
  }
}
