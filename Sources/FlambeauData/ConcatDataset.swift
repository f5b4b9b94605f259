import Flambeau

/// The samples of several data sets, one data set after the other. Torch's `ConcatDataset`; `a + b` is one of two.
public struct ConcatDataset<Sample: Collatable>: Dataset {
  /// What it is made of.
  public let datasets: [any Dataset<Sample>]
  /// How many samples there are up to the end of each data set.
  public let cumulativeSizes: [Int]

  /// Of data sets of any types that have the same samples.
  public init(_ datasets: [any Dataset<Sample>]) {
    self.datasets = datasets
    var sum = 0
    cumulativeSizes = datasets.map { dataset in
      sum += dataset.count
      return sum
    }
  }

  /// Of data sets of one type.
  public init<Base: Dataset<Sample>>(_ datasets: [Base]) { self.init(datasets as [any Dataset<Sample>]) }

  /// How many there are.
  public var count: Int { cumulativeSizes.last ?? 0 }

  /// The sample at `index`.
  public func sample(at index: Int) throws -> Sample {
    let (number, place) = try place(of: index)
    return try datasets[number].sample(at: place)
  }

  /// The samples at `indices` as a batch, if they are of one data set.
  public func batch(at indices: [Int]) throws -> Sample.Batch? {
    let places = try indices.map(place(of:))
    guard let first = places.first, places.allSatisfy({ $0.number == first.number }) else { return nil }
    return try datasets[first.number].batch(at: places.map(\.place))
  }

  /// The data set that has sample `index`, and which of its own it is.
  private func place(of index: Int) throws -> (number: Int, place: Int) {
    try check(index)
    var (low, high) = (0, cumulativeSizes.count)
    while low < high {
      let middle = (low + high) / 2
      if cumulativeSizes[middle] > index { high = middle } else { low = middle + 1 }
    }
    return (low, index - (low == 0 ? 0 : cumulativeSizes[low - 1]))
  }
}

extension Dataset {
  /// The samples of one data set and then those of the other.
  public static func + (first: Self, second: some Dataset<Sample>) -> ConcatDataset<Sample> { ConcatDataset([first, second]) }
}
