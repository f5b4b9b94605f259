import Flambeau

/// What stands between the two linear maps of a transformer's layers.
public enum TransformerActivation: Sendable {
  /// max(x, 0), torch's default.
  case relu
  /// x Φ(x), exactly.
  case gelu

  var fused: FusedActivation { self == .relu ? .relu : .gelu }
}

/// Self-attention and two linear maps, each with a sum to its input and a normalisation (Vaswani et al., 2017). Torch's
/// `nn.TransformerEncoderLayer`.
///
/// Input [t, n, dModel], with `batchFirst` [n, t, dModel], or [t, dModel].
public final class TransformerEncoderLayer: Module {
  /// Attention of the sequence to itself.
  public let selfAttn: MultiheadAttention
  /// The feed-forward part's first layer.
  public let linear1: Linear
  /// The feed-forward part's second layer.
  public let linear2: Linear
  /// The norm around the self-attention.
  public let norm1: LayerNorm
  /// The norm around the second part.
  public let norm2: LayerNorm
  /// Norms come before the parts, not after.
  public let normFirst: Bool
  /// The feed-forward part's activation.
  public let activation: TransformerActivation
  /// Inside the feed-forward part.
  public let dropout: Dropout
  /// After the self-attention.
  public let dropout1: Dropout
  /// After the second part.
  public let dropout2: Dropout

  /// - Parameters:
  ///   - dropout: The share set to 0 while training, of attention weights too.
  ///   - normFirst: Inputs are normalised before each part, rather than sums after it.
  public init(
    _ dModel: Int, _ nhead: Int, dimFeedforward: Int = 2048, dropout: Double = 0.1,
    activation: TransformerActivation = .relu, layerNormEps: Double = 1e-5, batchFirst: Bool = false,
    normFirst: Bool = false, bias: Bool = true, dtype: DType = .float32, file: StaticString = #fileID, line: UInt = #line
  ) {
    selfAttn = MultiheadAttention(
      dModel, nhead, dropout: dropout, bias: bias, batchFirst: batchFirst, dtype: dtype, file: file, line: line)
    linear1 = Linear(dModel, dimFeedforward, bias: bias, dtype: dtype)
    linear2 = Linear(dimFeedforward, dModel, bias: bias, dtype: dtype)
    norm1 = LayerNorm(dModel, eps: layerNormEps, bias: bias, dtype: dtype)
    norm2 = LayerNorm(dModel, eps: layerNormEps, bias: bias, dtype: dtype)
    self.dropout = Dropout(dropout)
    dropout1 = Dropout(dropout)
    dropout2 = Dropout(dropout)
    (self.normFirst, self.activation) = (normFirst, activation)
  }

  /// - Parameters:
  ///   - srcMask: [t, t] or [n · nhead, t, t]: true where a position must not look, or numbers added to the scores.
  ///   - srcKeyPaddingMask: [n, t]: true, or −∞, where a position is not to be looked at.
  ///   - isCausal: Where there is no mask, position i looks at 0 … i.
  public func callAsFunction(
    _ x: Tensor, srcMask mask: Tensor? = nil, srcKeyPaddingMask keyPaddingMask: Tensor? = nil, isCausal: Bool = false
  ) -> Tensor {
    func attend(_ x: Tensor) -> Tensor {
      dropout1(
        selfAttn(x, x, x, keyPaddingMask: keyPaddingMask, attnMask: mask, isCausal: isCausal, needWeights: false).output)
    }
    func feed(_ x: Tensor) -> Tensor { dropout2(linear1(x, then: activation.fused, linear2, dropout: dropout)) }
    if normFirst {
      let y = x + attend(norm1(x))
      return y + feed(norm2(y))
    }
    let y = norm1(x + attend(x))
    return norm2(y + feed(y))
  }
}

/// Self-attention, attention to what an encoder made, and two linear maps. Torch's `nn.TransformerDecoderLayer`; arguments as
/// ``TransformerEncoderLayer``'s.
public final class TransformerDecoderLayer: Module {
  /// Attention of the sequence to itself.
  public let selfAttn: MultiheadAttention
  /// Attention to the encoder's output.
  public let multiheadAttn: MultiheadAttention
  /// The feed-forward part's first layer.
  public let linear1: Linear
  /// The feed-forward part's second layer.
  public let linear2: Linear
  /// The norm around the self-attention.
  public let norm1: LayerNorm
  /// The norm around the second part.
  public let norm2: LayerNorm
  /// The norm around the feed-forward part.
  public let norm3: LayerNorm
  /// Norms come before the parts, not after.
  public let normFirst: Bool
  /// The feed-forward part's activation.
  public let activation: TransformerActivation
  /// Inside the feed-forward part.
  public let dropout: Dropout
  /// After the self-attention.
  public let dropout1: Dropout
  /// After the second part.
  public let dropout2: Dropout
  /// After the feed-forward part.
  public let dropout3: Dropout

  /// As torch's constructor.
  public init(
    _ dModel: Int, _ nhead: Int, dimFeedforward: Int = 2048, dropout: Double = 0.1,
    activation: TransformerActivation = .relu, layerNormEps: Double = 1e-5, batchFirst: Bool = false,
    normFirst: Bool = false, bias: Bool = true, dtype: DType = .float32, file: StaticString = #fileID, line: UInt = #line
  ) {
    selfAttn = MultiheadAttention(
      dModel, nhead, dropout: dropout, bias: bias, batchFirst: batchFirst, dtype: dtype, file: file, line: line)
    multiheadAttn = MultiheadAttention(
      dModel, nhead, dropout: dropout, bias: bias, batchFirst: batchFirst, dtype: dtype, file: file, line: line)
    linear1 = Linear(dModel, dimFeedforward, bias: bias, dtype: dtype)
    linear2 = Linear(dimFeedforward, dModel, bias: bias, dtype: dtype)
    norm1 = LayerNorm(dModel, eps: layerNormEps, bias: bias, dtype: dtype)
    norm2 = LayerNorm(dModel, eps: layerNormEps, bias: bias, dtype: dtype)
    norm3 = LayerNorm(dModel, eps: layerNormEps, bias: bias, dtype: dtype)
    self.dropout = Dropout(dropout)
    dropout1 = Dropout(dropout)
    dropout2 = Dropout(dropout)
    dropout3 = Dropout(dropout)
    (self.normFirst, self.activation) = (normFirst, activation)
  }

  /// - Parameters:
  ///   - memory: What the encoder made, [s, n, dModel], with `batchFirst` [n, s, dModel], or [s, dModel].
  ///   - tgtMask, tgtKeyPaddingMask, tgtIsCausal: Of the self-attention.
  ///   - memoryMask, memoryKeyPaddingMask: Of the attention to `memory`.
  public func callAsFunction(
    _ x: Tensor, _ memory: Tensor, tgtMask mask: Tensor? = nil, memoryMask: Tensor? = nil,
    tgtKeyPaddingMask keyPaddingMask: Tensor? = nil, memoryKeyPaddingMask: Tensor? = nil, tgtIsCausal isCausal: Bool = false
  ) -> Tensor {
    func attend(_ x: Tensor) -> Tensor {
      dropout1(
        selfAttn(x, x, x, keyPaddingMask: keyPaddingMask, attnMask: mask, isCausal: isCausal, needWeights: false).output)
    }
    func recall(_ x: Tensor) -> Tensor {
      dropout2(
        multiheadAttn(
          x, memory, memory, keyPaddingMask: memoryKeyPaddingMask, attnMask: memoryMask, needWeights: false
        ).output)
    }
    func feed(_ x: Tensor) -> Tensor { dropout3(linear1(x, then: activation.fused, linear2, dropout: dropout)) }
    if normFirst {
      let y = x + attend(norm1(x))
      let z = y + recall(norm2(y))
      return z + feed(norm3(z))
    }
    let y = norm1(x + attend(x))
    let z = norm2(y + recall(y))
    return norm3(z + feed(z))
  }
}

/// Copies of a layer one after the other. Torch's `nn.TransformerEncoder`.
public final class TransformerEncoder: Module {
  /// The layers, first to last.
  public let layers: [TransformerEncoderLayer]
  /// The norm at the end; nil without one.
  public let norm: LayerNorm?

  /// As torch's constructor.
  public init(_ layer: TransformerEncoderLayer, numLayers: Int, norm: LayerNorm? = nil) {
    layers = (0..<numLayers).map { _ in layer.copy() }
    self.norm = norm
  }

  /// All layers, then the norm: [N, T, E] → [N, T, E].
  public func callAsFunction(
    _ x: Tensor, mask: Tensor? = nil, srcKeyPaddingMask keyPaddingMask: Tensor? = nil, isCausal: Bool = false
  ) -> Tensor {
    let result = layers.reduce(x) { $1($0, srcMask: mask, srcKeyPaddingMask: keyPaddingMask, isCausal: isCausal) }
    return norm.map { $0(result) } ?? result
  }
}

/// Copies of a layer one after the other. Torch's `nn.TransformerDecoder`.
public final class TransformerDecoder: Module {
  /// The layers, first to last.
  public let layers: [TransformerDecoderLayer]
  /// The norm at the end; nil without one.
  public let norm: LayerNorm?

  /// As torch's constructor.
  public init(_ layer: TransformerDecoderLayer, numLayers: Int, norm: LayerNorm? = nil) {
    layers = (0..<numLayers).map { _ in layer.copy() }
    self.norm = norm
  }

  /// All layers, then the norm: [N, T, E] and the encoder's [N, S, E] → [N, T, E].
  public func callAsFunction(
    _ x: Tensor, _ memory: Tensor, tgtMask mask: Tensor? = nil, memoryMask: Tensor? = nil,
    tgtKeyPaddingMask keyPaddingMask: Tensor? = nil, memoryKeyPaddingMask: Tensor? = nil, tgtIsCausal isCausal: Bool = false
  ) -> Tensor {
    let result = layers.reduce(x) {
      $1(
        $0, memory, tgtMask: mask, memoryMask: memoryMask, tgtKeyPaddingMask: keyPaddingMask,
        memoryKeyPaddingMask: memoryKeyPaddingMask, tgtIsCausal: isCausal)
    }
    return norm.map { $0(result) } ?? result
  }
}

extension TransformerEncoderLayer {
  /// Another layer of these settings and numbers; the current generator draws nothing.
  fileprivate func copy() -> TransformerEncoderLayer {
    withGenerator(Generator(seed: 0)) {
      let other = TransformerEncoderLayer(
        selfAttn.embedDim, selfAttn.numHeads, dimFeedforward: linear1.outFeatures, dropout: dropout.p,
        activation: activation, layerNormEps: norm1.eps, batchFirst: selfAttn.batchFirst, normFirst: normFirst,
        bias: linear1.bias != nil, dtype: linear1.weight.dtype)
      noGrad {
        for (mine, its) in zip(parameters(), other.parameters()) { its.tensor.copy_(mine.tensor) }
      }
      return other
    }
  }
}

extension TransformerDecoderLayer {
  /// Another layer of these settings and numbers; the current generator draws nothing.
  fileprivate func copy() -> TransformerDecoderLayer {
    withGenerator(Generator(seed: 0)) {
      let other = TransformerDecoderLayer(
        selfAttn.embedDim, selfAttn.numHeads, dimFeedforward: linear1.outFeatures, dropout: dropout.p,
        activation: activation, layerNormEps: norm1.eps, batchFirst: selfAttn.batchFirst, normFirst: normFirst,
        bias: linear1.bias != nil, dtype: linear1.weight.dtype)
      noGrad {
        for (mine, its) in zip(parameters(), other.parameters()) { its.tensor.copy_(mine.tensor) }
      }
      return other
    }
  }
}
