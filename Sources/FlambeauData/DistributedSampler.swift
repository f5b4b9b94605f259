import Flambeau
import Synchronization

/// The share of one of several processes that learn from the same data together. Torch's `DistributedSampler`, with its bits.
///
/// Every process is given equally many samples: at the end some are repeated, or left out with `dropLast`. Call ``setEpoch(_:)``
/// before each epoch, or every epoch has the same order.
public final class DistributedSampler: Sampler {
  /// The number of processes, and which of them this is.
  public let replicas: Int
  /// Which of the processes this is.
  public let rank: Int
  /// The order is drawn anew in each epoch.
  public let shuffle: Bool
  /// A last batch that is not full is left out.
  public let dropLast: Bool
  /// The same in every process.
  public let seed: UInt64
  private let total: Int
  private let epoch = Atomic<Int>(0)

  /// An error unless `rank` is in `0..<replicas`.
  public init(
    count: Int, replicas: Int, rank: Int, shuffle: Bool = true, seed: UInt64 = 0, dropLast: Bool = false,
    file: StaticString = #fileID, line: UInt = #line
  ) {
    let isSensible = replicas > 0 && (0..<replicas).contains(rank)
    self.replicas = isSensible ? replicas : 1
    self.rank = isSensible ? rank : 0
    self.shuffle = shuffle
    self.dropLast = dropLast
    self.seed = seed
    total = max(count, 0)
    if !isSensible {
      Door.fail(
        TensorError(.argument, "Invalid rank \(rank), rank should be in the interval [0, \(replicas - 1)]"),
        in: "DistributedSampler", file: file, line: line)
    }
  }

  /// The samples of this process in an epoch.
  public var count: Int { dropLast ? total / replicas : (total + replicas - 1) / replicas }

  /// Which epoch's order comes next.
  public func setEpoch(_ epoch: Int) { self.epoch.store(epoch, ordering: .relaxed) }

  /// The order of an epoch.
  public func indices() -> [Int] {
    let epoch = epoch.load(ordering: .relaxed)
    let order = shuffle ? Generator(seed: Int64(bitPattern: seed) &+ Int64(epoch)).permutation(total) : Array(0..<total)
    // Past the end the order begins again.
    return (0..<count).map { order[($0 * replicas + rank) % total] }
  }
}
