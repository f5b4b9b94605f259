import Flambeau

/// The order in which an epoch asks for samples. Torch's `Sampler`.
public protocol Sampler: Sendable {
  /// The number of indices in an epoch.
  var count: Int { get }
  /// The indices of a new epoch.
  func indices() -> [Int]
}

/// `0..<count` in order.
public struct SequentialSampler: Sampler {
  /// How many there are.
  public let count: Int

  /// The order of a data set of `count` examples.
  public init(count: Int) { self.count = count }

  /// The order of an epoch.
  public func indices() -> [Int] { Array(0..<count) }
}

/// Which samples the batches of an epoch are made of. Torch's `batch_sampler`.
public protocol BatchOrder: Sendable {
  /// The number of batches in an epoch.
  var count: Int { get }
  /// The batches of a new epoch.
  func batches() -> [[Int]]
}

/// A sampler's indices in groups of `batchSize`; the last group may be smaller, or is left out with `dropLast`.
public struct BatchSampler: BatchOrder {
  /// The order of the samples.
  public let sampler: any Sampler
  /// Samples in a batch.
  public let batchSize: Int
  /// A last batch that is not full is left out.
  public let dropLast: Bool

  /// An error unless `batchSize` is positive.
  public init(
    _ sampler: any Sampler, batchSize: Int, dropLast: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) {
    self.sampler = sampler
    self.batchSize = max(batchSize, 1)
    self.dropLast = dropLast
    if batchSize < 1 {
      Door.fail(
        TensorError(.argument, "batch_size should be a positive integer value, but got batch_size=\(batchSize)"),
        in: "BatchSampler", file: file, line: line)
    }
  }

  /// How many there are.
  public var count: Int { dropLast ? sampler.count / batchSize : (sampler.count + batchSize - 1) / batchSize }

  /// The batches of an epoch.
  public func batches() -> [[Int]] {
    let order = sampler.indices()
    let end = dropLast ? order.count / batchSize * batchSize : order.count
    return stride(from: 0, to: end, by: batchSize).map { Array(order[$0..<min($0 + batchSize, end)]) }
  }
}
