import Foundation
import Testing

@testable import Flambeau

/// Random tensors on an emulated GPU.
@Suite(.enabled(if: EmulatedDevice.isThere, "no clang++")) struct DeviceDrawTests {
  private let device: Device = "cuda"

  private func drawn(
    _ count: Int, _ dtype: DType = .float32, seed: Int = 5, _ draw: (Tensor) -> Tensor
  ) -> [Double] {
    let x = withGenerator(Generator(seed: seed)) { draw(.empty([count], dtype: dtype, device: device)) }
    #expect(x.device == device && x.dtype == dtype)
    return x.cpu().to(.float64).array(of: Double.self)
  }

  private func mean(_ x: [Double]) -> Double { x.reduce(0, +) / Double(x.count) }
  private func variance(_ x: [Double]) -> Double {
    let m = mean(x)
    return mean(x.map { ($0 - m) * ($0 - m) })
  }

  /// A distribution's mean, variance, and range.
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let mean: Double
    let variance: Double
    let range: ClosedRange<Double>
    var dtypes: [DType] = [.float32, .float64, .bfloat16]
    let draw: @Sendable (Tensor) -> Tensor
  }

  static let cases = [
    Case(testDescription: "uniform", mean: 0.25, variance: 49.0 / 48, range: -1.5...2) { $0.uniform_(from: -1.5, to: 2) },
    Case(testDescription: "normal", mean: 0.5, variance: 9, range: -25...25) { $0.normal_(mean: 0.5, std: 3) },
    Case(testDescription: "exponential", mean: 0.4, variance: 0.16, range: .leastNonzeroMagnitude...10) { $0.exponential_(2.5) },
    Case(
      testDescription: "logarithms of log-normal", mean: 0.5, variance: 0.0625, range: -1.5...2.5, dtypes: [.float32, .float64]
    ) { $0.logNormal_(mean: 0.5, std: 0.25).log() },
    Case(
      testDescription: "geometric", mean: 1 / 0.3, variance: 0.7 / 0.09, range: 1...100,
      dtypes: [.float32, .float16, .int64, .uint8]
    ) { $0.geometric_(0.3) },
    Case(testDescription: "bernoulli", mean: 0.3, variance: 0.21, range: 0...1, dtypes: [.float32, .bfloat16, .int32, .bool]) {
      $0.bernoulli_(0.3)
    },
    Case(testDescription: "random", mean: 4.5, variance: 99.0 / 12, range: 0...9, dtypes: [.float32, .float16, .int64, .int8]) {
      $0.random_(10)
    },
  ]

  @Test(arguments: cases) func momentsAreTheDistributions(_ each: Case) {
    let count = 20000
    for dtype in each.dtypes {
      let x = drawn(count, dtype, each.draw)
      #expect(x.allSatisfy(each.range.contains), "\(dtype): \(x.min()!) … \(x.max()!)")
      // Half types' numbers lie apart.
      let slack = dtype == .bfloat16 ? 0.01 : 0.0
      #expect(abs(mean(x) - each.mean) < 5 * (each.variance / Double(count)).squareRoot() + slack, "\(dtype): \(mean(x))")
      #expect(abs(variance(x) - each.variance) < 0.12 * each.variance, "\(dtype): \(variance(x))")
    }
  }

  @Test func quartilesAreCauchys() {
    for dtype in [DType.float32, .float64] {
      let x = drawn(20001, dtype) { $0.cauchy_(median: 1, sigma: 0.5) }.sorted()
      for (place, expected) in [(5000, 0.5), (10000, 1.0), (15000, 1.5)] {
        #expect(abs(x[place] - expected) < 0.05, "\(dtype): \(x[place])")
      }
      let areFinite = x.allSatisfy { $0.isFinite }
      #expect(areFinite)
    }
  }

  @Test func everyDTypeHasItsWholeRange() {
    let tops: [DType: Double] = [
      .bool: 1, .uint8: 255, .int8: 127, .int16: 32767, .int32: 0x1p31 - 1, .int64: 0x1p63, .float16: 2048, .bfloat16: 256,
      .float32: 0x1p24, .float64: 0x1p53,
    ]
    for (dtype, top) in tops {
      let x = drawn(4000, dtype) { $0.random_() }
      #expect(x.min()! >= 0 && x.max()! <= top && x.max()! >= 0.99 * top, "\(dtype): \(x.min()!) … \(x.max()!)")
      #expect(abs(mean(x) - top / 2) < 0.05 * top, "\(dtype)")
    }
  }

  @Test func aSeedSaysWhatIsDrawn() {
    let draws: [@Sendable (Tensor) -> Tensor] = Self.cases.map(\.draw) + [{ $0.cauchy_() }]
    for draw in draws {
      let first = drawn(50, .float32, draw)
      #expect(first == drawn(50, .float32, draw) && first != drawn(50, .float32, seed: 6, draw))
    }
    let generator = Generator(seed: 1)
    let state = generator.state
    func pair() -> [Float] {
      (0..<2).flatMap { _ in Tensor.randn([9], device: device, generator: generator).array(of: Float.self) }
    }
    let both = pair()
    #expect(Array(both[..<9]) != Array(both[9...]))
    generator.state = state
    #expect(pair() == both)
    let other = withGenerator(Generator(seed: 5)) { Tensor.rand([50], device: "cuda:1") }
    #expect(other.cpu().to(.float64).array(of: Double.self) == drawn(50) { $0.uniform_() })
  }

  @Test func numbersDoNotDependOnHowATensorLies() {
    func filled(_ x: Tensor) -> [Float] {
      withGenerator(Generator(seed: 2)) { x.normal_() }.contiguous().cpu().flatten().array(of: Float.self)
    }
    let expected = filled(.empty([6, 10], device: device))
    #expect(filled(.empty([10, 6], device: device).T) == expected)
    let whole = Tensor.full([6, 21], 7.0, device: device)
    let part = whole.narrow(1, start: 1, length: 20)[.all, .slice(step: 2)]
    #expect(filled(part) == expected)
    #expect(whole[.all, 0].array(of: Float.self) == [7, 7, 7, 7, 7, 7] && whole[.all, 2].array(of: Float.self)[5] == 7)
    #expect(Tensor.rand([0, 3], device: device).count == 0)
  }

  @Test func writingCounts() throws {
    let leaf = Tensor.ones([3, 3], device: device).requiresGrad_()
    #expect(throws: TensorError.self) { try withTensorErrors { _ = leaf.uniform_() } }
    for write in [{ $0.normal_() }, { $0.geometric_(0.5) }, { $0.tril_() }] as [(Tensor) -> Tensor] {
      let x = leaf * 1
      let y = x.square().sum()
      _ = write(x)
      let error = #expect(throws: TensorError.self) { try withTensorErrors { y.backward() } }
      #expect(error?.message.contains("modified by an inplace operation") == true)
    }
  }

  /// What stays is what the same numbers say, one by one, however elements lie, and their gradients stay with them.
  @Test(arguments: [DType.float32, .float64, .float16, .bfloat16]) func droppedElementsAreThoseOfTheDraw(_ dtype: DType) {
    let layouts: [(String, (Tensor) -> Tensor)] = [
      ("a row", { $0 }), ("no whole block", { $0.narrow(0, start: 0, length: 1_001) }),
      ("an odd beginning", { $0.narrow(0, start: 1, length: 1_020) }), ("transposed", { $0.view([30, 40]).T }),
      ("every other", { $0.view([600, 2]).select(dim: 1, index: 1) }), ("few", { $0.narrow(0, start: 0, length: 3) }),
      ("channels innermost", { $0.view([2, 5, 4, 30]).contiguous(memoryFormat: .channelsLast) }),
    ]
    let numbers = withGenerator(Generator(seed: 2)) { Tensor.randn([1_200]).to(dtype) }.to(device)
    for (name, layout) in layouts {
      let leaf = layout(numbers).detach().requiresGrad_()
      let p = 0.3
      let y = withGenerator(Generator(seed: 9)) { leaf.dropout(p) }
      let flat = leaf.body.layout.isDense
      // In memory's order where the elements are dense, else in their own.
      let drawn = withGenerator(Generator(seed: 9)) { Tensor.zeros([leaf.count], device: device).bernoulli_(1 - p) }
      let dense = leaf.body.layout.dense
      let kept = flat ? drawn.asStrided(dense.shape, strides: Array(dense.strides)) : drawn.view(leaf.shape)
      let expected = (leaf.detach().to(.float64) * (kept / (1 - p)).to(.float64)).to(dtype)
      let difference = (y.detach().to(.float64) - expected.to(.float64)).abs().max().item(as: Double.self)
      #expect(difference <= (dtype == .float64 ? 1e-6 : dtype == .float32 ? 1e-6 : dtype == .float16 ? 4e-3 : 4e-2), "\(name)")
      #expect((y.detach() .!= 0).isEqual(to: kept .!= 0), "\(name)")
      #expect(y.body.layout.strides == dense.strides, "\(name)")
      y.sum().backward()
      #expect(leaf.grad!.isClose((kept / (1 - p)).to(dtype), rtol: 1e-2).all().item(as: Bool.self), "\(name)")
    }
  }

  @Test func droppedElementsAreScaledOrZero() {
    let x = Tensor.full([40, 50], 3.0, device: device).requiresGrad_()
    let y = withGenerator(Generator(seed: 1)) { x.dropout(0.25) }
    y.sum().backward()
    let values = y.array(of: Float.self)
    #expect(Set(values) == [0, 4] && abs(values.count { $0 == 0 } - 500) < 100)
    #expect((x.grad! * 3).isClose(y.detach()).all().item(as: Bool.self))
    let channels = withGenerator(Generator(seed: 1)) { Tensor.ones([8, 16, 3, 3], device: device).featureDropout() }
    let perChannel = channels.cpu().reshape([128, 9]).array(of: Float.self)
    #expect(Set(perChannel) == [0, 2])
    #expect((0..<128).allSatisfy { Set(perChannel[9 * $0..<9 * $0 + 9]).count == 1 })
    let kept = Tensor.rand([4000], device: device).alphaDropout(0.1)
    #expect(kept.device == device)
  }

  @Test func probabilitiesMayBeTensors() {
    let p = Tensor([0, 0.5, 1] as [Float], device: device)
    let x = withGenerator(Generator(seed: 3)) { Tensor.empty([3000, 3], dtype: .int64, device: device).bernoulli_(p) }
    let means = x.to(.float64).mean(dim: 0).array(of: Double.self)
    #expect(means[0] == 0 && means[2] == 1 && abs(means[1] - 0.5) < 0.05)
    #expect(p.bernoulli().array(of: Float.self)[2] == 1)
  }

  @Test(arguments: [DType.float32, .float64, .float16]) func categoriesAreDrawnByTheirWeights(dtype: DType) {
    let weights = Tensor([0, 1, 2, 0, 5, 0, 0, 0, 3, 9, 0, 0] as [Float], shape: [2, 6]).to(dtype).to(device)
    let many = weights.multinomial(8000, replacement: true, generator: Generator(seed: 1)).cpu().array(of: Int.self)
    let shares: [[Double]] = [[0, 1.0 / 8, 2.0 / 8, 0, 5.0 / 8, 0], [0, 0, 0.25, 0.75, 0, 0]]
    for (row, shares) in shares.enumerated() {
      for (category, share) in shares.enumerated() {
        let found = Double(many[row * 8000..<(row + 1) * 8000].count { $0 == category }) / 8000
        #expect(share == 0 ? found == 0 : abs(found - share) < 0.03, "row \(row), category \(category): \(found)")
      }
    }
    // Without replacement the first is drawn by the weights, and none twice.
    let rows = weights[0].expand([4000, 6])
    let some = rows.multinomial(3, generator: Generator(seed: 2))
    #expect(some.shape == [4000, 3] && some.dtype == .int64 && some.device == device)
    let drawn = some.cpu().array(of: Int.self)
    #expect((0..<4000).allSatisfy { Set(drawn[3 * $0..<3 * $0 + 3]) == [1, 2, 4] })
    let first = (0..<4000).count { drawn[3 * $0] == 4 }
    #expect(abs(Double(first) / 4000 - 0.625) < 0.04)
    let single = weights[0].multinomial(1, generator: Generator(seed: 2))
    #expect(single.shape == [1] && [1, 2, 4].contains(Int(single)))
    let turned = weights.T.contiguous().T.multinomial(2, generator: Generator(seed: 2)).cpu()
    #expect(turned.isEqual(to: weights.multinomial(2, generator: Generator(seed: 2)).cpu()))
    #expect(Tensor.zeros([0, 4], dtype: dtype, device: device).multinomial(2).shape == [0, 2])
  }

  @Test(arguments: [1, 2, 700]) func ordersHaveEveryNumberOnce(count: Int) {
    func order(_ seed: Int) -> [Int] {
      let order = Tensor.randperm(count, dtype: .int32, device: device, generator: Generator(seed: seed))
      #expect(order.device == device && order.dtype == .int32)
      return order.array(of: Int.self)
    }
    #expect(order(1).sorted() == Array(0..<count) && order(1) == order(1))
    if count > 2 { #expect(order(1) != order(2) && order(1) != Array(0..<count)) }
  }

  /// Where a number is not above 0 its slope is drawn.
  @Test func leaksAreDrawn() {
    let x = Tensor([-1, 0, 2, -3] as [Float], device: device).expand([500, 4])
    let slopes = (x.rrelu(lower: 0.25, upper: 0.5, training: true) / x).cpu()
    #expect(slopes[0..., 2].isEqual(to: .ones([500])))
    for column in [0, 3] {
      let drawn = slopes[0..., column].array(of: Double.self)
      #expect(drawn.allSatisfy { (0.25..<0.5).contains($0) } && Set(drawn).count > 450 && abs(mean(drawn) - 0.375) < 0.02)
    }
  }

  @Test func trianglesAreTheProcessors() {
    let base = Tensor.arange(1.0, 2 * 5 * 14 + 1).reshape([2, 5, 14])
    let layouts: [(String, (Tensor) -> Tensor)] = [
      ("contiguous", { $0 }), ("turned", { $0.transpose(1, 2) }), ("turned batches", { $0.transpose(0, 2) }),
      ("part", { $0.narrow(2, start: 3, length: 6) }), ("steps", { $0[.all, .all, .slice(step: 3)] }),
      ("matrix", { $0[1] }), ("expanded", { $0[0].expand([3, 5, 14]) }), ("row", { $0.narrow(1, start: 2, length: 1) }),
      ("column", { $0.narrow(2, start: 2, length: 1) }), ("four", { $0.reshape([2, 5, 2, 7]).transpose(1, 3) }),
    ]
    for dtype in [DType.float32, .float64, .bfloat16, .int64, .uint8, .bool] {
      let (here, there) = (base.to(dtype), base.to(dtype).to(device))
      for (name, layout) in layouts {
        for diagonal in [-20, -2, 0, 1, 3, 30, Int.min, Int.max] {
          let (a, b) = (layout(here), layout(there))
          #expect(b.tril(diagonal).cpu().isEqual(to: a.tril(diagonal)), "tril \(dtype), \(name), \(diagonal)")
          #expect(b.triu(diagonal).cpu().isEqual(to: a.triu(diagonal)), "triu \(dtype), \(name), \(diagonal)")
        }
      }
    }
    let (here, there) = (base.clone(), base.to(device))
    here.transpose(1, 2).narrow(1, start: 1, length: 8).tril_(1)
    there.transpose(1, 2).narrow(1, start: 1, length: 8).tril_(1)
    #expect(there.cpu().isEqual(to: here))
    let leaf = Tensor.ones([3, 3], device: device).requiresGrad_()
    leaf.triu(1).sum().backward()
    #expect(leaf.grad!.array(of: Float.self) == [0, 1, 1, 0, 0, 1, 0, 0, 0])
  }
}

extension StreamTests {
  /// A graph has draws of its own at each replay, which the generator's seed decides.
  @Test func replaysDrawAnew() {
    let device = Device.cuda(2)
    func replays(_ seed: Int) -> [[Float]] {
      let generator = Generator(seed: seed)
      let out = Tensor.zeros([2, 40], device: device)
      let graph = CUDA.graph(device) {
        out[0].normal_(generator: generator)
        out[1].normal_(generator: generator)
        return out
      }
      let before = generator.state
      let all = (0..<3).map { _ in graph.replay().cpu().flatten().array(of: Float.self) }
      generator.state = before
      #expect(graph.replay().cpu().flatten().array(of: Float.self) == all[0])
      return all
    }
    let all = replays(1)
    #expect(Set(all.flatMap { [$0[..<40], $0[40...]] }.map(Array.init)).count == 6)
    #expect(all.flatMap { $0 }.allSatisfy { $0 != 0 && abs($0) < 6 })
    #expect(replays(1) == all && replays(2) != all)
  }

  /// What is computed again for the backward pass draws what it drew before.
  @Test func checkpointsOfAGraphDrawAgain() {
    let device = Device.cuda(2)
    let x = Tensor.ones([200], device: device).requiresGrad_()
    func step() -> Tensor {
      let y = checkpoint { (x * 1).dropout(0.5) * x }
      x.grad = nil
      y.sum().backward()
      return y.detach()
    }
    func agree(_ y: Tensor, _ gradient: Tensor) -> Bool { (y * 2).cpu().isEqual(to: gradient.cpu()) }
    withGenerator(Generator(seed: 4)) {
      #expect(agree(step(), x.grad!))
      let graph = CUDA.graph(device) {
        _ = Tensor.rand([5], device: device)
        let y = step()
        return (y, x.grad!)
      }
      var seen: Set<[Float]> = []
      for _ in 0..<2 {
        let (y, gradient) = graph.replay()
        #expect(agree(y, gradient))
        seen.insert(y.array(of: Float.self))
      }
      #expect(seen.count == 2 && seen.allSatisfy { Set($0) == [0, 2] })
    }
  }
}
