import Flambeau

/// A data set whose samples are made from another's.
public struct MappedDataset<Base: Dataset, Sample: Collatable>: Dataset {
  /// The data set it is made from.
  public let base: Base
  fileprivate let transform: @Sendable (Base.Sample) throws -> Sample

  /// How many there are.
  public var count: Int { base.count }
  /// The sample at `index`.
  public func sample(at index: Int) throws -> Sample { try transform(base.sample(at: index)) }
}

extension Dataset {
  /// Every sample changed by `transform` when it is asked for, on the thread that asks.
  public func map<Changed: Collatable>(
    _ transform: @escaping @Sendable (Sample) throws -> Changed
  ) -> MappedDataset<Self, Changed> {
    MappedDataset(base: self, transform: transform)
  }
}

extension Dataset where Sample == Example {
  /// Every input changed by `transform`; the targets stay.
  public func mapInputs(
    _ transform: @escaping @Sendable (Tensor) throws -> Tensor
  ) -> MappedDataset<Self, Example> {
    map { Example(try transform($0.input), $0.target) }
  }
}
