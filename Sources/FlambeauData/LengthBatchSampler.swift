import Flambeau

/// Batches of samples of about equal length, so that little of a padded batch is padding.
///
/// The samples are shuffled, each stretch of `batchSize` × `pool` of them is sorted by length and cut into batches, and these are
/// shuffled again: every epoch has other batches. Without `shuffle`, samples are sorted once, longest first.
public struct LengthBatchSampler: BatchOrder {
  /// The length of each sample.
  public let lengths: [Int]
  /// Samples in a batch.
  public let batchSize: Int
  /// How many batches are sorted by length at a time.
  public let pool: Int
  /// The order is drawn anew in each epoch.
  public let shuffle: Bool
  /// A last batch that is not full is left out.
  public let dropLast: Bool
  /// Where the order is drawn from; nil for the default.
  public let generator: Generator?

  /// - Parameters:
  ///   - lengths: The length of each sample.
  ///   - pool: How many batches are sorted together: more means less padding and less chance.
  ///   - generator: Where orders come from, instead of the current generator.
  public init(
    lengths: [Int], batchSize: Int, pool: Int = 50, shuffle: Bool = true, dropLast: Bool = false, generator: Generator? = nil,
    file: StaticString = #fileID, line: UInt = #line
  ) {
    self.lengths = lengths
    self.batchSize = max(batchSize, 1)
    self.pool = max(pool, 1)
    self.shuffle = shuffle
    self.dropLast = dropLast
    self.generator = generator
    if batchSize < 1 || pool < 1 {
      Door.fail(
        TensorError(.argument, "batchSize and pool should be positive, but got \(batchSize) and \(pool)"),
        in: "LengthBatchSampler", file: file, line: line)
    }
  }

  /// How many there are.
  public var count: Int { dropLast ? lengths.count / batchSize : (lengths.count + batchSize - 1) / batchSize }

  /// The batches of an epoch.
  public func batches() -> [[Int]] {
    let random = shuffle ? generator ?? Generator(seed: Generator.current.nextInt64()) : nil
    let order = random?.permutation(lengths.count) ?? Array(lengths.indices)
    let stretch = shuffle ? batchSize * pool : max(order.count, 1)
    var batches: [[Int]] = []
    for start in stride(from: 0, to: order.count, by: stretch) {
      // Of equal lengths the order decides: sorting is stable only by that.
      let sorted = order[start..<min(start + stretch, order.count)].enumerated()
        .sorted { (lengths[$0.element], $1.offset) > (lengths[$1.element], $0.offset) }.map(\.element)
      for first in stride(from: 0, to: sorted.count, by: batchSize) {
        batches.append(Array(sorted[first..<min(first + batchSize, sorted.count)]))
      }
    }
    if dropLast { batches.removeAll { $0.count < batchSize } }
    guard let random else { return batches }
    return random.permutation(batches.count).map { batches[$0] }
  }
}
