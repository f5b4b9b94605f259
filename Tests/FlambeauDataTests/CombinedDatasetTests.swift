import Flambeau
import FlambeauData
import Testing

@Suite struct CombinedDatasetTests {
  @Test func oneDataSetComesAfterTheOther() throws {
    let data = Numbers(count: 3) + Numbers(count: 0) + Made(count: 2) { 10 + $0 }
    #expect(data.count == 5)
    #expect(try (0..<5).map(data.sample) == [0, 1, 2, 10, 11])
    #expect(DataLoader(data, batchSize: 2).epoch() == [[0, 1], [2, 10], [11]])
    for bad in [-1, 5] { #expect(throws: TensorError.self) { try data.sample(at: bad) } }
    let many = ConcatDataset([Numbers(count: 2), Numbers(count: 1), Numbers(count: 4)])
    #expect(many.cumulativeSizes == [2, 3, 7])
    #expect(try (0..<7).map(many.sample) == [0, 1, 0, 0, 1, 2, 3])
    #expect(ConcatDataset<Int>([]).count == 0)
  }

  /// A batch from within one data set is made as that data set makes it.
  @Test func wholeBatchesComeFromOneDataSet() throws {
    func rows(_ range: Range<Int>) -> TensorDataset { TensorDataset(Tensor(range.map { Float($0) }), Tensor(Array(range))) }
    let data = ConcatDataset([rows(0..<3), rows(10..<14)])
    #expect(try data.batch(at: [4, 6])?.target.array(of: Int.self) == [11, 13])
    for indices in [[2, 3], []] { #expect(try data.batch(at: indices) == nil) }
    #expect(throws: TensorError.self) { try data.batch(at: [7]) }
    let batches = DataLoader(data, batchSize: 4).map { $0.target.array(of: Int.self) }
    #expect(batches == [[0, 1, 2, 10], [11, 12, 13]])
  }

  /// `random_split(range(10), [6, 4], generator=g)`, of 11 samples by fractions, with seed 6 in torch 2.13.
  @Test func splitsAreTorchs() {
    func split(_ lengths: [Int]) -> [[Int]] {
      Numbers(count: 10).randomSplit(lengths, generator: Generator(seed: 6)).map(\.indices)
    }
    func split(_ fractions: [Double]) -> [[Int]] {
      Numbers(count: 11).randomSplit(fractions, generator: Generator(seed: 6)).map(\.indices)
    }
    #expect(split([6, 4]) == [[0, 7, 5, 1, 8, 3], [9, 2, 4, 6]])
    #expect(split([0, 10]) == [[], [0, 7, 5, 1, 8, 3, 9, 2, 4, 6]])
    #expect(split([0.7, 0.2, 0.1]) == [[2, 0, 8, 7, 1, 4, 5, 9], [3, 6], [10]])
    #expect(split([0.35, 0.35, 0.3]) == [[2, 0, 8, 7], [1, 4, 5, 9], [3, 6, 10]])
    #expect(split([0.5, 0.5]) == [[2, 0, 8, 7, 1, 4], [5, 9, 3, 6, 10]])
    let current = Generator(seed: 6)
    let parts = withGenerator(current) { Numbers(count: 10).randomSplit([6, 4]) }
    #expect(parts[1].indices == [9, 2, 4, 6] && current.nextInt64() == 8_947_202_472_591_840_537)
  }

  @Test func splitsMustFit() {
    func problem(_ body: () -> Void) -> String? {
      let error = #expect(throws: TensorError.self) { try withTensorErrors(body) }
      #expect(error?.operation == "random_split")
      return error?.message
    }
    let data = Numbers(count: 10)
    let sum = "Sum of input lengths does not equal the length of the input dataset!"
    #expect(problem { _ = data.randomSplit([6, 3])[1] } == sum)
    #expect(problem { _ = data.randomSplit([11, -1]) } == sum)
    #expect(problem { _ = data.randomSplit([1.5, -0.5]) } == "Fraction at index 0 is not between 0 and 1")
    #expect(problem { _ = data.randomSplit([0.5, 0.25]) } == "Sum of input fractions is 0.75, not 1")
  }
}
