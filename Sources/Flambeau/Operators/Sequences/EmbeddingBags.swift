/// What a bag of rows of a table becomes.
public enum EmbeddingBagMode: Sendable, Hashable {
  /// The sum of a bag's vectors.
  case sum
  /// Their mean (torch's default).
  case mean
  /// Their largest elements.
  case max
}

/// Sums, means and largest elements of rows that integers name.
struct EmbeddingBags: Sendable {
  private static let flat = "torch.tensor([0, 1, 2, 0, 4, 1]), a, torch.tensor([0, 3, 3])"
  private static let indices: [Int64] = [0, 1, 2, 0, 4, 1]

  let composites: [Sample] = [
    Sample("F.embedding_bag(torch.tensor([[0, 1], [2, 0]]), a)", [.real([3, 4])]) {
      .embeddingBag(Tensor([[0, 1], [2, 0]] as [[Int64]]), weight: $0[0])
    },
    Sample("F.embedding_bag(\(EmbeddingBags.flat), mode='sum')", [.real([5, 3])]) {
      .embeddingBag(Tensor(EmbeddingBags.indices), weight: $0[0], offsets: Tensor([0, 3, 3] as [Int64]), mode: .sum)
    },
    Sample("F.embedding_bag(\(EmbeddingBags.flat), mode='mean', padding_idx=1)", [.real([5, 3])]) {
      .embeddingBag(
        Tensor(EmbeddingBags.indices), weight: $0[0], offsets: Tensor([0, 3, 3] as [Int64]), mode: .mean, paddingIdx: 1)
    },
    Sample("F.embedding_bag(\(EmbeddingBags.flat), mode='max')", [.real([5, 3])]) {
      .embeddingBag(Tensor(EmbeddingBags.indices), weight: $0[0], offsets: Tensor([0, 3, 3] as [Int64]), mode: .max)
    },
    Sample("F.embedding_bag(\(EmbeddingBags.flat), mode='max', padding_idx=1)", [.real([5, 3])]) {
      .embeddingBag(
        Tensor(EmbeddingBags.indices), weight: $0[0], offsets: Tensor([0, 3, 3] as [Int64]), mode: .max, paddingIdx: 1)
    },
    Sample(
      "F.embedding_bag(torch.tensor([0, 1, 2, 0, 4, 1]), a, torch.tensor([0, 3, 6]), include_last_offset=True)", [.real([5, 3])]
    ) {
      .embeddingBag(
        Tensor(EmbeddingBags.indices), weight: $0[0], offsets: Tensor([0, 3, 6] as [Int64]), includeLastOffset: true)
    },
    Sample(
      "F.embedding_bag(torch.tensor([0, 1, 2, 0]), a, torch.tensor([0, 1, 4]), mode='sum', per_sample_weights=b, "
        + "include_last_offset=True)", [.real([3, 2]), .real([4])]
    ) {
      .embeddingBag(
        Tensor([0, 1, 2, 0] as [Int64]), weight: $0[0], offsets: Tensor([0, 1, 4] as [Int64]), mode: .sum,
        perSampleWeights: $0[1], includeLastOffset: true)
    },
  ]
}

extension Tensor {
  /// One row for each bag of rows of the matrix `weight`: their sum, mean or largest elements. Torch's `embedding_bag`.
  ///
  /// - Parameters:
  ///   - indices: Rows of `weight`, int64 or int32: [bags, n], or all bags one after the other.
  ///   - offsets: Where each bag begins, where `indices` is a vector.
  ///   - perSampleWeights: What each row is multiplied by, of the shape of `indices`; for sums only.
  ///   - includeLastOffset: The last offset is where the last bag ends.
  ///   - paddingIdx: The row that counts nothing and gets no gradient; from the end if negative.
  ///   - maxNorm, normType, scaleGradByFreq: As of ``embedding(_:weight:paddingIdx:maxNorm:normType:scaleGradByFreq:file:line:)``.
  /// - Returns: [bags, width]; zeros for an empty bag.
  public static func embeddingBag(
    _ indices: Tensor, weight: Tensor, offsets: Tensor? = nil, mode: EmbeddingBagMode = .mean,
    perSampleWeights: Tensor? = nil, includeLastOffset: Bool = false, paddingIdx: Int? = nil, maxNorm: Double? = nil,
    normType: Double = 2, scaleGradByFreq: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let others = [indices, offsets, perSampleWeights].compactMap { $0 }
    return weight.checkedOperands("embedding_bag", others, CallSite(file, line)) { layout throws(TensorError) in
      guard layout.rank == 2 else {
        throw .shape("weight has to be a 2D Tensor, but got Tensor of dimension \(layout.rank)")
      }
      guard weight.dtype.isFloatingPoint else {
        throw .dtype(
          "Expected tensor for argument #1 'weight' to have one of the following scalar types: Half, BFloat16, Float, Double; "
            + "but got torch.\(weight.dtype.torchScalarName)Tensor instead (while checking arguments for embedding_bag)")
      }
      if let perSampleWeights {
        guard perSampleWeights.shape == indices.shape else {
          throw .shape(
            "embedding_bag: If per_sample_weights (\(perSampleWeights.shape)) is not None, then it must have the same shape as "
              + "the input (\(indices.shape))")
        }
        guard mode == .sum else {
          throw .argument(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' (got "
              + "mode='\(mode)'). Please open a feature request on GitHub.")
        }
        guard perSampleWeights.dtype == weight.dtype else {
          throw .dtype(
            "expected scalar type \(weight.dtype.torchScalarName) but found \(perSampleWeights.dtype.torchScalarName)")
        }
      }
      guard !scaleGradByFreq || mode != .max else {
        throw .argument("embedding_bag: scaling the gradient by the frequency is not supported with mode='max'")
      }
      if let maxNorm { weight.embeddingRenorm_(indices, maxNorm: maxNorm, normType: normType, file: file, line: line) }
      let rows = layout.shape.at(0)
      var padding: Int?
      if let paddingIdx {
        guard paddingIdx >= -rows && paddingIdx < rows else {
          throw .argument("padding_idx must be within the number of embeddings")
        }
        padding = paddingIdx < 0 ? paddingIdx + rows : paddingIdx
      }
      let bags = try Bags(indices, offsets, includesLast: includeLastOffset, padding: padding)
      let flat = indices.reshape([indices.count]).to(.int64)
      var values = Tensor.embedding(flat, weight: weight, scaleGradByFreq: scaleGradByFreq, file: file, line: line)
      if let perSampleWeights { values = values * perSampleWeights.reshape([indices.count]).unsqueeze(1) }
      if mode == .max { return bags.maxima(values) }
      let wide = weight.dtype.computeClass.dtype
      let sums = bags.sums(values.to(wide))
      return (mode == .sum ? sums : sums / bags.sizes(wide).clamp(min: 1.0)).to(weight.dtype)
    }
  }
}
