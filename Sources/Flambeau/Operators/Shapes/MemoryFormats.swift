/// The order in which the dimensions of a tensor lie in memory.
public enum MemoryFormat: Sendable {
  /// Row-major.
  case contiguous
  /// Of [n, c, h, w], the channels innermost.
  case channelsLast
  /// Of [n, c, d, h, w], the channels innermost.
  case channelsLast3D

  /// The dimensions from the outermost to the innermost; nil for another rank than the format has.
  fileprivate func order(rank: Int) -> [Int]? {
    switch self {
    case .contiguous: Array(0..<rank)
    case .channelsLast: rank == 4 ? [0, 2, 3, 1] : nil
    case .channelsLast3D: rank == 5 ? [0, 2, 3, 4, 1] : nil
    }
  }

  /// The tensor has the format's rank.
  package func fits(_ tensor: Tensor) -> Bool { order(rank: tensor.ndim) != nil }

  fileprivate var sentence: String {
    self == .channelsLast
      ? "required rank 4 tensor to use channels_last format" : "required rank 5 tensor to use channels_last_3d format"
  }
}

extension Tensor {
  /// The tensor itself if it lies in memory as `memoryFormat` says, else a copy that does. Torch's `contiguous`.
  public func contiguous(
    memoryFormat: MemoryFormat, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    ordered("contiguous", memoryFormat, CallSite(file, line)) {
      isContiguous(memoryFormat: memoryFormat) ? self : $0.rowMajorCopy().permute($1)
    }
  }

  /// A copy that lies in memory as `memoryFormat` says. Torch's `clone` with a `memory_format`.
  public func clone(memoryFormat: MemoryFormat, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ordered("clone", memoryFormat, CallSite(file, line)) { $0.rowMajorCopy().permute($1) }
  }

  /// The elements lie in memory as `memoryFormat` says, without gaps. Torch's `is_contiguous`.
  public func isContiguous(memoryFormat: MemoryFormat) -> Bool {
    guard let order = memoryFormat.order(rank: ndim), body.poison == nil else { return false }
    return body.layout.permuted(order).isContiguous
  }

  /// Calls `copy` with the dimensions in the order of the format, and the order that undoes it.
  private func ordered(
    _ name: String, _ format: MemoryFormat, _ site: CallSite, _ copy: (Tensor, [Int]) -> Tensor
  ) -> Tensor {
    checked(name, at: site) { layout throws(TensorError) in
      guard let order = format.order(rank: layout.rank) else { throw .shape(format.sentence) }
      let inverse = order.indices.map { order.firstIndex(of: $0)! }
      return copy(permute(order), inverse)
    }
  }
}
