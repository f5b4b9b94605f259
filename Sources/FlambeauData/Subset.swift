import Flambeau

/// Some of a data set's samples, in an order of their own. Torch's `Subset`.
public struct Subset<Base: Dataset>: Dataset {
  /// The data set it is made from.
  public let base: Base
  /// Which samples of `base`; one may appear more than once.
  public let indices: [Int]

  /// How many there are.
  public var count: Int { indices.count }

  /// The sample at `index`.
  public func sample(at index: Int) throws -> Base.Sample {
    try check(index)
    return try base.sample(at: indices[index])
  }

  /// The samples at `indices` as a batch.
  public func batch(at indices: [Int]) throws -> Base.Sample.Batch? {
    for index in indices { try check(index) }
    return try base.batch(at: indices.map { self.indices[$0] })
  }
}

extension Dataset {
  /// The samples that `indices` names; an error if there is no such sample.
  public func subset(
    _ indices: some Sequence<Int>, file: StaticString = #fileID, line: UInt = #line
  ) -> Subset<Self> {
    let indices = Array(indices)
    do {
      for index in indices { try check(index) }
      return Subset(base: self, indices: indices)
    } catch {
      Door.fail(error, in: "subset", file: file, line: line)
      return Subset(base: self, indices: [])
    }
  }
}
