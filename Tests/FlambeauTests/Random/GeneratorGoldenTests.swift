import Testing

@testable import Flambeau

/// Memory a generator fills, read as elements or summed up.
struct Filled {
  let bytes: [UInt8]

  init(_ count: Int, _ dtype: DType, _ fill: (UnsafeMutableRawPointer) -> Void) {
    var words = [UInt64](repeating: 0, count: count * dtype.byteCount / 8 + 1)
    bytes = words.withUnsafeMutableBytes { memory in
      fill(memory.baseAddress!)
      return Array(memory.prefix(count * dtype.byteCount))
    }
  }

  func elements<T>(as type: T.Type = T.self) -> [T] {
    bytes.withUnsafeBytes { bytes in
      (0..<bytes.count / MemoryLayout<T>.stride).map {
        bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.stride, as: T.self)
      }
    }
  }

  var hash: UInt64 { fnv1a(bytes) }
}

/// The 64-bit FNV-1a hash.
func fnv1a(_ bytes: [UInt8]) -> UInt64 {
  bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
}

/// What torch 2.13 draws on the CPU after `manual_seed(42)`; large fills as the hash of their bytes.
@Suite struct GeneratorGoldenTests {
  private static let count = 20_003

  @Test func firstNumbers() {
    let rand = Filled(3, .float32) { Generator(seed: 42).fillUniform($0, .float32, count: 3) }
    #expect(rand.elements() == [0.88226926, 0.91500396, 0.38286376] as [Float])
    let randn = Filled(3, .float32) { Generator(seed: 42).fillNormal($0, .float32, count: 3) }
    #expect(randn.elements(as: UInt32.self) == [0x3eac_62ae, 0x3e03_e69d, 0x3e70_16e7])
    let blocks = Filled(16, .float32) { Generator(seed: 42).fillNormal($0, .float32, count: 16) }
    #expect(blocks.elements(as: Float.self).prefix(3) == [1.9269152879714966, 1.4872840642929077, 0.9007171988487244])
    #expect(Generator(seed: 42).permutation(10) == [2, 6, 1, 8, 4, 5, 0, 9, 3, 7])
    let integers = Filled(5, .int64) { Generator(seed: 42).fillIntegers($0, .int64, count: 5, low: 0, high: 100) }
    #expect(integers.elements() == [42, 67, 76, 14, 26])
  }

  @Test(
    arguments: [
      (DType.float32, 0x997f_758e_f56f_3861), (.float64, 0xd704_0fc2_eb36_63d1), (.float16, 0x2d6c_6328_5f47_20bd),
      (.bfloat16, 0xe888_a08d_79dd_02b4),
    ] as [(DType, UInt64)])
  func uniform(dtype: DType, hash: UInt64) {
    let filled = Filled(Self.count, dtype) {
      Generator(seed: 42).fillUniform($0, dtype, count: Self.count, from: -1.3, to: 2.7)
    }
    #expect(filled.hash == hash)
  }

  @Test(
    arguments: [
      (DType.float32, 20_003, 0xa81b_0579_ee7d_2d83), (.float32, 20_000, 0x460e_7076_e7b4_c383),
      (.float32, 17, 0x4781_961c_86c7_2a27), (.float16, 20_003, 0x3b8b_403b_d4cd_f0eb),
      (.float16, 20_000, 0xacdd_170e_7628_cdae), (.float16, 17, 0x737d_57b5_f7a8_e916),
      (.bfloat16, 20_003, 0x6354_060a_e484_e802), (.bfloat16, 20_000, 0x06d7_6ef9_d08a_8bb6),
      (.bfloat16, 17, 0xabb7_c96f_54c8_96f1),
    ] as [(DType, Int, UInt64)])
  func normal(dtype: DType, count: Int, hash: UInt64) {
    let filled = Filled(count, dtype) { Generator(seed: 42).fillNormal($0, dtype, count: count, mean: 0.3, std: 1.7) }
    #expect(filled.hash == hash)
  }

  /// float64 goes through the C library, whose last bit differs between systems.
  @Test func normalFloat64() {
    let blocks = Filled(20, .float64) { Generator(seed: 42).fillNormal($0, .float64, count: 20) }
    let expected: [Int: Double] = [
      0: 0.2995562877502637, 1: 0.24237779080894106, 3: -0.23294220898382634, 4: -0.03720300727052493,
      19: -0.33113931395169954,
    ]
    for (i, value) in expected { #expect(abs(blocks.elements(as: Double.self)[i] - value) < 1e-15) }
    let single = Filled(5, .float64) { Generator(seed: 42).fillNormal($0, .float64, count: 5) }.elements(as: Double.self)
    let one = [0.33669035438385886, 0.1288094051365897, 0.23446236336153173, 0.2303330279146119, -1.1228563767381703]
    #expect(zip(single, one).allSatisfy { abs($0 - $1) < 1e-15 })
  }

  /// Whole range, -5..<100 (0... where unsigned, 0..<2 of bool) and bernoulli(0.3).
  @Test(
    arguments: [
      (DType.bool, 0x0dfd_1215_2f65_f755, 0x0dfd_1215_2f65_f755, 0xf0b2_0b9b_0821_e105),
      (.uint8, 0xa411_26be_d6ad_bd67, 0xc9df_3e09_6620_f0eb, 0xf0b2_0b9b_0821_e105),
      (.int8, 0x398c_6cd8_8995_fce7, 0x8d06_7fdc_3536_d416, 0xf0b2_0b9b_0821_e105),
      (.int16, 0xdc11_aabd_6971_fbbb, 0xe97d_f3c5_959a_b854, 0xd9df_bf25_d901_e6c5),
      (.int32, 0x6875_d509_024b_de42, 0xa7ff_5bb7_8244_221c, 0x325e_906f_3c0f_1065),
      (.int64, 0x8e90_e756_82dd_c5f9, 0xb22d_3cea_3aaf_99bc, 0x38bd_eea9_9473_95a5),
      (.float16, 0x6dfb_2960_7a30_7d2c, 0xc489_be93_32e8_0ebb, 0xd347_b75f_b9bc_8c6d),
      (.bfloat16, 0x5ead_d48a_a763_35ab, 0x9617_0a93_7efe_e4c8, 0xc394_bb79_7a07_b2e5),
      (.float32, 0x415a_72f0_7386_4e13, 0x8594_cb76_21c5_e748, 0x2167_e619_ed48_9225),
      (.float64, 0x19dd_5a48_6092_1f46, 0x4008_e870_61e4_f4f9, 0x9067_97aa_abe1_6b25),
    ] as [(DType, UInt64, UInt64, UInt64)])
  func integersAndBernoulli(dtype: DType, whole: UInt64, bounded: UInt64, bernoulli: UInt64) {
    let n = Self.count
    #expect(Filled(n, dtype) { Generator(seed: 42).fillWholeRange($0, dtype, count: n) }.hash == whole)
    let low: Int64 = dtype == .uint8 || dtype == .bool ? 0 : -5
    let high: Int64 = dtype == .bool ? 2 : 100
    #expect(
      Filled(n, dtype) { Generator(seed: 42).fillIntegers($0, dtype, count: n, low: low, high: high) }.hash == bounded)
    #expect(Filled(n, dtype) { Generator(seed: 42).fillBernoulli($0, dtype, count: n, p: 0.3) }.hash == bernoulli)
  }

  @Test(
    arguments: [
      (-1 << 40, 1 << 50, 0xcc39_bb3e_5024_0ce0), (0, 1 << 28 - 1, 0x60e6_a2f7_3727_8a80),
      (0, 1 << 28, 0xc4fa_231d_2b24_95dc),
    ] as [(Int64, Int64, UInt64)])
  func wideIntegers(low: Int64, high: Int64, hash: UInt64) {
    let n = Self.count
    #expect(Filled(n, .int64) { Generator(seed: 42).fillIntegers($0, .int64, count: n, low: low, high: high) }.hash == hash)
  }

  @Test func allBits() {
    let n = Self.count
    #expect(Filled(n, .int64) { Generator(seed: 42).fillAllBits($0, count: n) }.hash == 0x1931_7ca2_74c8_7a79)
  }

  @Test func permutation() {
    let n = Self.count
    let filled = Filled(n, .int64) {
      Generator(seed: 42).fillPermutation($0.assumingMemoryBound(to: Int64.self), count: n)
    }
    #expect(filled.hash == 0x6d20_b0fb_e714_9c48)
    #expect(filled.elements(as: Int.self) == Generator(seed: 42).permutation(n))
    #expect(Generator(seed: 42).permutation(0) == [])
    #expect(Generator(seed: 42).permutation(1) == [0])
  }

  @Test func bernoulliOfTensors() {
    let n = Self.count
    let single = (0..<n).map { Float($0) / Float(n) }
    let double = (0..<n).map { Double($0) / Double(n) }
    let a = Filled(n, .bool) { out in
      single.withUnsafeBufferPointer { Generator(seed: 42).fillBernoulli(out, .bool, probabilities: $0) }
    }
    let b = Filled(n, .bool) { out in
      double.withUnsafeBufferPointer { Generator(seed: 42).fillBernoulli(out, .bool, probabilities: $0) }
    }
    #expect(a.hash == 0xd118_c799_575d_bf3a)
    #expect(b.hash == 0x2a9e_a8e1_e48a_d983)
  }

  @Test func exponential() {
    let generator = Generator(seed: 42)
    let single = Filled(4, .float32) { generator.fillExponential($0, .float32, count: 4, rate: 2.5) }.elements(as: Float.self)
    let double = Filled(4, .float64) { generator.fillExponential($0, .float64, count: 4, rate: 2.5) }.elements(as: Double.self)
    #expect(single == [0.023965606465935707, 0.025990450754761696, 0.05276671051979065, 0.021605180576443672])
    let expected = [0.2987642698613506, 0.25910493557970743, 1.2425377351201952, 1.056638676588481]
    #expect(zip(double, expected).allSatisfy { abs($0 - $1) < 1e-15 })
  }

  @Test func multinomial() {
    func check<Real: MultinomialElement>(_ type: Real.Type) {
      let weights: [Real] = [1, 2, 3, 4, 0.5, 5, 0, 1, 1, 1]
      let generator = Generator(seed: 42)
      func draw(_ draws: Int, _ replacement: Bool) -> [Int] {
        Filled(2 * draws, .int64) { out in
          generator.fillMultinomial(
            out.assumingMemoryBound(to: Int64.self), weights: weights, rows: 2, categories: 5, strides: (5, 1), draws: draws,
            replacement: replacement)
        }.elements()
      }
      #expect(draw(4, false) == [3, 1, 2, 0, 3, 0, 4, 2])
      #expect(draw(8, true) == [1, 2, 3, 3, 2, 3, 0, 3, 0, 0, 0, 2, 0, 0, 0, 0])
      #expect(draw(1, true) == [3, 0])
      let after = Filled(2, .int64) { generator.fillIntegers($0, .int64, count: 2, low: 0, high: 1000) }
      #expect(after.elements() == [184, 553])
    }
    check(Float.self)
    check(Double.self)
  }

  /// The order two epochs of torch's DataLoader(shuffle=True) visit twenty samples in.
  @Test func loaderShuffle() {
    let generator = Generator(seed: 42)
    let epochs = (0..<2).map { _ in
      _ = generator.nextInt64()  // the seed of the workers
      return Generator(seed: generator.nextInt64()).permutation(20)
    }
    #expect(epochs[0] == [8, 14, 17, 19, 1, 15, 18, 9, 3, 11, 4, 0, 10, 7, 13, 16, 12, 6, 2, 5])
    #expect(epochs[1] == [14, 12, 13, 8, 15, 4, 7, 18, 9, 3, 0, 17, 2, 11, 19, 6, 10, 16, 1, 5])
  }

  @Test func seeds() {
    func integers(_ generator: Generator, _ count: Int) -> [Int] {
      Filled(count, .int64) { generator.fillIntegers($0, .int64, count: count, low: 0, high: 1000) }.elements()
    }
    #expect(integers(Generator(seed: 1 << 32 + 7), 3) == [615, 892, 721])
    #expect(integers(Generator(seed: -1), 3) == [371, 978, 476])
    #expect(Generator(seed: -1).seed == UInt64.max)
    #expect(integers(Generator(), 5) == [710, 284, 837, 820, 749])
    #expect(Generator().seed == 67_280_421_310_721)
  }
}
