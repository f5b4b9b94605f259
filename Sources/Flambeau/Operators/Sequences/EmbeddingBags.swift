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
        Tensor(EmbeddingBags.indices), weight: $0[0], offsets: Tensor([0, 3, 3] as [Int64]), mode: .mean, paddingIndex: 1)
    },
    Sample("F.embedding_bag(\(EmbeddingBags.flat), mode='max')", [.real([5, 3])]) {
      .embeddingBag(Tensor(EmbeddingBags.indices), weight: $0[0], offsets: Tensor([0, 3, 3] as [Int64]), mode: .max)
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
  ///   - paddingIndex: The row that counts nothing and gets no gradient; from the end if negative.
  ///   - maxNorm, normType, scaleGradByFreq: As of ``embedding(_:weight:paddingIndex:maxNorm:normType:scaleGradByFreq:file:line:)``.
  /// - Returns: [bags, width]; zeros for an empty bag.
  public static func embeddingBag(
    _ indices: Tensor, weight: Tensor, offsets: Tensor? = nil, mode: EmbeddingBagMode = .mean,
    perSampleWeights: Tensor? = nil, includeLastOffset: Bool = false, paddingIndex: Int? = nil, maxNorm: Double? = nil,
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
      if let paddingIndex {
        guard paddingIndex >= -rows && paddingIndex < rows else {
          throw .argument("padding_idx must be within the number of embeddings")
        }
        padding = paddingIndex < 0 ? paddingIndex + rows : paddingIndex
      }
      let starts = try bagStarts(indices, offsets, includeLastOffset)
      let flat = indices.reshape([indices.count]).to(.int64)
      let places = flat.array(of: Int64.self).map(Int.init)
      // The bag of every place that counts.
      var (kept, bags): ([Int64], [Int64]) = ([], [])
      var sizes = Array(repeating: 0, count: starts.count - 1)
      for bag in sizes.indices {
        for place in starts[bag]..<starts[bag + 1] where places[place] != padding {
          kept.append(Int64(place))
          bags.append(Int64(bag))
          sizes[bag] += 1
        }
      }
      let chosen = Tensor(kept, device: weight.device)
      var values = Tensor.embedding(
        flat.indexSelect(dim: 0, index: chosen), weight: weight, scaleGradByFreq: scaleGradByFreq, file: file, line: line)
      if let perSampleWeights {
        let shares = perSampleWeights.reshape([indices.count]).indexSelect(dim: 0, index: chosen)
        values = values * shares.unsqueeze(1)
      }
      if mode == .max { return largest(values, sizes) }
      let wide = weight.dtype.computeClass.dtype
      let sums = Tensor.zeros([sizes.count, layout.shape.at(1)], dtype: wide, device: weight.device)
        .indexAdd(dim: 0, index: Tensor(bags, device: weight.device), source: values.to(wide))
      if mode == .sum { return sums.to(weight.dtype) }
      let counts = Tensor(sizes.map { Double(Swift.max($0, 1)) }, shape: [sizes.count, 1], device: weight.device).to(wide)
      return (sums / counts).to(weight.dtype)
    }
  }

  /// Where each bag begins, and where the last one ends.
  private static func bagStarts(
    _ indices: Tensor, _ offsets: Tensor?, _ includeLastOffset: Bool
  ) throws(TensorError) -> [Int] {
    guard indices.dtype == .int64 || indices.dtype == .int32 else {
      throw .dtype(
        "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
          + "torch.\(indices.dtype.torchScalarName)Tensor instead (while checking arguments for embedding_bag)")
    }
    switch indices.ndim {
    case 2:
      guard offsets == nil else {
        throw .argument(
          "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length sequences.")
      }
      return (0...indices.shape.at(0)).map { $0 * indices.shape.at(1) }
    case 1:
      guard let offsets, offsets.ndim == 1 else {
        throw .argument("offsets has to be a 1D Tensor" + (offsets == nil ? " but got None" : ""))
      }
      let given = offsets.to(.int64).array(of: Int64.self).map(Int.init)
      guard let first = given.first else {
        if includeLastOffset { throw .argument("include_last_offset: number of offset should be at least 1") }
        return [0]
      }
      guard first == 0 else {
        throw .argument(
          "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. "
            + "However, got \(first)")
      }
      for (i, offset) in given.enumerated() where offset > indices.count || i > 0 && offset < given[i - 1] {
        throw .argument(
          "offsets[\(i)] has to be between the one before and the number of indices, \(indices.count). However, got \(offset)")
      }
      return includeLastOffset ? given : given + [indices.count]
    default:
      throw .shape("input has to be 1D or 2D Tensor, but got Tensor of dimension \(indices.ndim)")
    }
  }

  /// The largest elements of consecutive runs of rows; zeros of none.
  private static func largest(_ rows: Tensor, _ sizes: [Int]) -> Tensor {
    let width = rows.shape.at(1)
    guard let longest = sizes.max(), longest > 0 else {
      return rows.sum(dim: 0) * .zeros([sizes.count, 1], dtype: rows.dtype, device: rows.device)
    }
    // Places beyond a bag's end show its first row again, which loses to itself.
    var (places, start): ([Int64], Int) = ([], 0)
    for size in sizes {
      for i in 0..<longest { places.append(Int64(i < size ? start + i : Swift.min(start, rows.shape.at(0) - 1))) }
      start += size
    }
    let table = rows.indexSelect(dim: 0, index: Tensor(places, device: rows.device)).reshape([sizes.count, longest, width])
    let found = table.max(dim: 1).values
    return sizes.contains(0)
      ? .where(Tensor(sizes.map { $0 > 0 }, shape: [sizes.count, 1], device: rows.device), found, 0) : found
  }
}
