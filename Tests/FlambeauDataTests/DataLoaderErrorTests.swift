import Flambeau
import FlambeauData
import Testing

@Suite struct DataLoaderErrorTests {
  @Test(arguments: [0, 1, 4])
  func anUnreadableSampleFailsTheScope(workers: Int) throws {
    var seen: [[Int]] = []
    let error = #expect(throws: TensorError.self) {
      try withTensorErrors {
        for batch in DataLoader(numbers(20, without: [9, 11]), batchSize: 4, workers: workers) {
          seen.append(batch.array(of: Int.self))
        }
      }
    }
    #expect(seen == [[0, 1, 2, 3], [4, 5, 6, 7]])
    #expect(error?.kind == .data)
    let text = try "\(#require(error))"
    #expect(text.hasPrefix("DataLoader: sample 9 could not be read: /photos/9.png: the image is damaged at "))
    #expect(text.contains("DataLoaderErrorTests.swift:"))
  }

  @Test func outsideAScopeItStopsTheProgram() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      for _ in DataLoader(numbers(20, without: [9]), batchSize: 4, workers: 2) {}
    }
    let text = String(decoding: result!.standardErrorContent, as: UTF8.self)
    #expect(text.contains("DataLoader: sample 9 could not be read: /photos/9.png: the image is damaged at "))
    #expect(text.contains("DataLoaderErrorTests.swift:"))
  }

  @Test(arguments: [0, 1, 4])
  func skippedSamplesAreCounted(workers: Int) {
    let loader = DataLoader(
      numbers(14, without: [0, 5, 6, 7, 8, 9, 13]), batchSize: 3, workers: workers, onError: .skip)
    #expect(loader.epoch() == [[1, 2], [3, 4], [10, 11], [12]])
    #expect(loader.skipped == 7)
    for _ in loader { break }
    #expect(loader.skipped == 8)
  }

  @Test func allSamplesCanBeUnreadable() {
    let loader = DataLoader(numbers(5, without: [0, 1, 2, 3, 4]), batchSize: 2, workers: 2, onError: .skip)
    #expect(loader.epoch() == [])
    #expect(loader.skipped == 5)
  }

  @Test(arguments: [0, 2])
  func misuseOfTensorsInASampleIsTheSamples(workers: Int) throws {
    let data = Made(count: 6) { index in Tensor.ones([index == 4 ? 5 : 6]).reshape([2, 3]) }
    let loader = DataLoader(data, batchSize: 2, workers: workers, onError: .skip)
    #expect(loader.map { Array($0.shape) } == [[2, 2, 3], [2, 2, 3], [1, 2, 3]])
    #expect(loader.skipped == 1)
    let error = #expect(throws: TensorError.self) {
      try withTensorErrors { for _ in DataLoader(data, batchSize: 2, workers: workers) {} }
    }
    let message = try #require(error).message
    #expect(message.hasPrefix("sample 4 could not be read: reshape: shape '[2, 3]' is invalid for input of size 5"))
  }

  @Test(arguments: [UnreadableSample.fail, .skip])
  func samplesThatDoNotFitTogetherAreAnError(onError: UnreadableSample) throws {
    let data = Made(count: 4) { index in Tensor.ones([index == 3 ? 2 : 3]) }
    let error = #expect(throws: TensorError.self) {
      try withTensorErrors { for _ in DataLoader(data, batchSize: 2, workers: 1, onError: onError) {} }
    }
    #expect(
      try #require(error).message
        == "samples [2, 3] could not be put together to a batch: collate expects each tensor to be equal size, but got [3] "
        + "at entry 0 and [2] at entry 1")
  }

  @Test func aSamplerThatAsksForTooMuchIsAnError() throws {
    struct Beyond: Sampler {
      let count = 2
      func indices() -> [Int] { [0, 9] }
    }
    let data = TensorDataset(Tensor.ones([3, 2]), Tensor([1, 2, 3]))
    let error = #expect(throws: TensorError.self) {
      try withTensorErrors { for _ in DataLoader(data, batchSize: 2, sampler: Beyond()) {} }
    }
    #expect(
      try #require(error).message
        == "sample 9 could not be read: index 9 is out of range for a data set of 3 samples")
  }

  @Test(arguments: [0, 2])
  func aFailedScopeEndsTheLoopAndDrawsNothing(workers: Int) {
    let generator = Generator(seed: 1)
    var steps = 0
    #expect(throws: TensorError.self) {
      try withTensorErrors {
        let loader = DataLoader(Numbers(count: 10), shuffle: true, generator: generator, workers: workers)
        for _ in loader {
          steps += 1
          if steps == 3 { _ = Tensor.ones([2]).reshape([3]) }
        }
        let state = generator.state
        for _ in loader { steps += 100 }
        #expect(generator.state == state)
      }
    }
    #expect(steps == 3)
  }
}
