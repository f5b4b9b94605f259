import Flambeau
import FlambeauData
import Testing

@Suite struct DatasetTests {
  static let inputs = Tensor((0..<30).map { Float($0) }, shape: [5, 2, 3])
  static let targets = Tensor([7, 8, 9, 10, 11])

  @Test func tensorsAreSamplesRowByRow() throws {
    let data = TensorDataset(Self.inputs, Self.targets)
    let one = try data.sample(at: 3)
    #expect(one.input.shape == [2, 3] && one.input.array(of: Int.self) == Array(18..<24))
    #expect(one.target.shape == [] && one.target.item() == 10)
    for (input, target) in DataLoader(data, batchSize: 5) {
      #expect(input.shape == [5, 2, 3] && input.dtype == .float32)
      #expect(input.array(of: Int.self) == Array(0..<30) && target.array(of: Int.self) == [7, 8, 9, 10, 11])
    }
    for bad in [-1, 5] { #expect(throws: TensorError.self) { try data.sample(at: bad) } }
  }

  /// A batch assembled at once equals the samples put together.
  @Test(arguments: DType.allCases)
  func wholeBatchesEqualCollatedSamples(dtype: DType) throws {
    let wide = Tensor((0..<84).map { Int64($0 * 5 % 7) }, shape: [7, 3, 4]).to(dtype)
    for inputs in [wide, wide.transpose(0, 1), wide.narrow(0, start: 2, length: 3), wide.narrow(1, start: 1, length: 2)] {
      let data = TensorDataset(inputs, inputs.narrow(2, start: 0, length: 1))
      let indices = [2, 0, 1, 2]
      let whole = try #require(try data.batch(at: indices))
      let collated = try Example.collate(indices.map { try data.sample(at: $0) })
      #expect(whole.input.dtype == dtype && whole.input.shape == collated.input.shape)
      #expect(whole.input.array(of: Double.self) == collated.input.array(of: Double.self))
      #expect(whole.target.array(of: Double.self) == collated.target.array(of: Double.self))
      let row = inputs.narrow(0, start: 1, length: 1).array(of: Double.self)
      #expect(Array(whole.input.narrow(0, start: 2, length: 1).array(of: Double.self)) == row)
    }
  }

  @Test func rowsWithoutElements() throws {
    let data = TensorDataset(Tensor.ones([3, 0]), Tensor.zeros([3, 2, 0]))
    let batch = try #require(try data.batch(at: [1, 1]))
    #expect(batch.input.shape == [2, 0] && batch.target.shape == [2, 2, 0])
    #expect(try Example.collate([data.sample(at: 0)]).input.shape == [1, 0])
  }

  @Test func batchesDoNotShareTheDataSetsMemory() throws {
    let data = TensorDataset(Self.inputs, Self.targets)
    #expect(try data.sample(at: 1).input.storageOffset == 6)
    #expect(try #require(try data.batch(at: [1])).input.storageOffset == 0)
  }

  @Test func tensorsMustBeOfOneLength() {
    for (a, b) in [(Tensor.ones([3, 2]), Tensor.ones([2])), (Tensor(1), Tensor(2))] {
      let error = #expect(throws: TensorError.self) { try withTensorErrors { #expect(TensorDataset(a, b).count == 0) } }
      #expect(error?.message.hasPrefix("Size mismatch between tensors") == true)
      #expect(error?.operation == "TensorDataset")
    }
  }

  @Test func gradientsAreNotDroppedSilently() {
    let data = TensorDataset(Tensor.ones([3, 2]).requiresGrad_(), Self.targets.narrow(0, start: 0, length: 3))
    let error = #expect(throws: TensorError.self) {
      try withTensorErrors { for _ in DataLoader(data, batchSize: 2) {} }
    }
    #expect(error?.message.contains("a batch cannot be made of a tensor that requires grad: detach() it") == true)
  }

  @Test(arguments: [0, 2])
  func subsetsAndMaps(workers: Int) throws {
    let subset = Numbers(count: 10).subset([9, 3, 3, 0])
    #expect(subset.count == 4)
    #expect(DataLoader(subset, batchSize: 3, workers: workers).epoch() == [[9, 3, 3], [0]])
    let doubled = subset.map { Double($0) / 2 }
    for batch in DataLoader(doubled, batchSize: 4, workers: workers) {
      #expect(batch.dtype == .float64 && batch.array(of: Double.self) == [4.5, 1.5, 1.5, 0])
    }
    let words = subset.map { "n\($0)" }
    #expect(DataLoader(words, batchSize: 2, workers: workers).map { $0 } == [["n9", "n3"], ["n3", "n0"]])
    struct Summed: Collatable {
      let value: Int
      static func collate(_ samples: [Summed]) -> Int { samples.reduce(0) { $0 + $1.value } }
    }
    let sums = subset.map { Summed(value: $0) }
    #expect(DataLoader(sums, batchSize: 2, workers: workers).map { $0 } == [12, 3])
    let examples = subset.map { Example(Tensor([Float($0)]), Tensor($0)) }.mapInputs { $0 + 1.0 }
    for (input, target) in DataLoader(examples, batchSize: 4, workers: workers) {
      #expect(input.shape == [4, 1] && input.array(of: Int.self) == [10, 4, 4, 1])
      #expect(target.shape == [4] && target.dtype == .int64)
    }
  }

  @Test func subsetsOfTensorsAreAssembledAtOnce() throws {
    let subset = TensorDataset(Self.inputs, Self.targets).subset([4, 1])
    #expect(try #require(try subset.batch(at: [1, 0, 1])).target.array(of: Int.self) == [8, 11, 8])
    #expect(throws: TensorError.self) { try subset.batch(at: [2]) }
    #expect(throws: TensorError.self) { try subset.sample(at: 2) }
  }

  @Test func subsetsNameSamplesThatExist() {
    let error = #expect(throws: TensorError.self) {
      try withTensorErrors { #expect(Numbers(count: 3).subset([0, 3]).count == 0) }
    }
    #expect(error?.message == "index 3 is out of range for a data set of 3 samples")
  }

  @Test func collating() throws {
    #expect(Int.collate([1, 2]).dtype == .int64)
    #expect(Float.collate([1]).dtype == .float32)
    #expect(Bool.collate([true, false]).array(of: Bool.self) == [true, false])
    let transposed = Tensor((0..<6).map { Int64($0) }, shape: [2, 3]).T
    #expect(try Tensor.collate([transposed, transposed]).array(of: Int.self) == [0, 3, 1, 4, 2, 5, 0, 3, 1, 4, 2, 5])
    #expect(throws: TensorError.self) { try Tensor.collate([]) }
    #expect(throws: TensorError.self) { try Tensor.collate([Tensor.ones([2]), Tensor.ones([2], dtype: .float64)]) }
  }
}
