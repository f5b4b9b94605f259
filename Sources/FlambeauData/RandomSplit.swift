import Flambeau

extension Dataset {
  /// Subsets of these sizes, without a sample in common: all samples in random order, cut. An error unless the sizes sum up to ``count``.
  /// Torch's `random_split`, with torch's bits.
  ///
  /// - Parameter generator: Where the order comes from, instead of the current generator.
  public func randomSplit(
    _ lengths: [Int], generator: Generator? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> [Subset<Self>] {
    let isWhole = lengths.allSatisfy { $0 >= 0 } && lengths.reduce(0, +) == count
    if !isWhole {
      refuseSplit("Sum of input lengths does not equal the length of the input dataset!", file, line)
    }
    if !isWhole || Context.current.isFailed { return lengths.map { _ in Subset(base: self, indices: []) } }
    let order = (generator ?? .current).permutation(count)
    var start = 0
    return lengths.map { length in
      defer { start += length }
      return Subset(base: self, indices: Array(order[start..<start + length]))
    }
  }

  /// Subsets of these shares of the samples; what rounding leaves over goes to the first ones. An error unless the fractions sum up to 1.
  ///
  /// - Parameter generator: Where the order comes from, instead of the current generator.
  public func randomSplit(
    _ fractions: [Double], generator: Generator? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> [Subset<Self>] {
    let sum = fractions.compensatedSum
    var problem: String?
    if let i = fractions.firstIndex(where: { !(0...1 ~= $0) }) {
      problem = "Fraction at index \(i) is not between 0 and 1"
    } else if !(sum <= 1 && sum >= 1 - 1e-9) {
      problem = "Sum of input fractions is \(sum), not 1"
    }
    if let problem {
      refuseSplit(problem, file, line)
      return fractions.map { _ in Subset(base: self, indices: []) }
    }
    var lengths = fractions.map { Int((Double(count) * $0).rounded(.down)) }
    for i in 0..<count - lengths.reduce(0, +) { lengths[i % lengths.count] += 1 }
    return randomSplit(lengths, generator: generator, file: file, line: line)
  }

  private func refuseSplit(_ problem: String, _ file: StaticString, _ line: UInt) {
    if !Context.current.isFailed { Door.fail(TensorError(.argument, problem), in: "random_split", file: file, line: line) }
  }
}

extension [Double] {
  /// As Python sums: what additions round off is kept (Neumaier, 1974), so that 0.7, 0.2 and 0.1 make 1.
  fileprivate var compensatedSum: Double {
    var (sum, lost) = (0.0, 0.0)
    for number in self {
      let next = sum + number
      lost += abs(sum) >= abs(number) ? (sum - next) + number : (number - next) + sum
      sum = next
    }
    return sum + lost
  }
}
