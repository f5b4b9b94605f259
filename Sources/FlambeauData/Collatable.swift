import Flambeau

/// What can be put together to a batch. Torch's `default_collate`; a type of your own takes the place of a `collate_fn`.
public protocol Collatable: Sendable {
  /// What several samples become; a tensor unless said otherwise.
  associatedtype Batch: Sendable = Tensor
  /// One batch of `samples`, in their order. Throws where they cannot be joined (different shapes, say).
  static func collate(_ samples: [Self]) throws -> Batch
  /// The batch in pinned memory, for a ``DataLoader`` that is asked for it. Unless said otherwise, a tensor, or an array, dictionary or
  /// pair of tensors is pinned, and anything else left as it is; torch's `pin_memory` of a custom batch.
  static func pinned(_ batch: Batch) -> Batch
}

extension Collatable {
  /// Tensors in pinned memory.
  public static func pinned(_ batch: Batch) -> Batch {
    let pinned: Any? =
      switch batch as Any {
      case let tensor as Tensor: tensor.pinMemory()
      case let tensors as [Tensor]: tensors.map { $0.pinMemory() }
      case let tensors as [String: Tensor]: tensors.mapValues { $0.pinMemory() }
      case let (first, second) as (Tensor, Tensor): (first.pinMemory(), second.pinMemory())
      default: nil
      }
    return pinned as? Batch ?? batch
  }
}

extension Tensor: Collatable {
  /// Tensors of one shape and dtype behind one another along a new first dimension.
  public static func collate(_ samples: [Tensor]) throws -> Tensor {
    guard let first = samples.first else { throw TensorError(.argument, "a batch needs at least one sample") }
    for (i, sample) in samples.enumerated() {
      guard sample.shape == first.shape else {
        throw TensorError(
          .shape,
          "collate expects each tensor to be equal size, but got \(first.shape) at entry 0 and \(sample.shape) at entry \(i)")
      }
      guard sample.dtype == first.dtype else {
        throw TensorError(
          .dtype, "collate expects tensors of one dtype, but got \(first.dtype) at entry 0 and \(sample.dtype) at entry \(i)")
      }
      try sample.checkIsData()
    }
    if first.device != .cpu { return .stack(samples) }
    return Tensor(shape: Shape([samples.count] + first.shape), dtype: first.dtype) { target in
      let size = target.count / samples.count
      if size == 0 { return }
      for (i, sample) in samples.enumerated() {
        sample.withUnsafeBytes { (target.baseAddress! + i * size).copyMemory(from: $0.baseAddress!, byteCount: size) }
      }
    }
  }
}

extension Tensor {
  /// Batches are made by copying bytes, through which no gradient would flow.
  func checkIsData() throws(TensorError) {
    if requiresGrad { throw TensorError(.autograd, "a batch cannot be made of a tensor that requires grad: detach() it") }
  }

  /// The given rows of a row-major tensor, copied; a row is what an index into the first dimension gives.
  func rows(_ indices: [Int]) throws -> Tensor {
    try checkIsData()
    let available = shape[0]
    if let wrong = indices.first(where: { $0 < 0 || $0 >= available }) {
      throw TensorError(.index, "index \(wrong) is out of range for a data set of \(available) samples")
    }
    if device != .cpu { return indexSelect(dim: 0, index: Tensor(indices, device: device)) }
    return Tensor(shape: Shape([indices.count] + shape.dropFirst()), dtype: dtype) { target in
      withUnsafeBytes { source in
        guard let to = target.baseAddress, let from = source.baseAddress, !indices.isEmpty else { return }
        let size = target.count / indices.count
        for (i, index) in indices.enumerated() {
          (to + i * size).copyMemory(from: from + index * size, byteCount: size)
        }
      }
    }
  }
}

extension Collatable where Self: TensorElement, Batch == Tensor {
  /// A vector.
  public static func collate(_ samples: [Self]) -> Tensor { Tensor(samples, device: .cpu) }
}

extension Bool: Collatable {}
extension UInt8: Collatable {}
extension Int32: Collatable {}
extension Int64: Collatable {}
extension Int: Collatable {}
extension Float: Collatable {}
extension Double: Collatable {}

extension String: Collatable {
  /// The strings as they are.
  public static func collate(_ samples: [String]) -> [String] { samples }
}
