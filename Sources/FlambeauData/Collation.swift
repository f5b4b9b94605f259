/// A sample that brings along how it becomes a batch: what ``Dataset/collated(by:)`` makes samples to.
public struct Collated<Base: Sendable, Batch: Sendable>: Collatable {
  /// The sample.
  public let sample: Base
  fileprivate let collation: @Sendable ([Base]) throws -> Batch

  /// A batch of the samples.
  public static func collate(_ samples: [Collated]) throws -> Batch { try samples[0].collation(samples.map(\.sample)) }
}

extension Dataset {
  /// The same samples, put together to batches by `collation`; torch's `collate_fn`. It runs on the thread that makes the batch,
  /// on at least one sample.
  ///
  ///     // Sequences of different lengths, filled up with zeros: [batch, longest].
  ///     let sentences = data.collated { padSequence($0, batchFirst: true) }
  public func collated<Batch: Sendable>(
    by collation: @escaping @Sendable ([Sample]) throws -> Batch
  ) -> MappedDataset<Self, Collated<Sample, Batch>> {
    map { Collated(sample: $0, collation: collation) }
  }
}
