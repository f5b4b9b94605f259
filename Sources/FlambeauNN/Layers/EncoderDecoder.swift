import Flambeau

/// An encoder of one sequence and a decoder of another that looks at it (Vaswani et al., 2017). Torch's `nn.Transformer`.
///
/// Inputs [s, n, dModel] and [t, n, dModel], with `batchFirst` [n, s, dModel] and [n, t, dModel], or without the n; output of the
/// second's shape. Matrices start Xavier-uniform.
public final class Transformer: Module {
  /// The encoder.
  public let encoder: TransformerEncoder
  /// The decoder.
  public let decoder: TransformerDecoder
  /// Features.
  public let dModel: Int
  /// Heads.
  public let nhead: Int

  /// - Parameters:
  ///   - dropout: The share set to 0 while training, of attention weights too.
  ///   - normFirst: Inputs are normalised before each part, rather than sums after it.
  public init(
    _ dModel: Int = 512, _ nhead: Int = 8, numEncoderLayers: Int = 6, numDecoderLayers: Int = 6,
    dimFeedforward: Int = 2048, dropout: Double = 0.1, activation: TransformerActivation = .relu,
    layerNormEps: Double = 1e-5, batchFirst: Bool = false, normFirst: Bool = false, bias: Bool = true,
    dtype: DType = .float32, file: StaticString = #fileID, line: UInt = #line
  ) {
    (self.dModel, self.nhead) = (dModel, nhead)
    encoder = TransformerEncoder(
      TransformerEncoderLayer(
        dModel, nhead, dimFeedforward: dimFeedforward, dropout: dropout, activation: activation, layerNormEps: layerNormEps,
        batchFirst: batchFirst, normFirst: normFirst, bias: bias, dtype: dtype, file: file, line: line),
      numLayers: numEncoderLayers, norm: LayerNorm(dModel, eps: layerNormEps, bias: bias, dtype: dtype))
    decoder = TransformerDecoder(
      TransformerDecoderLayer(
        dModel, nhead, dimFeedforward: dimFeedforward, dropout: dropout, activation: activation, layerNormEps: layerNormEps,
        batchFirst: batchFirst, normFirst: normFirst, bias: bias, dtype: dtype, file: file, line: line),
      numLayers: numDecoderLayers, norm: LayerNorm(dModel, eps: layerNormEps, bias: bias, dtype: dtype))
    for parameter in encoder.parameters() + decoder.parameters() where parameter.tensor.ndim > 1 {
      Init.xavierUniform_(parameter.tensor)
    }
  }

  /// - Parameters:
  ///   - srcMask, tgtMask, memoryMask: Of the encoder's, the decoder's and the decoder's attention to the encoder: true where a
  ///     position must not look, or numbers added to the scores.
  ///   - srcKeyPaddingMask, tgtKeyPaddingMask, memoryKeyPaddingMask: [n, s], [n, t] and [n, s]: true, or −∞, where a position is
  ///     not to be looked at.
  ///   - srcIsCausal, tgtIsCausal: Where there is no mask, position i looks at 0 … i.
  public func callAsFunction(
    _ src: Tensor, _ tgt: Tensor, srcMask: Tensor? = nil, tgtMask: Tensor? = nil, memoryMask: Tensor? = nil,
    srcKeyPaddingMask: Tensor? = nil, tgtKeyPaddingMask: Tensor? = nil, memoryKeyPaddingMask: Tensor? = nil,
    srcIsCausal: Bool = false, tgtIsCausal: Bool = false
  ) -> Tensor {
    let memory = encoder(src, mask: srcMask, srcKeyPaddingMask: srcKeyPaddingMask, isCausal: srcIsCausal)
    return decoder(
      tgt, memory, tgtMask: tgtMask, memoryMask: memoryMask, tgtKeyPaddingMask: tgtKeyPaddingMask,
      memoryKeyPaddingMask: memoryKeyPaddingMask, tgtIsCausal: tgtIsCausal)
  }

  /// The mask of numbers that lets position i look at 0 … i: 0 there and −∞ elsewhere.
  public static func generateSquareSubsequentMask(_ size: Int, dtype: DType = .float32, device: Device? = nil) -> Tensor {
    Tensor.full([size, size], -Double.infinity, dtype: dtype, device: device).triu(1)
  }
}
