import Testing

@testable import Flambeau

@Suite struct GeneratorTests {
  private func normals(_ generator: Generator, _ count: Int) -> [Double] {
    Filled(count, .float64) { generator.fillNormal($0, .float64, count: count) }.elements()
  }

  /// torch's bytes after `manual_seed(42); randn(7)`, which keeps a normal number.
  @Test func stateHasTorchsLayout() {
    let generator = Generator(seed: 42)
    _ = Filled(7, .float32) { generator.fillNormal($0, .float32, count: 7) }
    #expect(generator.state.count == 5056)
    #expect(fnv1a(generator.state) == 0xb2dd_ffda_99cd_3d4a)
  }

  @Test func stateIsRestoredMidStream() {
    let generator = Generator(seed: 7)
    _ = normals(generator, 333)  // odd: the sibling of the last number is kept
    let state = generator.state
    let after = normals(generator, 15)
    generator.state = state
    #expect(normals(generator, 15) == after)
    let other = Generator(seed: 1)
    other.state = state
    #expect(other.seed == 7)
    #expect(normals(other, 15) == after)
    #expect(other.state == generator.state)
  }

  @Test func freshStateIsRestored() {
    let state = Generator(seed: 3).state
    let generator = Generator(seed: 4)
    generator.state = state
    #expect(generator.state == state)
    #expect(generator.permutation(50) == Generator(seed: 3).permutation(50))
  }

  @Test func seedingDropsTheKeptNormal() {
    let generator = Generator(seed: 5)
    let first = normals(generator, 1)
    generator.manualSeed(5)
    #expect(normals(generator, 1) == first)
  }

  @Test func piecesEqualTheWhole() {
    let whole = Filled(5000, .float32) { Generator(seed: 11).fillUniform($0, .float32, count: 5000) }.elements(as: Float.self)
    let generator = Generator(seed: 11)
    var pieces: [Float] = []
    var count = 0
    while pieces.count < 5000 {
      count = (count * 5 + 3) % 701
      let next = Swift.min(count, 5000 - pieces.count)
      pieces += Filled(next, .float32) { generator.fillUniform($0, .float32, count: next) }.elements(as: Float.self)
    }
    #expect(pieces == whole)
  }

  @Test func refusesWhatIsNoState() {
    let generator = Generator(seed: 42)
    let before = generator.state
    var noSeed = before
    noSeed[12] = 0
    var farAhead = before
    farAhead[17] = 0xff
    for bad in [[], [1, 2, 3], [UInt8](repeating: 0, count: 5056), noSeed, farAhead] {
      let error = #expect(throws: TensorError.self) { try withTensorErrors { generator.state = bad } }
      #expect(error?.kind == .argument)
    }
    #expect(generator.state == before)
  }

  @Test func aFailedScopeDrawsNothing() {
    let generator = Generator(seed: 42)
    let before = generator.state
    #expect(throws: TensorError.self) {
      try withTensorErrors {
        Door.fail(.argument("first"))
        var value: Float = 7
        generator.fillUniform(&value, .float32, count: 1)
        generator.fillNormal(&value, .float32, count: 1)
        #expect(value == 7)
        #expect(generator.nextInt64() == 0)
        generator.fillMultinomial(
          UnsafeMutablePointer<Int64>.allocate(capacity: 1), weights: [Float(1)], rows: 1, categories: 1, strides: (1, 1),
          draws: 1,
          replacement: false)
        generator.manualSeed(1)
        generator.state = Generator(seed: 9).state
      }
    }
    #expect(generator.state == before)
  }

  @Test func scopesChooseTheGenerator() async {
    let mine = Generator(seed: 1)
    #expect(Generator.current === Generator.default)
    withGenerator(mine) {
      #expect(Generator.current === mine)
      withGenerator(.default) { #expect(Generator.current === Generator.default) }
    }
    await withGenerator(mine) {
      await Task.yield()
      #expect(Generator.current === mine)
      let child = await Task { Generator.current === mine }.value
      #expect(child)
    }
    #expect(Generator.current === Generator.default)
  }

  /// Draws of many tasks come in some order, but each is one run of the stream.
  @Test func drawsAreNotInterleaved() async {
    let (tasks, count) = (32, 1000)
    let shared = Generator(seed: 42)
    let runs = await withTaskGroup(of: [UInt32].self) { group in
      for _ in 0..<tasks {
        group.addTask {
          Filled(count, .float32) { shared.fillUniform($0, .float32, count: count) }.elements()
        }
      }
      return await group.reduce(into: Set<[UInt32]>()) { $0.insert($1) }
    }
    let stream: [UInt32] = Filled(tasks * count, .float32) {
      Generator(seed: 42).fillUniform($0, .float32, count: tasks * count)
    }.elements()
    #expect(runs == Set((0..<tasks).map { Array(stream[$0 * count..<($0 + 1) * count]) }))
  }

  @Test func nothingToDraw() {
    let generator = Generator(seed: 42)
    let before = generator.state
    for dtype in DType.allCases {
      _ = Filled(0, dtype) { out in
        generator.fillUniform(out, dtype, count: 0)
        generator.fillNormal(out, dtype, count: 0)
        generator.fillIntegers(out, dtype, count: 0, low: 0, high: 2)
        generator.fillBernoulli(out, dtype, count: 0, p: 0.5)
      }
    }
    #expect(generator.state == before)
  }
}
