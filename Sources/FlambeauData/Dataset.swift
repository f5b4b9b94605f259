import Flambeau

/// Samples that can be asked for by number, from any thread. Torch's map-style `Dataset`.
public protocol Dataset<Sample>: Sendable {
  /// One sample; its type knows how samples become a batch.
  associatedtype Sample: Collatable

  /// The number of samples.
  var count: Int { get }

  /// Sample `index`, which is in `0..<count`; torch's `__getitem__`.
  ///
  /// An error should name the file at fault. A ``DataLoader`` calls this from its workers. Random draws that name no
  /// generator are then a function of the generator's seed, the epoch and the index.
  func sample(at index: Int) throws -> Sample

  /// The batch of `indices` where it can be had faster than sample by sample, or nil. It draws no random numbers.
  func batch(at indices: [Int]) throws -> Sample.Batch?
}

extension Dataset {
  /// The samples at `indices` as a batch.
  public func batch(at indices: [Int]) throws -> Sample.Batch? { nil }

  /// Refuses an index that is not in `0..<count`.
  func check(_ index: Int) throws(TensorError) {
    guard index >= 0 && index < count else {
      throw TensorError(.index, "index \(index) is out of range for a data set of \(count) samples")
    }
  }
}

/// An input with what a model should say to it.
public struct Example: Collatable {
  /// What a model is given.
  public var input: Tensor
  /// What it should make of it.
  public var target: Tensor

  /// An example of an input and its target.
  public init(_ input: Tensor, _ target: Tensor) {
    self.input = input
    self.target = target
  }

  /// Inputs and targets of many examples, both with one more dimension in front.
  public typealias Batch = (input: Tensor, target: Tensor)

  /// A batch of the samples.
  public static func collate(_ samples: [Example]) throws -> Batch {
    (try Tensor.collate(samples.map(\.input)), try Tensor.collate(samples.map(\.target)))
  }

  /// Both in pinned memory.
  public static func pinned(_ batch: Batch) -> Batch { (batch.input.pinMemory(), batch.target.pinMemory()) }
}
