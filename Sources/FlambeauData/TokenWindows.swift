import Flambeau

/// Stretches of a text for a language model: the input is `length` tokens, the target the tokens that follow each of them.
///
///     let windows = TokenWindows(tokens, length: 128)
///     DataLoader(windows, batchSize: 8, sampler: RandomSampler(count: windows.count, replacement: true, numSamples: 8 * 250))
public struct TokenWindows: Dataset {
  /// int64, `[tokens]`.
  public let tokens: Tensor
  /// How long a window is.
  public let length: Int
  /// Window `i` begins at token `i * stride`.
  public let stride: Int
  /// How many there are.
  public let count: Int

  /// Shares the tensor's memory. An error unless the tokens are an int64 vector, longer than `length`.
  public init(
    _ tokens: Tensor, length: Int, stride: Int = 1, file: StaticString = #fileID, line: UInt = #line
  ) {
    self.tokens = tokens.contiguous()
    self.length = max(length, 1)
    self.stride = max(stride, 1)
    let error: TensorError? =
      if length < 1 || stride < 1 {
        TensorError(.argument, "length and stride must be positive, but got \(length) and \(stride)")
      } else if tokens.ndim != 1 || tokens.dtype != .int64 || tokens.count <= length {
        TensorError(
          .shape, "expected a vector of more than \(length) int64 tokens, but got \(tokens.dtype) \(tokens.shape)")
      } else {
        nil
      }
    count = error == nil ? (tokens.count - length - 1) / stride + 1 : 0
    if let error, !Context.current.isFailed { Door.fail(error, in: "TokenWindows", file: file, line: line) }
  }

  /// Views of the tokens.
  public func sample(at index: Int) throws -> Example {
    try check(index)
    return Example(
      tokens.narrow(0, start: index * stride, length: length), tokens.narrow(0, start: index * stride + 1, length: length))
  }

  /// The samples at `indices` as a batch.
  public func batch(at indices: [Int]) throws -> Example.Batch? {
    for index in indices { try check(index) }
    return (windows(indices, shift: 0), windows(indices, shift: 1))
  }

  private func windows(_ indices: [Int], shift: Int) -> Tensor {
    Tensor(shape: [indices.count, length], dtype: .int64) { target in
      tokens.withUnsafeBytes { source in
        let size = MemoryLayout<Int64>.size
        for (i, index) in indices.enumerated() {
          (target.baseAddress! + i * length * size).copyMemory(
            from: source.baseAddress! + (index * stride + shift) * size, byteCount: length * size)
        }
      }
    }
  }
}
