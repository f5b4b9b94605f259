import Flambeau

/// A batch, or why there is none: the error, or that all its samples were skipped.
struct Made<Batch: Sendable>: Sendable {
  var batch: Batch?
  var skipped = 0
  var error: TensorError?
}

/// What any thread needs to make any batch of an epoch.
struct EpochPlan<Source: Dataset>: Sendable {
  let dataset: Source
  let batches: [[Int]]
  let baseSeed: Int64
  /// That of the task which started the epoch.
  let context: Context
  let onError: UnreadableSample
  let pinsMemory: Bool

  /// Batch `number`. `random` is this thread's own, seeded anew for each sample.
  func make(_ number: Int, drawingFrom random: Generator) -> Made<Source.Sample.Batch> {
    Context.run(context) { withGenerator(random) { pinned(make(batches[number], random), of: batches[number]) } }
  }

  private func pinned(_ made: Made<Source.Sample.Batch>, of indices: [Int]) -> Made<Source.Sample.Batch> {
    guard pinsMemory, let batch = made.batch else { return made }
    var pinned = made
    do {
      pinned.batch = try withTensorErrors { Source.Sample.pinned(batch) }
    } catch {
      pinned.batch = nil
      pinned.error = TensorError(.memory, "the batch of samples \(indices) could not be pinned: \(error)")
    }
    return pinned
  }

  // Each step has an error scope of its own: an error of a tensor in a sample is the sample's.
  private func make(_ indices: [Int], _ random: Generator) -> Made<Source.Sample.Batch> {
    // Where the whole fails, going through the samples tells which one it is.
    if let batch = try? withTensorErrors({ try dataset.batch(at: indices) }) { return Made(batch: batch) }
    var made = Made<Source.Sample.Batch>()
    var samples: [Source.Sample] = []
    samples.reserveCapacity(indices.count)
    for index in indices {
      do {
        let sample = try withTensorErrors {
          random.manualSeed(seed(of: index))
          return try dataset.sample(at: index)
        }
        samples.append(sample)
      } catch {
        if onError == .skip {
          made.skipped += 1
        } else {
          made.error = TensorError(.data, "sample \(index) could not be read: \(error)")
          return made
        }
      }
    }
    if samples.isEmpty { return made }
    do {
      made.batch = try withTensorErrors { try Source.Sample.collate(samples) }
    } catch {
      made.error = TensorError(.data, "samples \(indices) could not be put together to a batch: \(error)")
    }
    return made
  }

  /// SplitMix64's finish (Steele, Lea and Flood, 2014) of base seed and index; MT19937 takes its lower half.
  private func seed(of index: Int) -> UInt64 {
    var z = UInt64(bitPattern: baseSeed) &+ UInt64(bitPattern: Int64(index)) &* 0x9E37_79B9_7F4A_7C15
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}
