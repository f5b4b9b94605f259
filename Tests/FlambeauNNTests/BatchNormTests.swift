@testable import Flambeau
import FlambeauNN
import Testing

/// Running statistics when several tasks train with one layer.
@Suite struct BatchNormTests {
  /// With `momentum` nil the statistics are averages over all batches, whatever their order: a lost one would show.
  @Test func concurrentBatchesAreAllCounted() async {
    let layer = BatchNorm1d(3, momentum: nil, dtype: .float64)
    let (tasks, rounds) = (8, 40)
    let batches = (0..<tasks * rounds).map { (i: Int) -> Tensor in
      let numbers = (0..<12).map { (place: Int) -> Double in Double((place * 7 + i * 5) % 23 + i) }
      return Tensor(numbers, shape: [4, 3])
    }
    await withTaskGroup(of: Void.self) { group in
      for task in 0..<tasks {
        group.addTask { for round in 0..<rounds { _ = layer(batches[task * rounds + round]) } }
      }
    }
    let all = Tensor.stack(batches)
    #expect(layer.numBatchesTracked!.tensor.item() == Double(tasks * rounds))
    #expect(layer.runningMean!.tensor.allClose(all.mean(dim: 1).mean(dim: 0), rtol: 1e-10))
    #expect(layer.runningVar!.tensor.allClose(all.var(dim: 1).mean(dim: 0), rtol: 1e-10))
  }

  /// Torch's `update_bn`: means over all batches, with the layer's momentum back afterwards.
  @Test func statisticsAreMadeAgain() {
    let model = Sequential(BatchNorm1d(3, momentum: 0.5), Dropout(0.5))
    let norm = model[0] as! BatchNorm1d
    _ = model(.ones([4, 3]))
    model[1].eval()
    let batches = (0..<3).map { Tensor.randn([5, 3], generator: Generator(seed: $0)) + Double($0) }
    updateBN(model) { for batch in batches { _ = model(batch) } }
    let all = Tensor.stack(batches)
    #expect(norm.runningMean!.tensor.allClose(all.mean(dim: 1).mean(dim: 0), rtol: 1e-5))
    #expect(norm.runningVar!.tensor.allClose(all.var(dim: 1).mean(dim: 0), rtol: 1e-5))
    #expect(norm.numBatchesTracked!.tensor.item() == 3)
    let before = norm.runningMean!.tensor.clone()
    let y = model(.zeros([4, 3]))
    #expect(norm.runningMean!.tensor.allClose(before * 0.5) && y.requiresGrad)
    #expect(model[1](.ones([50])).floats == Array(repeating: 1, count: 50))
  }

  /// The statistics are written outside every graph, and counted as writes.
  @Test func aBatchIsOneWrite() {
    let layer = BatchNorm2d(2)
    let statistics = [layer.runningMean, layer.runningVar, layer.numBatchesTracked].map { $0!.tensor }
    let y = layer(Tensor.ones([2, 2, 3, 3]).requiresGrad_())
    #expect(y.requiresGrad && !statistics.contains(where: \.requiresGrad))
    #expect(statistics.map { $0.body.storage.version.load(ordering: .relaxed) } == [1, 1, 1])
    y.sum().backward()
  }

  @Test func statisticsOfAnotherSizeAreRefused() {
    let layer = BatchNorm1d(3)
    layer.runningMean!.tensor = .zeros([2])
    let error = #expect(throws: TensorError.self) { try withTensorErrors { _ = layer(.ones([4, 3])) } }
    #expect(error?.message == "running_mean should contain 3 elements not 2")
    #expect(layer.numBatchesTracked!.tensor.item() == 0)
  }
}
