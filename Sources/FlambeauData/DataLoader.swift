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
/// loop early ends the workers. ``state()`` is the place it has come to.
public final class DataLoader<Source: Dataset>: Sequence, Sendable {
  /// Where samples come from.
  public let dataset: Source
  /// Which samples each batch has.
  public let sampler: any BatchOrder
  /// Threads that make batches ahead; 0 for the caller's own.
  public let workers: Int
  /// The batches that each worker makes ahead of the loop, at most.
  public let prefetch: Int
  /// What happens to a sample that cannot be read.
  public let onError: UnreadableSample
  /// Batches lie in pinned memory, so that `to(device, nonBlocking: true)` need not wait.
  public let pinMemory: Bool
  /// `Generator` alone is an old name of `Iterator` in a sequence.
  private let generator: Flambeau.Generator?
  private let file: StaticString
  private let line: UInt
  private let skippedSamples = Atomic<Int>(0)
  private let place = LoaderPlace()

  /// - Parameters:
  ///   - batchSize: The samples in a batch; the last one of an epoch may be smaller, or is left out with `dropLast`.
  ///   - shuffle: Another random order each epoch, instead of `0..<count`.
  ///   - sampler: The order instead; not together with `shuffle`.
  ///   - generator: Where orders and base seeds come from, instead of the current generator.
  ///   - workers: Threads that make batches ahead of the loop; with 0 the loop's own thread makes each when asked.
  ///   - prefetch: The batches that each worker makes ahead, at most; torch's `prefetch_factor`.
  ///   - onError: What becomes of a sample that cannot be made.
  ///   - pinMemory: Batches are put into pinned memory by the thread that makes them, as ``Collatable/pinned(_:)`` says; without a GPU
  ///     they stay where they are.
  public convenience init(
    _ dataset: Source, batchSize: Int = 1, shuffle: Bool = false, sampler: (any Sampler)? = nil, dropLast: Bool = false,
    generator: Flambeau.Generator? = nil, workers: Int = 0, prefetch: Int = 2, onError: UnreadableSample = .fail,
    pinMemory: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) {
    let order: any Sampler =
      sampler
      ?? (shuffle
        ? RandomSampler(count: dataset.count, generator: generator) : SequentialSampler(count: dataset.count))
    self.init(
      dataset, batches: BatchSampler(order, batchSize: batchSize, dropLast: dropLast, file: file, line: line),
      generator: generator, workers: workers, prefetch: prefetch, onError: onError, pinMemory: pinMemory, file: file,
      line: line)
    if shuffle && sampler != nil { refuse("sampler option is mutually exclusive with shuffle") }
  }

  /// Batches of the samples that `batches` names, such as a ``LengthBatchSampler``; torch's `batch_sampler`.
  public init(
    _ dataset: Source, batches: any BatchOrder, generator: Flambeau.Generator? = nil, workers: Int = 0, prefetch: Int = 2,
    onError: UnreadableSample = .fail, pinMemory: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) {
    self.dataset = dataset
    self.sampler = batches
    self.generator = generator
    self.workers = Swift.max(workers, 0)
    self.prefetch = Swift.max(prefetch, 1)
    self.onError = onError
    self.pinMemory = pinMemory
    self.file = file
    self.line = line
    if workers < 0 { refuse("workers should be non-negative, but got workers=\(workers)") }
    if prefetch < 1 { refuse("prefetch should be positive, but got prefetch=\(prefetch)") }
  }

  private func refuse(_ message: String) { report(TensorError(.argument, message)) }

  /// The number of batches in an epoch.
  public var count: Int { sampler.count }

  /// The samples left out so far because they could not be made, over all epochs. They count when the loop comes to them.
  public var skipped: Int { skippedSamples.load(ordering: .relaxed) }

  /// Starts an epoch: draws its base seed and its order, and starts the workers. After ``load(state:)`` it goes on with the
  /// epoch of that state, once.
  public func makeIterator() -> Iterator { Iterator(epoch: Epoch(self)) }

  /// The batches of one epoch. Its copies share their place in it.
  public struct Iterator: IteratorProtocol {
    fileprivate let epoch: Epoch<Source>

    public mutating func next() -> Source.Sample.Batch? { epoch.next() }
  }

  /// Where the epoch that was begun last stands: behind the batch that its loop took last, until all are taken. Whether the loop
  /// goes on or has been left makes no difference.
  ///
  /// A loader that has no generator of its own draws from the current one: keep its state, as it is now, beside this one.
  public func state() -> DataLoaderState {
    DataLoaderState(
      epoch: place.epoch.map {
        DataLoaderState.Epoch(start: $0.start, position: $0.position, fingerprint: $0.batches.fingerprint)
      },
      generator: generator?.state)
  }

  /// Makes the next epoch the one of `state`, from the batch on that comes after it: with equal data sets, samplers and batch
  /// sizes the remaining batches have the same bits, with any number of workers, random transforms included. The generator is
  /// left as the state's loader left it if it is the loader's own, and is not touched if it is the current one.
  ///
  /// - Throws: `TensorError` where the loader draws other batches than the state's loader did.
  public func load(state: DataLoaderState) throws(TensorError) {
    func refusal(_ what: String) -> TensorError { TensorError(.data, "the state of a data loader \(what)", operation: "load") }
    guard (generator == nil) == (state.generator == nil) else {
      throw refusal(
        "\(state.generator == nil ? "has no" : "has a") generator of its own, and this loader has \(generator == nil ? "none" : "one")"
      )
    }
    for case let bytes? in [state.epoch?.start, state.generator] {
      do {
        try withTensorErrors { Flambeau.Generator().state = bytes }
      } catch {
        throw refusal("is damaged: \(error)")
      }
    }
    var resumed: LoaderPlace.Drawn?
    let before = generator?.state
    if let epoch = state.epoch {
      let source = generator ?? Flambeau.Generator()
      source.state = epoch.start
      var drawn = withGenerator(source) { draw(from: source) }
      guard drawn.batches.fingerprint == epoch.fingerprint, (0...drawn.batches.count).contains(epoch.position) else {
        if let before { generator?.state = before }
        throw refusal(
          "does not fit: it comes from other samples, another batch size or sampler, or the sampler stands at another epoch")
      }
      drawn.position = epoch.position
      resumed = drawn
    }
    if let kept = state.generator { generator?.state = kept }
    place.resume(resumed)
  }

  private func draw(from source: Flambeau.Generator) -> LoaderPlace.Drawn {
    let start = source.state
    let baseSeed = source.nextInt64()
    return LoaderPlace.Drawn(baseSeed: baseSeed, batches: sampler.batches(), start: start)
  }

  fileprivate func begin() -> (plan: EpochPlan<Source>, number: Int, position: Int) {
    let context = Context.current
    func plan(_ batches: [[Int]], _ baseSeed: Int64) -> EpochPlan<Source> {
      EpochPlan(
        dataset: dataset, batches: batches, baseSeed: baseSeed, context: context, onError: onError,
        pinsMemory: pinMemory && CUDA.isAvailable)
    }
    if context.isFailed { return (plan([], 0), 0, 0) }
    let drawn = place.takeResumed() ?? draw(from: generator ?? Flambeau.Generator.current)
    return (plan(drawn.batches, drawn.baseSeed), place.begin(drawn), drawn.position)
  }

  fileprivate func hasTaken(_ position: Int, of batches: Int, in epoch: Int) {
    place.move(epoch, to: position, isEnd: position == batches)
  }

  fileprivate func countSkipped(_ samples: Int) { skippedSamples.wrappingAdd(samples, ordering: .relaxed) }

  fileprivate func report(_ error: TensorError) { Door.fail(error, in: "DataLoader", file: file, line: line) }
}

/// One pass over the loader's batches.
private final class Epoch<Source: Dataset> {
  private let loader: DataLoader<Source>
  private let plan: EpochPlan<Source>
  private let number: Int
  private let random = Generator()
  private var prefetcher: Prefetcher<Source.Sample.Batch>?
  private var position: Int

  init(_ loader: DataLoader<Source>) {
    self.loader = loader
    (plan, number, position) = loader.begin()
    if loader.workers > 0 {
      let (plan, first) = (plan, position)
      prefetcher = Prefetcher(count: plan.batches.count - first, workers: loader.workers, ahead: loader.prefetch) {
        let random = Generator()
        return { plan.make(first + $0, drawingFrom: random) }
      }
    }
  }

  func next() -> Source.Sample.Batch? {
    while position < plan.batches.count && !Context.current.isFailed {
      let made = recordFunction("DataLoader.next") { prefetcher?.take() ?? plan.make(position, drawingFrom: random) }
      position += 1
      loader.hasTaken(position, of: plan.batches.count, in: number)
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
