import Flambeau
import Synchronization

/// What a ``DataLoader`` does with a sample that cannot be made.
public enum UnreadableSample: Sendable {
  /// It is misuse: it fails the enclosing `withTensorErrors`, or stops the program, with a sentence that holds the error.
  case fail
  /// The sample is left out of its batch and counted.
  case skip
}

/// The batches of a data set, as a sequence that starts a new epoch each time it is iterated. Torch's `DataLoader`.
///
///     for (images, labels) in DataLoader(Digits.train, batchSize: 64, shuffle: true) { … }
///
/// The order for a seed is torch's. An epoch draws a base seed, and the random draws inside
/// ``Dataset/sample(at:)`` depend on it and on the index alone: batches are equal for any number of workers. Leaving a
/// loop early ends the workers.
public final class DataLoader<Source: Dataset>: Sequence, Sendable {
  public let dataset: Source
  public let sampler: BatchSampler
  public let workers: Int
  /// The batches that each worker makes ahead of the loop, at most.
  public let prefetch: Int
  public let onError: UnreadableSample
  /// `Generator` alone is an old name of `Iterator` in a sequence.
  private let generator: Flambeau.Generator?
  private let file: StaticString
  private let line: UInt
  private let skippedSamples = Atomic<Int>(0)

  /// - Parameters:
  ///   - batchSize: The samples in a batch; the last one of an epoch may be smaller, or is left out with `dropLast`.
  ///   - shuffle: Another random order each epoch, instead of `0..<count`.
  ///   - sampler: The order instead; not together with `shuffle`.
  ///   - generator: Where orders and base seeds come from, instead of the current generator.
  ///   - workers: Threads that make batches ahead of the loop; with 0 the loop's own thread makes each when asked.
  ///   - prefetch: The batches that each worker makes ahead, at most; torch's `prefetch_factor`.
  ///   - onError: What becomes of a sample that cannot be made.
  public init(
    _ dataset: Source, batchSize: Int = 1, shuffle: Bool = false, sampler: (any Sampler)? = nil, dropLast: Bool = false,
    generator: Flambeau.Generator? = nil, workers: Int = 0, prefetch: Int = 2, onError: UnreadableSample = .fail,
    file: StaticString = #fileID, line: UInt = #line
  ) {
    self.dataset = dataset
    self.generator = generator
    self.workers = Swift.max(workers, 0)
    self.prefetch = Swift.max(prefetch, 1)
    self.onError = onError
    self.file = file
    self.line = line
    let order: any Sampler =
      sampler
      ?? (shuffle
        ? RandomSampler(count: dataset.count, generator: generator) : SequentialSampler(count: dataset.count))
    self.sampler = BatchSampler(order, batchSize: batchSize, dropLast: dropLast, file: file, line: line)
    if shuffle && sampler != nil { refuse("sampler option is mutually exclusive with shuffle") }
    if workers < 0 { refuse("workers should be non-negative, but got workers=\(workers)") }
    if prefetch < 1 { refuse("prefetch should be positive, but got prefetch=\(prefetch)") }
  }

  private func refuse(_ message: String) { report(TensorError(.argument, message)) }

  /// The number of batches in an epoch.
  public var count: Int { sampler.count }

  /// The samples left out so far because they could not be made, over all epochs. They count when the loop comes to them.
  public var skipped: Int { skippedSamples.load(ordering: .relaxed) }

  /// Starts an epoch: draws its base seed and its order, and starts the workers.
  public func makeIterator() -> Iterator { Iterator(epoch: Epoch(self)) }

  /// The batches of one epoch. Its copies share their place in it.
  public struct Iterator: IteratorProtocol {
    fileprivate let epoch: Epoch<Source>

    public mutating func next() -> Source.Sample.Batch? { epoch.next() }
  }

  fileprivate func plan() -> EpochPlan<Source> {
    let context = Context.current
    if context.isFailed {
      return EpochPlan(dataset: dataset, batches: [], baseSeed: 0, context: context, onError: onError)
    }
    let baseSeed = (generator ?? Flambeau.Generator.current).nextInt64()
    return EpochPlan(
      dataset: dataset, batches: sampler.batches(), baseSeed: baseSeed, context: context, onError: onError)
  }

  fileprivate func countSkipped(_ samples: Int) { skippedSamples.wrappingAdd(samples, ordering: .relaxed) }

  fileprivate func report(_ error: TensorError) { Door.fail(error, in: "DataLoader", file: file, line: line) }
}

/// One pass over the loader's batches.
private final class Epoch<Source: Dataset> {
  private let loader: DataLoader<Source>
  private let plan: EpochPlan<Source>
  private let random = Generator()
  private var prefetcher: Prefetcher<Source.Sample.Batch>?
  private var position = 0

  init(_ loader: DataLoader<Source>) {
    self.loader = loader
    plan = loader.plan()
    if loader.workers > 0 {
      let plan = plan
      prefetcher = Prefetcher(count: plan.batches.count, workers: loader.workers, ahead: loader.prefetch) {
        let random = Generator()
        return { plan.make($0, drawingFrom: random) }
      }
    }
  }

  func next() -> Source.Sample.Batch? {
    while position < plan.batches.count && !Context.current.isFailed {
      let made = recordFunction("DataLoader.next") { prefetcher?.take() ?? plan.make(position, drawingFrom: random) }
      position += 1
      loader.countSkipped(made.skipped)
      if let error = made.error {
        end()
        loader.report(error)
      } else if let batch = made.batch {
        return batch
      }
    }
    end()
    return nil
  }

  /// No batch will be asked for any more.
  private func end() {
    position = plan.batches.count
    prefetcher = nil
  }
}
