import Flambeau

/// Inputs and targets that are in memory: sample `i` is row `i` of both. Torch's `TensorDataset` of two tensors.
///
/// A batch costs about a copy of its bytes.
public struct TensorDataset: Dataset {
  /// `[count, …]`, row-major.
  public let inputs: Tensor
  /// `[count, …]`, row-major; of a classifier `[count]`, int64.
  public let targets: Tensor
  /// How many there are.
  public let count: Int

  /// Shares the tensors' memory where they are row-major. An error unless their first dimensions agree.
  public init(_ inputs: Tensor, _ targets: Tensor, file: StaticString = #fileID, line: UInt = #line) {
    self.inputs = inputs.contiguous()
    self.targets = targets.contiguous()
    let (left, right) = (inputs.shape.first, targets.shape.first)
    if let left, left == right {
      count = left
    } else {
      count = 0
      Door.fail(
        TensorError(.shape, "Size mismatch between tensors: \(inputs.shape) and \(targets.shape) differ in the first dimension"),
        in: "TensorDataset", file: file, line: line)
    }
  }

  /// Views of the row's elements.
  public func sample(at index: Int) throws -> Example {
    try check(index)
    return Example(inputs.row(index), targets.row(index))
  }

  /// The samples at `indices` as a batch.
  public func batch(at indices: [Int]) throws -> Example.Batch? { (try inputs.rows(indices), try targets.rows(indices)) }
}

extension Tensor {
  fileprivate func row(_ index: Int) -> Tensor { narrow(0, start: index, length: 1).view(Shape(shape.dropFirst())) }
}
