import Flambeau
import Foundation
import TestSupport
import Testing

@testable import FlambeauFormats

@Suite struct GGUFTests {
  /// Writes a file by the format's description, and the numbers that numpy decodes from the same blocks.
  private static let script = """
    import sys, struct, json, numpy as np, torch
    from safetensors.torch import save_file
    folder = sys.argv[1]
    rng = np.random.default_rng()
    def string(s): return struct.pack('<Q', len(s.encode())) + s.encode()
    def halves(n): return (rng.standard_normal((n, 1)) * .1).astype('<f2')
    def raw(a): return a.view(np.uint8).reshape(len(a), -1)
    def q8_0(n):
        d, q = halves(n), rng.integers(-128, 128, (n, 32)).astype(np.int8)
        return np.hstack([raw(d), raw(q)]), d.astype(np.float32) * q.astype(np.float32)
    def q4_0(n):
        d, q = halves(n), rng.integers(0, 256, (n, 16)).astype(np.uint8)
        return np.hstack([raw(d), q]), d.astype(np.float32) * (np.hstack([q & 15, q >> 4]).astype(np.float32) - 8)
    def q4_k(n):
        d, m = halves(n), halves(n)
        scales, mins = rng.integers(0, 64, (2, n, 8)).astype(np.uint8)
        packed = np.zeros((n, 12), np.uint8)
        packed[:, 0:4] = scales[:, :4] | (scales[:, 4:] >> 4) << 6
        packed[:, 4:8] = mins[:, :4] | (mins[:, 4:] >> 4) << 6
        packed[:, 8:12] = (scales[:, 4:] & 15) | (mins[:, 4:] & 15) << 4
        q = rng.integers(0, 16, (n, 8, 32)).astype(np.uint8)
        qs = (q[:, 0::2] | q[:, 1::2] << 4).reshape(n, 128)
        x = (d.astype(np.float32) * scales)[:, :, None] * q - (m.astype(np.float32) * mins)[:, :, None]
        return np.hstack([raw(d), raw(m), packed, qs]), x.astype(np.float32).reshape(n, 256)
    def q6_k(n):
        d, scales = halves(n), rng.integers(-128, 128, (n, 16)).astype(np.int8)
        q = rng.integers(0, 64, (n, 2, 4, 32)).astype(np.uint8)
        ql = np.concatenate([q[:, :, 0:2] & 15 | (q[:, :, 2:4] & 15) << 4], 2).reshape(n, 128)
        qh = (q >> 4 << (np.arange(4, dtype=np.uint8) * 2)[None, None, :, None]).sum(2).astype(np.uint8).reshape(n, 64)
        x = (d.astype(np.float32) * scales)[:, :, None] * (q.reshape(n, 16, 16).astype(np.float32) - 32)
        return np.hstack([ql, qh, raw(scales), raw(d)]), x.astype(np.float32).reshape(n, 256)
    tensors, expected = [], {}
    for name, code, pack, size in [('q8', 8, q8_0, 32), ('q4', 2, q4_0, 32), ('q4k', 12, q4_k, 256), ('q6k', 14, q6_k, 256)]:
        blocks, x = pack(6)
        tensors.append((name, code, [2 * size, 3], blocks.tobytes()))
        expected[name] = torch.from_numpy(x.reshape(3, 2 * size).copy())
    for name, code, dtype in [('f32', 0, torch.float32), ('f16', 1, torch.float16), ('bf16', 30, torch.bfloat16), ('f64', 28, torch.float64),
                              ('i8', 24, torch.int8), ('i16', 25, torch.int16), ('i32', 26, torch.int32), ('i64', 27, torch.int64)]:
        x = (torch.randn(2, 3, 5) * 9).to(dtype)
        tensors.append((name, code, [5, 3, 2], x.view(torch.uint8).numpy().tobytes()))
        expected[name] = x
    facts = [('general.architecture', 8, string('llama')), ('general.alignment', 4, struct.pack('<I', 64)), ('u64', 10, struct.pack('<Q', 2**63)),
             ('flag', 7, b'\\1'), ('f', 6, struct.pack('<f', .5)), ('words', 9, struct.pack('<IQ', 8, 2) + string('a') + string('é')),
             ('many', 9, struct.pack('<IQ', 1, 10) + bytes(10))]
    head = b'GGUF' + struct.pack('<IQQ', 3, len(tensors), len(facts))
    for key, code, data in facts: head += string(key) + struct.pack('<I', code) + data
    data = b''
    for name, code, sizes, block in tensors:
        data += bytes(-len(data) % 64)
        head += string(name) + struct.pack('<I', len(sizes)) + struct.pack(f'<{len(sizes)}Q', *sizes) + struct.pack('<IQ', code, len(data))
        data += block
    open(folder + '/a.gguf', 'wb').write(head + bytes(-len(head) % 64) + data)
    save_file(expected, folder + '/expected.safetensors')
    """

  @Test(.enabled(if: Python.hasSafetensors)) func tensorsAreWhatNumpyDecodes() throws {
    try withFolder { folder in
      _ = try Python.run(Self.script, folder)
      let checkpoint = try Checkpoint.open(folder + "/a.gguf")
      #expect(checkpoint.format == .gguf)
      TensorFilesTests.expectSame(
        try checkpoint.tensors().dictionary, try Safetensors.load(folder + "/expected.safetensors"))
      #expect(checkpoint.entries.prefix(4).map(\.packing) == ["Q8_0", "Q4_0", "Q4_K", "Q6_K"])
      #expect(
        checkpoint.metadata == [
          "general.architecture": "llama", "general.alignment": "64", "u64": "9223372036854775808", "flag": "true", "f": "0.5",
          "words": "[a, é]", "many": "[0, 0, 0, 0, 0, 0, 0, 0, … 10 in all]",
        ])
    }
  }

  private static func string(_ text: String) -> [UInt8] { littleEndian(UInt64(text.utf8.count)) + Array(text.utf8) }

  /// A file of one tensor without facts.
  static func file(_ code: UInt32, _ sizes: [UInt64], offset: UInt64 = 0, data: [UInt8], version: UInt32 = 3) -> [UInt8] {
    var bytes = GGUFFile.magic + littleEndian(version) + littleEndian(UInt64(1)) + littleEndian(UInt64(0)) + string("w")
    bytes += littleEndian(UInt32(sizes.count)) + sizes.flatMap { littleEndian($0) } + littleEndian(code) + littleEndian(offset)
    return bytes + [UInt8](repeating: 0, count: (32 - bytes.count % 32) % 32) + data
  }

  /// A file of no tensors, with a text and nested arrays beside them.
  static let facts: [UInt8] =
    GGUFFile.magic + littleEndian(UInt32(3)) + littleEndian(UInt64(0)) + littleEndian(UInt64(2))
    + string("general.name") + littleEndian(UInt32(8)) + string("é") + string("many") + littleEndian(UInt32(9))
    + littleEndian(UInt32(9)) + littleEndian(UInt64(2)) + (littleEndian(UInt32(8)) + littleEndian(UInt64(1)) + string("a"))
    + (littleEndian(UInt32(1)) + littleEndian(UInt64(3)) + [1, 2, 3])

  private static let four: [UInt8] = [0, 0, 0x80, 0x3F]

  @Test func readsByHand() throws {
    let checkpoint = try Checkpoint(StoredBytes(Self.file(0, [1], data: Self.four)), file: "f")
    #expect(try checkpoint.tensors()["w"].map { [Float]($0) } == [1])
  }

  private static let hostile: [(bytes: [UInt8], says: String)] = [
    (file(0, [1], data: []), "does not lie within the file"), (file(0, [2], data: four), "does not lie within the file"),
    (file(0, [1], offset: .max, data: four), "claims a count of"),
    (file(0, [1], offset: 1 << 62, data: four), "does not lie within"),
    (file(0, [1 << 32, 1 << 32], data: four), "is too large"), (file(8, [31], data: four), "are no whole blocks of Q8_0"),
    (file(99, [1], data: four), "is of type 99, which is not known"),
    (file(0, [1], data: four, version: 1), "is of GGUF version 1"),
    (file(0, [1], data: four, version: 3 << 24), "is a big-endian GGUF file"),
    (file(0, [UInt64](repeating: 1, count: 9), data: four), "claims 9 dimensions"),
    (GGUFFile.magic + littleEndian(UInt32(3)) + littleEndian(UInt64.max) + littleEndian(UInt64(0)), "more than follow"),
    (GGUFFile.magic + littleEndian(UInt32(3)) + littleEndian(UInt64(0)) + littleEndian(UInt64.max), "more than follow"),
  ]

  @Test(arguments: hostile.indices) func refuses(_ index: Int) {
    let (bytes, says) = Self.hostile[index]
    let error = #expect(throws: FormatError.self) { try Checkpoint(StoredBytes(bytes), file: "f") }
    #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
  }
}
