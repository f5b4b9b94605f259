import Foundation
import Testing

@testable import Flambeau

/// Parts of networks on an emulated GPU beside the processor: what no sample of the operator table asks for.
@Suite(.enabled(if: EmulatedDevice.isThere, "no clang++")) struct DeviceLayerTests {
  private static func agrees(_ tolerance: Double = 2e-5, _ body: (Device) throws -> [Tensor]) throws {
    let (mine, expected) = (try body("cuda"), try body(.cpu))
    #expect(mine.count == expected.count)
    for (i, (a, b)) in zip(mine, expected).enumerated() {
      let a = a.cpu()
      #expect(a.dtype == b.dtype && a.shape == b.shape)
      let isSame = a.dtype.isFloatingPoint ? a.allClose(b, rtol: tolerance, atol: tolerance / 10) : a.isEqual(to: b)
      #expect(isSame, "result \(i): \(a), the processor has \(b)")
    }
  }

  private static func drawn(_ shape: Shape, _ seed: UInt64, on device: Device, _ dtype: DType = .float32) -> Tensor {
    Tensor.randn(shape, generator: Generator(seed: seed)).to(dtype).to(device)
  }

  // MARK: Batch normalisation

  private struct Norm {
    let statistics: RunningStatistics
    let lock = Lock()

    init(_ channels: Int, on device: Device) {
      statistics = RunningStatistics(
        mean: .zeros([channels], device: device), variance: .ones([channels], device: device),
        count: Tensor(0 as Int64).to(device))
    }

    func step(_ x: Tensor, _ weight: Tensor, _ bias: Tensor, momentum: Double?) -> Tensor {
      let (y, mean, variance) = x.batchNorm(weight: weight, bias: bias)
      noGrad { statistics.add(mean: mean, variance: variance, momentum: momentum, under: lock, operation: "BatchNorm") }
      return y
    }
  }

  @Test(arguments: [0.1, nil]) func batchNormKeepsStatistics(momentum: Double?) throws {
    try Self.agrees { device in
      let norm = Norm(3, on: device)
      let (weight, bias) = (Self.drawn([3], 1, on: device).requiresGrad_(), Self.drawn([3], 2, on: device).requiresGrad_())
      for step in 0..<3 {
        let x = Self.drawn([4, 3, 5], 7 + UInt64(step), on: device) * 2 + 1
        (norm.step(x, weight, bias, momentum: momentum) * Self.drawn([4, 3, 5], 20, on: device)).sum().backward()
      }
      let all = norm.statistics
      let y = Self.drawn([2, 3, 5], 30, on: device).batchNorm(mean: all.mean, variance: all.variance, weight: weight, bias: bias)
      return [all.mean, all.variance, all.count, weight.grad!, bias.grad!, y.detach()]
    }
  }

  /// A graph refuses whatever would wait for the GPU.
  @Test func aStepOfBatchNormWaitsForNothing() throws {
    let backend = EmulatedDevice.backends[1]
    let device: Device = "cuda:1"
    let norm = Norm(3, on: device)
    let (weight, bias) = (Self.drawn([3], 1, on: device).requiresGrad_(), Self.drawn([3], 2, on: device).requiresGrad_())
    let x = Self.drawn([4, 3, 2, 2], 3, on: device).requiresGrad_()
    let g = Self.drawn([4, 3, 2, 2], 4, on: device)
    func step() -> [Tensor] {
      let y = norm.step(x, weight, bias, momentum: 0.1)
      return [y] + Tensor.grad(of: [y], withRespectTo: [x, weight, bias], gradients: [g]).map { $0! }
    }
    // What was made on the default stream is there.
    try backend.gpu.synchronize()
    let stream = try backend.streams.next()
    var kept: [Tensor] = []
    try GPUStreams.with(stream) {
      let first = step().map { $0.detach().cpu() }
      let graph = try GPUGraph.capture(on: stream, memory: backend.memory) { () throws(TensorError) in kept = step() }
      try graph.replay(on: stream)
      for (a, b) in zip(kept, first) { #expect(a.detach().cpu().isEqual(to: b)) }
      #expect(norm.statistics.count.item() == 2)
      withExtendedLifetime(graph) { kept = [] }
    }
  }

  @Test func statisticsElsewhereAreRefused() throws {
    let norm = Norm(3, on: .cpu)
    let x = Self.drawn([4, 3], 1, on: "cuda")
    let error = #expect(throws: TensorError.self) {
      try withTensorErrors { _ = norm.step(x, Self.drawn([3], 2, on: "cuda"), Self.drawn([3], 3, on: "cuda"), momentum: 0.1) }
    }
    #expect(error?.message.contains("cuda:0 and cpu") == true, "\(error?.message ?? "")")
    #expect(norm.statistics.mean.isEqual(to: .zeros([3])) && norm.statistics.count.item() == 0)
  }

  @Test func groupsOfHalves() throws {
    // A bfloat16 rounds to one of two neighbours, 2⁻⁷ apart.
    try Self.agrees(0x1p-7) { device in
      let x = Self.drawn([3, 6, 4, 2], 1, on: device, .bfloat16).requiresGrad_()
      let (weight, bias) = (Self.drawn([6], 2, on: device).requiresGrad_(), Self.drawn([6], 3, on: device).requiresGrad_())
      let y = x.groupNorm(2, weight: weight, bias: bias)
      let gradients = Tensor.grad(
        of: [y], withRespectTo: [x, weight, bias], gradients: [Self.drawn([3, 6, 4, 2], 4, on: device, .bfloat16)])
      return [y.detach()] + gradients.map { $0! }
    }
  }

  // MARK: Recurrences

  @Test(arguments: [RecurrentCell.lstm, .gru, .tanh], [false, true])
  func sequencesOfDifferentLengths(cell: RecurrentCell, isReversed: Bool) throws {
    try Self.agrees { device in
      let run = RecurrentRun(batchSizes: [4, 4, 3, 1, 1], isReversed: isReversed)
      func leaf(_ shape: Shape, _ seed: UInt64) -> Tensor { (Self.drawn(shape, seed, on: device) * 0.5).requiresGrad_() }
      let rows = cell.gates * 3
      let leaves =
        [leaf([13, rows], 1), leaf([4, 3], 2), leaf([rows, 3], 3), leaf([rows], 4)] + (cell.hasCell ? [leaf([4, 3], 5)] : [])
      let (output, hidden, state) = leaves[0].recurrence(
        cell, run, hidden: leaves[1], cellState: cell.hasCell ? leaves[4] : nil, leaves[2], leaves[3])
      let results = [output, hidden] + (state.map { [$0] } ?? [])
      let weights = results.enumerated().map { Self.drawn($1.shape, 9 + UInt64($0), on: device) }
      return results.map { $0.detach() } + Tensor.grad(of: results, withRespectTo: leaves, gradients: weights).map { $0! }
    }
  }

  // MARK: Images and volumes

  @Test func bytesInOtherSizes() throws {
    try Self.agrees { device in
      let x = Tensor.randint(0, 256, [2, 3, 7, 9], dtype: .uint8, generator: Generator(seed: 1)).to(device)
      return [
        x.interpolate(size: [5, 13], mode: .bilinear), x.interpolate(size: [11, 4], mode: .bicubic),
        x.interpolate(size: [3, 4], mode: .bilinear, antialias: true),
      ]
    }
  }

  /// The map's numbers are there once they were used; replays may come when nobody else needs it.
  @Test func mapsOfDimensionsAreBroughtOnce() throws {
    let backend = EmulatedDevice.backends[1]
    let x = Self.drawn([1, 2, 5, 6], 1, on: "cuda:1")
    // What was made on the default stream is there.
    try backend.gpu.synchronize()
    let stream = try backend.streams.next()
    try GPUStreams.with(stream) {
      func resized() -> Tensor { x.interpolate(size: [7, 11], mode: .bilinear) }
      let first = resized().cpu()
      var kept: Tensor?
      let graph = try GPUGraph.capture(on: stream, memory: backend.memory) { () throws(TensorError) in kept = resized() }
      try graph.replay(on: stream)
      #expect(kept!.cpu().isEqual(to: first))
      withExtendedLifetime(graph) { kept = nil }
    }
  }

  @Test func maximaOfVolumes() throws {
    try Self.agrees { device in
      let x = Self.drawn([2, 3, 6, 7, 5], 1, on: device).requiresGrad_()
      let (values, indices) = x.maxPool3dWithIndices(
        [2, 3, 2], stride: 2, padding: [1, 1, 0], dilation: [2, 1, 3], ceilMode: true)
      let samples = Tensor.rand([2, 3, 3], generator: Generator(seed: 2))
      let fractional = x.fractionalMaxPool3d(2, outputSize: [3, 4, 2], randomSamples: samples)
      let image = x[0].fractionalMaxPool2d(
        2, outputSize: [3, 2], randomSamples: Tensor.rand([3, 6, 2], generator: Generator(seed: 4)))
      let results = [values, fractional, image]
      let weights = results.enumerated().map { Self.drawn($1.shape, 9 + UInt64($0), on: device) }
      return results.map { $0.detach() } + [indices]
        + Tensor.grad(of: results, withRespectTo: [x], gradients: weights).map { $0! }
    }
  }

  @Test(arguments: [DType.int64, .int32, .uint8]) func integersInWindows(dtype: DType) throws {
    try Self.agrees { device in
      let generator = Generator(seed: 3)
      func drawn(_ shape: Shape) -> Tensor { Tensor.randint(0, 20, shape, generator: generator).to(dtype).to(device) }
      let (x, weight, bias) = (drawn([2, 4, 7, 6]), drawn([6, 2, 3, 2]), drawn([6]))
      let (values, indices) = x.maxPool2dWithIndices(3, stride: 2, padding: 1)
      let means = dtype == .int64 ? [x.avgPool2d([3, 2], stride: 2, padding: 1)] : []
      return [x.conv2d(weight, bias: bias, stride: 2, padding: 1, groups: 2), values, indices] + means
    }
  }
}
