import Flambeau

/// Attention of queries to keys in several heads (Vaswani et al., 2017). Torch's `nn.MultiheadAttention`.
///
/// Queries are [l, n, embedDim], keys and values [s, n, embedDim], with `batchFirst` [n, l, …] and [n, s, …], or without the n. The
/// packed weight of the three projections [3 · embedDim, embedDim] starts Xavier-uniform, that of the output as ``Linear``'s,
/// biases as zeros.
public final class MultiheadAttention: Module {
  /// The three input projections, one above the other: [3 · embedDim, embedDim].
  public let inProjWeight: Parameter
  /// [3 · embedDim]; nil without one.
  public let inProjBias: Parameter?
  /// The output projection.
  public let outProj: Linear
  /// Features of queries and outputs.
  public let embedDim: Int
  /// Heads, which share the features.
  public let numHeads: Int
  /// The probability of a zero, in training.
  public let dropout: Double
  /// Batches are [N, T, …], not [T, N, …].
  public let batchFirst: Bool
  let mode = Mode()

  /// - Parameter dropout: The share of attention weights set to 0 while training.
  public init(
    _ embedDim: Int, _ numHeads: Int, dropout: Double = 0, bias: Bool = true, batchFirst: Bool = false,
    dtype: DType = .float32, file: StaticString = #fileID, line: UInt = #line
  ) {
    let isWhole = numHeads > 0 && embedDim > 0 && embedDim % numHeads == 0
    if !isWhole {
      let problem = "embed_dim must be divisible by num_heads, but got \(embedDim) and \(numHeads)"
      Door.fail(TensorError(.argument, problem), in: "MultiheadAttention", file: file, line: line)
    }
    Dropout.check(dropout, "MultiheadAttention", file, line)
    (self.embedDim, self.numHeads) = (embedDim, numHeads)
    (self.dropout, self.batchFirst) = (dropout, batchFirst)
    inProjWeight = Parameter(.zeros([3 * embedDim, embedDim], dtype: dtype))
    inProjBias = bias ? Parameter(.zeros([3 * embedDim], dtype: dtype)) : nil
    outProj = Linear(embedDim, embedDim, bias: bias, dtype: dtype)
    Init.xavierUniform_(inProjWeight.tensor)
    if let bias = outProj.bias { Init.zeros_(bias.tensor) }
  }

  /// - Parameters:
  ///   - keyPaddingMask: [n, s]: true, or −∞, where a key is not to be looked at.
  ///   - attnMask: [l, s] or [n · numHeads, l, s]: true where a query must not look, or numbers added to the scores.
  ///   - isCausal: Where there is no `attnMask`, query i looks at keys 0 … i.
  ///   - needWeights: Return the attention weights too.
  ///   - averageAttnWeights: The weights are averaged over the heads.
  /// - Returns: The output, of the queries' shape, and the weights [n, l, s] or [n, numHeads, l, s].
  public func callAsFunction(
    _ query: Tensor, _ key: Tensor, _ value: Tensor, keyPaddingMask: Tensor? = nil, attnMask: Tensor? = nil,
    isCausal: Bool = false, needWeights: Bool = true, averageAttnWeights: Bool = true, file: StaticString = #fileID,
    line: UInt = #line
  ) -> (output: Tensor, weights: Tensor?) {
    if Context.current.isFailed { return (.zeros([]), nil) }
    do throws(TensorError) {
      let isBatched = query.ndim == 3
      try check(query, key, value)
      func timeFirst(_ x: Tensor) -> Tensor {
        isBatched ? (batchFirst ? x.transpose(0, 1) : x) : x.reshape([x.shape[0], 1, x.shape[1]])
      }
      let sizes = Sizes(timeFirst(query).shape, keys: timeFirst(key).shape[0], heads: numHeads)
      // A causal mask that nothing is added to need not be made where no weights are.
      let isPlain = isCausal && !needWeights && attnMask == nil && keyPaddingMask == nil
      let mask = try mask(attnMask, isCausal && !isPlain, keyPaddingMask, sizes, query.dtype, query.device)
      let (q, k, v) = projected(query, key, value, timeFirst)
      let (heads, weights) =
        needWeights ? weighed(q, k, v, mask) : (attended(q, k, v, mask, isCausal: isPlain, sizes), nil)
      var output = outProj(heads.transpose(0, 1).reshape([sizes.queries, sizes.batch, embedDim]))
      if isBatched && batchFirst { output = output.transpose(0, 1) }
      if !isBatched { output = output.reshape([sizes.queries, embedDim]) }
      guard let weights else { return (output, nil) }
      let each = weights.reshape([sizes.batch, numHeads, sizes.queries, sizes.keys])
      let shown = averageAttnWeights ? each.mean(dim: [1]) : each
      return (output, isBatched ? shown : shown.reshape(Shape(shown.shape.dropFirst())))
    } catch {
      Door.fail(error, in: "MultiheadAttention", file: file, line: line)
      return (.zeros([]), nil)
    }
  }

  public var configuration: String {
    "\(embedDim), \(numHeads), dropout: \(dropout), bias: \(inProjBias != nil), batchFirst: \(batchFirst)"
  }

  /// The values' sums [n · heads, l, width] and the weights that they have.
  private func weighed(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ mask: Tensor?) -> (Tensor, Tensor?) {
    let scaled = q * (1 / Double(embedDim / numHeads)).squareRoot()
    let scores = mask.map { $0.baddbmm(scaled, k.transpose(1, 2)) } ?? scaled.bmm(k.transpose(1, 2))
    let weights = scores.softmax(dim: -1).dropout(dropout, training: mode.isTraining)
    return (weights.bmm(v), weights)
  }

  /// The values' sums alone.
  private func attended(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ mask: Tensor?, isCausal: Bool, _ sizes: Sizes
  ) -> Tensor {
    func each(_ x: Tensor) -> Tensor { x.unflatten(0, [sizes.batch, numHeads]) }
    let mask = mask.map { $0.ndim == 3 ? each($0) : $0 }
    return each(q).scaledDotProductAttention(
      each(k), each(v), attnMask: mask, dropoutP: mode.isTraining ? dropout : 0, isCausal: isCausal
    ).flatten(startDim: 0, endDim: 1)
  }

  private struct Sizes {
    let queries, batch, keys, heads: Int

    init(_ query: Shape, keys: Int, heads: Int) {
      (queries, batch, self.keys, self.heads) = (query[0], query[1], keys, heads)
    }
  }

  private func check(_ query: Tensor, _ key: Tensor, _ value: Tensor) throws(TensorError) {
    guard query.ndim == 2 || query.ndim == 3 else {
      throw TensorError(
        .shape, "query should be unbatched 2D or batched 3D but received \(query.ndim)-D query tensor")
    }
    guard key.shape == value.shape else {
      throw TensorError(.shape, "key shape \(key.shape) does not match value shape \(value.shape)")
    }
    for x in [query, key] where x.shape[-1] != embedDim {
      throw TensorError(.shape, "was expecting embedding dimension of \(embedDim), but got \(x.shape[-1])")
    }
    let batch = query.ndim == 3 ? (batchFirst ? 0 : 1) : nil
    guard key.ndim == query.ndim, batch == nil || key.shape[batch!] == query.shape[batch!] else {
      throw TensorError(.shape, "key shape \(key.shape) does not fit query shape \(query.shape)")
    }
  }

  /// Queries, keys and values as [n · heads, length, width].
  private func projected(
    _ query: Tensor, _ key: Tensor, _ value: Tensor, _ timeFirst: (Tensor) -> Tensor
  ) -> (Tensor, Tensor, Tensor) {
    let (weight, bias) = (inProjWeight.tensor, inProjBias?.tensor)
    func heads(_ x: Tensor) -> Tensor {
      x.reshape([x.shape[0], x.shape[1] * numHeads, embedDim / numHeads]).transpose(0, 1)
    }
    if query.isSame(as: key) && key.isSame(as: value) {
      let all = timeFirst(query).linear(weight, bias)
      func part(_ i: Int) -> Tensor { heads(all.narrow(2, start: i * embedDim, length: embedDim)) }
      return (part(0), part(1), part(2))
    }
    func part(_ x: Tensor, _ i: Int) -> Tensor {
      func rows(_ x: Tensor) -> Tensor { x.narrow(0, start: i * embedDim, length: embedDim) }
      return heads(timeFirst(x).linear(rows(weight), bias.map(rows)))
    }
    return (part(query, 0), part(key, 1), part(value, 2))
  }

  /// What is added to the scores [n · heads, l, s], or broadcasts to them.
  private func mask(
    _ attention: Tensor?, _ isCausal: Bool, _ padding: Tensor?, _ sizes: Sizes, _ dtype: DType,
    _ device: Device
  ) throws(TensorError) -> Tensor? {
    func added(_ mask: Tensor) -> Tensor {
      mask.dtype == .bool ? .where(mask, -.infinity, .zeros([], dtype: dtype, device: mask.device)) : mask
    }
    var result: Tensor?
    if let attention {
      let (flat, full): (Shape, Shape) = (
        [sizes.queries, sizes.keys], [sizes.batch * sizes.heads, sizes.queries, sizes.keys]
      )
      guard attention.shape == flat || attention.shape == full else {
        throw TensorError(.shape, "The shape of the attn_mask is \(attention.shape), but should be \(flat) or \(full).")
      }
      result = added(attention)
    } else if isCausal {
      let later = (0..<sizes.queries).flatMap { i in (0..<sizes.keys).map { $0 > i } }
      result = added(Tensor(later, shape: [sizes.queries, sizes.keys], device: device))
    }
    guard let padding else { return result }
    guard padding.shape == [sizes.batch, sizes.keys] else {
      let expected: Shape = [sizes.batch, sizes.keys]
      throw TensorError(.shape, "The shape of the key_padding_mask is \(padding.shape), but should be \(expected).")
    }
    let each = added(padding).reshape([sizes.batch, 1, 1, sizes.keys])
      .expand([sizes.batch, sizes.heads, 1, sizes.keys]).reshape([sizes.batch * sizes.heads, 1, sizes.keys])
    return result.map { $0 + each } ?? each
  }
}
