import Foundation
import Testing

@testable import Flambeau

/// GPUs' random numbers: the generator beside its authors' known answers, and kernels beside what is made of its words here.
@Suite struct PhiloxTests {
  /// From Random123's kat_vectors.
  @Test func wordsAreTheAuthors() {
    func words(_ c: SIMD4<UInt32>, _ k: SIMD2<UInt32>) -> SIMD4<UInt32> { PhiloxState.words(counter: c, key: k) }
    #expect(words(SIMD4(repeating: 0), SIMD2(repeating: 0)) == SIMD4(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
    #expect(words(SIMD4(repeating: .max), SIMD2(repeating: .max)) == SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
    #expect(
      words(SIMD4(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344), SIMD2(0xa409_3822, 0x299f_31d0))
        == SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
  }

  @Test func offsetsCountBlocks() {
    var state = PhiloxState(seed: 7)
    for (count, dtype, offset) in [(9, DType.float32, 3), (9, .float64, 8), (1, .float16, 9)] as [(Int, DType, UInt64)] {
      let tensor = Tensor.zeros([count], dtype: dtype)
      _ = RandomTask(.normal(mean: 0, std: 1), from: &state, into: tensor.body.elements)
      #expect(state.offset == offset)
    }
    _ = RandomTask(.integers(low: 0, range: 1 << 33), from: &state, into: Tensor.zeros([4], dtype: .int64).body.elements)
    #expect(state == PhiloxState(seed: 7, offset: 11))
  }

  private static let seed: UInt64 = 0x1234_5678_9abc_def0, offset: UInt64 = 0xffff_fff0

  /// What two GPUs of different sizes make of `distribution`, which must agree.
  private func filled(_ distribution: RandomTask.Distribution, _ target: Tensor, wide: Bool = false) throws -> [Double] {
    var results: [[Double]] = []
    for multiprocessors in [1, 60] {
      target.fill_(99)
      var state = PhiloxState(seed: Self.seed, offset: Self.offset)
      let task = RandomTask(distribution, from: &state, into: target.body.elements)
      let work = KernelCall.task(task).work(
        on: DeviceShape(multiprocessorCount: multiprocessors, sharedByteCount: 48 << 10), wide: wide)
      let memory = task.operands.map { UnsafeRawBufferPointer(start: $0.span!.start, count: $0.span!.byteCount) }
      let failure = try EmulatedKernels(work.launches.map(\.source)).run(work, memory: memory)
      #expect(failure == nil)
      results.append(target.to(.float64).flatten().array(of: Double.self))
    }
    #expect(results[0] == results[1])
    return results[0]
  }

  /// Kernels of all distributions and dtypes.
  static var sources: [KernelSource] {
    var sources: [KernelSource] = []
    let probabilities = Tensor.rand([8])
    for dtype in DType.allCases {
      let target = Tensor.zeros([8], dtype: dtype)
      let exact: [RandomTask.Distribution] = [
        .integers(low: 0, range: 100), .integers(low: 0, range: 0), .bernoulli(0.5), .bernoulliOf(probabilities.body.elements),
        .geometric(0.3),
      ]
      let real: [RandomTask.Distribution] = [
        .uniform(from: 0, to: 1), .normal(mean: 0, std: 1), .logNormal(mean: 0, std: 1), .exponential(rate: 1),
        .cauchy(median: 0, sigma: 1), .poissonOf(probabilities.body.elements),
        .dropout(keeping: 0.5, of: target.body.elements, into: target.body.elements),
      ]
      for distribution in exact + (dtype.isFloatingPoint ? real : []) {
        var state = PhiloxState(seed: 1)
        let task = RandomTask(distribution, from: &state, into: target.body.elements)
        let work = KernelCall.task(task).work(on: DeviceShape(multiprocessorCount: 132, sharedByteCount: 48 << 10))
        sources += work.launches.map(\.source)
      }
    }
    return withExtendedLifetime(probabilities) { sources }
  }

  /// The k-th word from the offset on.
  private static func word(_ k: Int) -> UInt32 { PhiloxState(seed: seed).words(offset &+ UInt64(k / 4))[k % 4] }
  private static func wide(_ k: Int) -> UInt64 { UInt64(word(2 * k + 1)) << 32 | UInt64(word(2 * k)) }

  @Test(.enabled(if: EmulatedKernels.compiler != nil, "no clang++")) func uniformNumbersAreWordsInSteps() throws {
    let count = 3001
    for (dtype, bits) in [(DType.float32, 24), (.float16, 11), (.bfloat16, 8)] {
      let numbers = try filled(.uniform(from: 0, to: 1), .zeros([count], dtype: dtype))
      #expect(numbers == (0..<count).map { Double(Self.word($0) >> UInt32(32 - bits)) / Double(1 << bits) })
    }
    let numbers = try filled(.uniform(from: 0, to: 1), .zeros([count], dtype: .float64), wide: true)
    #expect(numbers == (0..<count).map { Double(Self.wide($0) >> 11) * 0x1p-53 })
    let moved = try filled(.uniform(from: -3, to: 2), .zeros([11, 30]).T)
    #expect(moved.enumerated().allSatisfy { abs($1 - (Double(Self.word($0) >> 8) * 0x1p-24 * 5 - 3)) < 1e-6 })
    // Rounded to a half, 1 − 2⁻¹¹ between 1000 and 1001 is 1001, which is none of the numbers.
    let halves = try filled(.uniform(from: 1000, to: 1001), .zeros([count], dtype: .float16))
    #expect(Set(halves) == [1000, 1000.5])
  }

  @Test(.enabled(if: EmulatedKernels.compiler != nil, "no clang++")) func normalNumbersAreBoxAndMullers() throws {
    func pair(_ u: Double, _ v: Double, _ isSecond: Bool) -> Double {
      let radius = (-2 * log(u)).squareRoot()
      return radius * (isSecond ? sin(2 * .pi * v) : cos(2 * .pi * v))
    }
    let numbers = try filled(.normal(mean: 1, std: 2), .zeros([4002]))
    for (i, number) in numbers.enumerated() {
      let (a, b) = (Self.word(i & ~1), Self.word(i | 1))
      let expected = 1 + 2 * pair((Double(a) + 0.5) * 0x1p-32, Double(b >> 8) * 0x1p-24, i % 2 == 1)
      #expect(abs(number - expected) < 1e-5)
    }
    let wide = try filled(.normal(mean: 0, std: 1), .zeros([3, 333], dtype: .float64))
    for (i, number) in wide.enumerated() {
      let (a, b) = (Self.wide(i & ~1), Self.wide(i | 1))
      let expected = pair((Double(a >> 11) + 1) * 0x1p-53, Double(b >> 11) * 0x1p-53, i % 2 == 1)
      #expect(abs(number - expected) < 1e-13)
    }
    let mean = numbers.reduce(0, +) / 4002
    let variance = numbers.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 4002
    #expect(abs(mean - 1) < 0.15 && abs(variance - 4) < 0.4)
  }

  @Test(.enabled(if: EmulatedKernels.compiler != nil, "no clang++")) func skewedNumbersAreFunctionsOfWords() throws {
    let count = 3001
    for dtype in [DType.float32, .float64] {
      let units = (0..<count).map { i in
        dtype == .float64
          ? Double((Self.wide(i) >> 11) + 1) * 0x1p-53 : Double(Float(Self.word(i)) * 0x1p-32 + 0x1p-33)
      }
      let precision = dtype == .float64 ? 1e-14 : 1e-6
      let exponentials = try filled(.exponential(rate: 2.5), .zeros([count], dtype: dtype))
      let tangents = try filled(.cauchy(median: 1, sigma: 0.5), .zeros([count], dtype: dtype))
      for (i, u) in units.enumerated() {
        #expect(abs(exponentials[i] + Foundation.log(u) / 2.5) < precision && exponentials[i] > 0)
        let tangent = tan(.pi * (u - 0.5))
        #expect(abs(tangents[i] - (1 + 0.5 * tangent)) < precision * (1 + tangent * tangent))
      }
      let powers = try filled(.logNormal(mean: 0.5, std: 0.25), .zeros([count], dtype: dtype), wide: true)
      let normals = try filled(.normal(mean: 0.5, std: 0.25), .zeros([count], dtype: dtype))
      #expect(zip(powers, normals).allSatisfy { abs($0 - exp($1)) < 10 * precision })
    }
    for dtype in [DType.int64, .float16, .uint8] {
      let trials = try filled(.geometric(0.3), .zeros([count], dtype: dtype))
      #expect(trials == (0..<count).map { max(1, ceil(log(Double((Self.wide($0) >> 11) + 1) * 0x1p-53) / log1p(-0.3))) })
    }
    let rare = try filled(.geometric(1e-300), .zeros([9], dtype: .int64))
    #expect(rare.allSatisfy { $0 > 0x1p62 })
  }

  @Test(.enabled(if: EmulatedKernels.compiler != nil, "no clang++")) func integersAndTruthsAreWords() throws {
    let count = 2003
    let small = try filled(.integers(low: -5, range: 12), .zeros([count], dtype: .int8))
    #expect(small == (0..<count).map { Double(Self.word($0) % 12) - 5 })
    let large = try filled(.integers(low: 10, range: 1 << 40), .zeros([count], dtype: .int64))
    #expect(large == (0..<count).map { Double(Self.wide($0) % (1 << 40) + 10) })
    let all = try filled(.integers(low: 0, range: 0), .zeros([count], dtype: .int64))
    #expect(all == (0..<count).map { Double(Int64(bitPattern: Self.wide($0))) })
    for (p, dtype) in [(0.0, DType.float32), (0.3, .bool), (1.0, .bfloat16)] {
      let truths = try filled(.bernoulli(p), .zeros([count], dtype: dtype))
      #expect(truths == (0..<count).map { Double(Self.word($0)) < p * 0x1p32 ? 1 : 0 })
    }
    let probabilities = Tensor.rand([30, 7])
    let expected = probabilities.T.contiguous().flatten().array(of: Float.self)
    let drawn = try filled(.bernoulliOf(probabilities.T.body.elements), .zeros([7, 30]))
    #expect(drawn == expected.enumerated().map { Double(Self.word($0)) * 0x1p-32 < Double($1) ? 1 : 0 })
    withExtendedLifetime(probabilities) {}
  }

  @Test(.enabled(if: EmulatedKernels.compiler != nil, "no clang++"), arguments: [0.3, 4, 9.9, 10, 47, 3000] as [Double])
  func eventsHaveTheirRatesMeanAndVariance(rate: Double) throws {
    let count = 6000
    let rates = Tensor.full([count], rate, dtype: .float64)
    let numbers = try filled(.poissonOf(rates.body.elements), .zeros([count], dtype: .float64))
    #expect(numbers.allSatisfy { $0 >= 0 && $0 == $0.rounded() })
    let mean = numbers.reduce(0, +) / Double(count)
    let variance = numbers.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
    // Five standard deviations of either estimate.
    #expect(abs(mean - rate) < 5 * (rate / Double(count)).squareRoot(), "\(mean)")
    #expect(abs(variance - rate) < 5 * ((rate + 2 * rate * rate) / Double(count)).squareRoot(), "\(variance)")
    if rate > 9 {
      let odd = numbers.count { $0.truncatingRemainder(dividingBy: 2) == 1 }
      #expect(abs(odd - count / 2) < 200)
    }
  }

  @Test(.enabled(if: EmulatedKernels.compiler != nil, "no clang++")) func nothingHappensAtRateZeroOrAtNone() throws {
    let rates = Tensor([0, 2, .nan, 50, -3] as [Double])
    let numbers = try filled(.poissonOf(rates.body.elements), .zeros([5], dtype: .bfloat16))
    #expect([numbers[0], numbers[2], numbers[4]] == [0, 0, 0] && numbers[3] > 0)
  }

  @Test(.enabled(if: EmulatedDevice.isThere, "no clang++")) func aSeedSaysWhichEventsHappenOnAGPU() throws {
    let rates = Tensor.rand([40], generator: Generator(seed: 2)).to("cuda") * 20
    func events(_ seed: UInt64) -> Tensor { withGenerator(Generator(seed: seed)) { rates.poisson() } }
    let first = events(1)
    #expect(first.device == rates.device && first.cpu().isEqual(to: events(1).cpu()) && !first.cpu().isEqual(to: events(2).cpu()))
  }
}
