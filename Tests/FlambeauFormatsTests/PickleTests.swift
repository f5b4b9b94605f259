import Flambeau
import Testing

@testable import FlambeauFormats

/// Pickles by hand, most of them hostile.
@Suite struct PickleTests {
  /// The three pickles that come first in a file of the format before 1.6: its mark, its version, its machine.
  static let legacyLead: [UInt8] =
    [0x80, 2, 0x8A, 10] + PyTorchFile.legacyMagic + [0x2E] + [0x80, 2, 0x4D, 0xE9, 3, 0x2E] + [0x80, 2, 0x7D, 0x2E]

  /// `BINUNICODE`.
  private static func text(_ text: String) -> [UInt8] { [0x58] + littleEndian(UInt32(text.utf8.count)) + Array(text.utf8) }

  private static func int(_ value: Int32) -> [UInt8] { [0x4A] + littleEndian(value) }

  private static func global(_ module: String, _ name: String) -> [UInt8] { Array("c\(module)\n\(name)\n".utf8) }

  private static func tuple(_ items: [UInt8]...) -> [UInt8] { [0x28] + items.flatMap { $0 } + [0x74] }

  private static func storage(_ type: String, _ count: Int32, view: [UInt8] = []) -> [UInt8] {
    tuple(text("storage"), global("torch", type), text("0"), text("cpu"), int(count), view) + [0x51]
  }

  private static func tensor(
    _ storage: [UInt8], offset: Int32 = 0, shape: [Int32], strides: [Int32], function: String = "_rebuild_tensor_v2",
    more: [UInt8] = []
  ) -> [UInt8] {
    func list(_ numbers: [Int32]) -> [UInt8] { [0x28] + numbers.flatMap(int) + [0x74] }
    return global("torch._utils", function)
      + tuple(
        storage, int(offset), list(shape), list(strides), [0x89], global("collections", "OrderedDict") + [0x29, 0x52], more)
      + [0x52]
  }

  private static func run(_ instructions: [UInt8]) throws -> PickleTree {
    let bytes = [0x80, 2] + instructions + [0x2E]
    return try bytes.withUnsafeBytes { raw in
      var machine = PickleMachine(raw)
      return try machine.run()
    }
  }

  private static let hostile: [(pickle: [UInt8], says: String, position: Int)] = [
    (global("os", "system"), "names os.system, which is code, and code in a checkpoint is never run", 2),
    ([0x4E] + global("builtins", "eval"), "names builtins.eval, which is code", 3),
    (text("os") + text("system") + [0x93], "names os.system, which is code", 20),
    (global("torch._utils", "_rebuild_qtensor"), "made by torch._utils._rebuild_qtensor", 2),
    (global("torch", "float8_e5m2"), "elements of type torch.float8_e5m2, which are not supported", 2),
    ([0x58, 0xFF, 0xFF, 0xFF, 0xFF], "claims 4294967295 bytes, more than follow", 2),
    ([0x8D] + littleEndian(UInt64.max), "claims 18446744073709551615 bytes, more than follow", 2),
    ([], "the pickle's stack is empty", 2), ([0x74], "the pickle's mark is missing", 2),
    ([0x68, 1], "recalls what it has not stored", 2),
    ([0x28, 0x4E, 0x52], "the pickle's stack is empty", 4), ([0x69], "the instruction 0x69 is not one that checkpoints need", 2),
    ([0x4E, 0x29, 0x52], "calls what is no function", 4), ([0x5D, 0x4E, 0x73], "the pickle's stack is empty", 4),
    ([0x4E, 0x7D, 0x62], "sets the attributes of what has none", 4), ([0x58, 1, 0, 0, 0, 0xFF], "a string is not UTF-8", 2),
    (storage("FloatStorage", -1), "refers to what is no storage", 63),
    (tensor(storage("FloatStorage", 4), shape: [5], strides: [1]), "does not lie in its storage", 149),
    (tensor(storage("FloatStorage", 4), shape: [2], strides: [.max]), "does not lie in its storage", 149),
    (tensor(storage("FloatStorage", 4), offset: -1, shape: [1], strides: [1]), "a tensor's offset is no count", 149),
    (tensor(storage("FloatStorage", 4), shape: [2], strides: [1, 1]), "does not lie in its storage", 154),
    (
      tensor(storage("FloatStorage", 1), shape: [.max, 2], strides: [0, 0]), "repeats the 4 bytes of its storage too often",
      159
    ),
    (tensor(storage("FloatStorage", 1), shape: [0, .max, .max, .max], strides: [0, 0, 0, 0]), "is too large", 179),
  ]

  @Test(arguments: hostile.indices) func refuses(_ index: Int) {
    let (pickle, says, _) = Self.hostile[index]
    let error = #expect(throws: PickleMachine.Failure.self) { try Self.run(pickle) }
    #expect(error?.what.contains(says) == true, "\(error?.what ?? "")")
  }

  @Test func positionsAreThoseOfTheInstruction() {
    for (pickle, _, position) in Self.hostile.prefix(16) {
      let error = #expect(throws: PickleMachine.Failure.self) { try Self.run(pickle) }
      #expect(error?.position == position)
    }
  }

  /// A part of an untyped storage may begin anywhere; a tensor in it must not begin within an element.
  @Test func partsBeginAtElements() throws {
    func part(from start: Int32) -> [UInt8] {
      let view = Self.tuple(Self.text("1"), Self.int(start), Self.int(8))
      return Self.tensor(
        Self.storage("UntypedStorage", 16, view: view), shape: [2], strides: [1], function: "_rebuild_tensor_v3",
        more: Self.global("torch", "float32"))
    }
    #expect(try Self.run(part(from: 4)).tensors.count == 1)
    for start in [1, 2, 3, 7] as [Int32] {
      let error = #expect(throws: PickleMachine.Failure.self) { try Self.run(part(from: start)) }
      #expect(error?.what.contains("begins within one of its elements") == true, "\(error?.what ?? "")")
    }
  }

  /// One tensor of stride 0 may be large; many are not, each within what one may be.
  @Test func repeatedElementsCountTogether() throws {
    let one = Self.tensor(Self.storage("FloatStorage", 1), shape: [1 << 23], strides: [0])
    #expect(try Self.run(one).tensors.count == 1)
    let error = #expect(throws: PickleMachine.Failure.self) { try Self.run([0x28] + one + one + one + [0x74]) }
    #expect(error?.what.contains("repeats the 4 bytes of its storage too often") == true)
  }

  /// Lists that hold the one before many times: few bytes that stand for 10^12 values.
  @Test func foldedTreesAreAnErrorNotAHang() throws {
    var pickle: [UInt8] = [0x5D]
    for _ in 0..<12 { pickle += [0x71, 0, 0x30, 0x5D, 0x28] + (0..<10).flatMap { _ in [0x68, 0] as [UInt8] } + [0x65] }
    let bytes = [0x80, 2] + pickle + [0x2E]
    let legacy = Self.legacyLead + bytes + [0x80, 2, 0x5D, 0x2E]
    let error = #expect(throws: FormatError.self) { try Checkpoint(StoredBytes(legacy), file: "f") }
    #expect(error?.what.contains("unfolds to more than") == true, "\(error?.what ?? "")")
    let nested = [UInt8](repeating: 0x5D, count: 100_000) + [UInt8](repeating: 0x61, count: 99_999)
    let deep = Self.legacyLead + [0x80, 2] + nested + [0x2E, 0x80, 2, 0x5D, 0x2E]
    let tooDeep = #expect(throws: FormatError.self) { try Checkpoint(StoredBytes(deep), file: "f") }
    #expect(tooDeep?.what.contains("nested more than 200 deep") == true, "\(tooDeep?.what ?? "")")
  }
}
