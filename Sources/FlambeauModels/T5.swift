import Flambeau
import FlambeauNN

/// An encoder and a decoder that turn text into text (Raffel et al., 2020), with the names and shapes of Hugging Face's
/// `T5ForConditionalGeneration`; FLAN-T5 is one too. ``StateDict/forT5()`` makes what is published fit.
public final class T5: Module {
  /// The sizes.
  public let config: Config
  let shared: Embedding
  let encoder: Encoder
  let decoder: Decoder
  let lmHead: Head

  /// Embeddings start normal, attention and linear maps normal by their widths, as in Hugging Face's.
  public init(_ config: Config = Config()) {
    self.config = config
    shared = Embedding(config.vocabSize, config.dModel)
    encoder = Encoder(config, shared.weight)
    decoder = Decoder(config, shared.weight)
    lmHead = Head(
      config.tieWordEmbeddings ? shared.weight : Parameter(.randn([config.vocabSize, config.dModel])))
  }

  /// What the encoder makes of `tokens` [n, t], int64: [n, t, dModel].
  ///
  /// - Parameter mask: [n, t], 0 or false where a token is padding.
  public func encode(_ tokens: Tensor, mask: Tensor? = nil) -> Tensor { encoder(tokens, visible: mask.map(T5.visible)) }

  /// Logits [n, u, vocabSize] of the tokens that follow `tokens` [n, u], the first of which is the decoder's start, given what
  /// ``encode(_:mask:)`` returned and the mask it had.
  public func decode(_ tokens: Tensor, encoded: Tensor, mask: Tensor? = nil) -> Tensor {
    let x = decoder(tokens, encoded, visible: mask.map(T5.visible))
    return (config.tieWordEmbeddings ? x / Double(config.dModel).squareRoot() : x).linear(lmHead.weight.tensor)
  }

  private static func visible(_ mask: Tensor) -> Tensor { mask.to(.bool).unsqueeze(1).unsqueeze(1) }

  final class Encoder: Module {
    let embedTokens: Head
    let block: [EncoderBlock]
    let finalLayerNorm: RMSNorm
    let dropout: Dropout

    init(_ config: Config, _ words: Parameter) {
      embedTokens = Head(words)
      block = (0..<config.numLayers).map { EncoderBlock(config, isFirst: $0 == 0) }
      finalLayerNorm = RMSNorm(config.dModel, eps: config.layerNormEpsilon)
      dropout = Dropout(config.dropoutRate)
    }

    func callAsFunction(_ tokens: Tensor, visible: Tensor?) -> Tensor {
      let x = dropout(.embedding(tokens, weight: embedTokens.weight.tensor))
      guard let first = block.first else { return finalLayerNorm(x) }
      let bias = first.attention.selfAttention.bias(queries: tokens.shape[-1], isCausal: false).hiding(visible)
      return dropout(finalLayerNorm(block.reduce(x) { x, block in block(x, bias) }))
    }
  }

  final class Decoder: Module {
    let embedTokens: Head
    let block: [DecoderBlock]
    let finalLayerNorm: RMSNorm
    let dropout: Dropout

    init(_ config: Config, _ words: Parameter) {
      embedTokens = Head(words)
      block = (0..<config.numDecoderLayers).map { DecoderBlock(config, isFirst: $0 == 0) }
      finalLayerNorm = RMSNorm(config.dModel, eps: config.layerNormEpsilon)
      dropout = Dropout(config.dropoutRate)
    }

    func callAsFunction(_ tokens: Tensor, _ encoded: Tensor, visible: Tensor?) -> Tensor {
      let (x, count) = (dropout(.embedding(tokens, weight: embedTokens.weight.tensor)), tokens.shape[-1])
      guard let first = block.first else { return finalLayerNorm(x) }
      let earlier = Tensor.ones([count, count], dtype: .bool, device: x.device).tril()
      let bias = first.attention.selfAttention.bias(queries: count, isCausal: true).hiding(earlier)
      return dropout(finalLayerNorm(block.reduce(x) { x, block in block(x, bias, encoded, visible) }))
    }
  }

  final class EncoderBlock: Module {
    static let stateNames = ["attention": "layer.0", "feedForward": "layer.1"]
    let attention: SelfAttention
    let feedForward: FeedForward

    init(_ config: Config, isFirst: Bool) {
      attention = SelfAttention(config, hasBias: isFirst)
      feedForward = FeedForward(config)
    }

    func callAsFunction(_ x: Tensor, _ bias: Tensor) -> Tensor { feedForward(attention(x, bias)) }
  }

  final class DecoderBlock: Module {
    static let stateNames = ["attention": "layer.0", "crossAttention": "layer.1", "feedForward": "layer.2"]
    let attention: SelfAttention
    let crossAttention: CrossAttention
    let feedForward: FeedForward

    init(_ config: Config, isFirst: Bool) {
      attention = SelfAttention(config, hasBias: isFirst)
      crossAttention = CrossAttention(config)
      feedForward = FeedForward(config)
    }

    func callAsFunction(_ x: Tensor, _ bias: Tensor, _ encoded: Tensor, _ visible: Tensor?) -> Tensor {
      feedForward(crossAttention(attention(x, bias), encoded, visible))
    }
  }

  /// The first block's has the bias of all.
  final class SelfAttention: Module {
    static let stateNames = ["selfAttention": "SelfAttention"]
    let selfAttention: Attention
    let layerNorm: RMSNorm
    let dropout: Dropout

    init(_ config: Config, hasBias: Bool) {
      selfAttention = Attention(config, hasBias: hasBias)
      layerNorm = RMSNorm(config.dModel, eps: config.layerNormEpsilon)
      dropout = Dropout(config.dropoutRate)
    }

    func callAsFunction(_ x: Tensor, _ bias: Tensor) -> Tensor {
      let y = layerNorm(x)
      return x + dropout(selfAttention(y, y, mask: bias))
    }
  }

  final class CrossAttention: Module {
    static let stateNames = ["encDecAttention": "EncDecAttention"]
    let encDecAttention: Attention
    let layerNorm: RMSNorm
    let dropout: Dropout

    init(_ config: Config) {
      encDecAttention = Attention(config, hasBias: false)
      layerNorm = RMSNorm(config.dModel, eps: config.layerNormEpsilon)
      dropout = Dropout(config.dropoutRate)
    }

    func callAsFunction(_ x: Tensor, _ encoded: Tensor, _ visible: Tensor?) -> Tensor {
      x + dropout(encDecAttention(layerNorm(x), encoded, mask: visible))
    }
  }

  /// A name of a shared parameter.
  final class Head: Module {
    let weight: Parameter
    init(_ weight: Parameter) { self.weight = weight }
  }
}

extension T5 {
  /// Attention without a scale, whose scores have a learned number for each distance added.
  final class Attention: Module {
    let q, k, v, o: Linear
    let relativeAttentionBias: Embedding?
    let config: Config
    let mode = Mode()

    init(_ config: Config, hasBias: Bool) {
      let inner = config.numHeads * config.dKv
      (q, k) = (Linear(config.dModel, inner, bias: false), Linear(config.dModel, inner, bias: false))
      (v, o) = (Linear(config.dModel, inner, bias: false), Linear(inner, config.dModel, bias: false))
      relativeAttentionBias = hasBias ? Embedding(config.relativeAttentionNumBuckets, config.numHeads) : nil
      self.config = config
      Init.normal_(q.weight.tensor, std: 1 / Double(config.dModel * config.dKv).squareRoot())
      for map in [k, v] { Init.normal_(map.weight.tensor, std: 1 / Double(config.dModel).squareRoot()) }
      Init.normal_(o.weight.tensor, std: 1 / Double(inner).squareRoot())
      if let table = relativeAttentionBias { Init.normal_(table.weight.tensor, std: 1 / Double(config.dModel).squareRoot()) }
    }

    func callAsFunction(_ x: Tensor, _ seen: Tensor, mask: Tensor?) -> Tensor {
      let y = q(x).splitHeads(config.numHeads).scaledDotProductAttention(
        k(seen).splitHeads(config.numHeads), v(seen).splitHeads(config.numHeads), attnMask: mask,
        dropoutP: mode.isTraining ? config.dropoutRate : 0, scale: 1)
      return o(y.joinHeads())
    }

    /// [1, heads, queries, queries].
    func bias(queries count: Int, isCausal: Bool) -> Tensor {
      // Of the distances from −(count − 1) to count − 1.
      let buckets = (0..<Swift.max(2 * count - 1, 0)).map { bucket(distance: $0 - (count - 1), isCausal: isCausal) }
      let places = (0..<count).flatMap { query in buckets[(count - 1 - query)..<(2 * count - 1 - query)] }
      return relativeAttentionBias!(
        Tensor(places, shape: [count, count], device: relativeAttentionBias!.weight.tensor.device)
      ).permute([2, 0, 1]).unsqueeze(0)
    }

    /// Small distances have a bucket each, larger ones share them by their logarithms, computed in single precision as the
    /// original does.
    private func bucket(distance: Int, isCausal: Bool) -> Int {
      var (count, first) = (config.relativeAttentionNumBuckets, 0)
      var steps = isCausal ? Swift.max(-distance, 0) : abs(distance)
      if !isCausal {
        count /= 2
        first = distance > 0 ? count : 0
      }
      let exact = count / 2
      if steps >= exact {
        let ratio =
          Tensor(Float(steps) / Float(exact), device: .cpu).log()
          / Tensor(Float(config.relativeAttentionMaxDistance) / Float(exact), device: .cpu).log()
        let further = (ratio * Double(count - exact)).item()
        // In an error scope that has failed it is no number.
        steps = further.isNaN ? 0 : Swift.min(exact + Int(further), count - 1)
      }
      return first + steps
    }
  }

  /// A map to many features and back, gated in FLAN-T5.
  final class FeedForward: Module {
    static let stateNames = ["maps": "DenseReluDense"]
    let maps: Maps
    let layerNorm: RMSNorm
    let dropout: Dropout

    init(_ config: Config) {
      maps = Maps(config)
      layerNorm = RMSNorm(config.dModel, eps: config.layerNormEpsilon)
      dropout = Dropout(config.dropoutRate)
    }

    func callAsFunction(_ x: Tensor) -> Tensor { x + dropout(maps(layerNorm(x))) }
  }

  final class Maps: Module {
    static let stateNames = ["gate": "wi_0", "gated": "wi_1"]
    /// Without a gate.
    let wi: Linear?
    let gate, gated: Linear?
    let wo: Linear
    let activation: Activation
    let dropout: Dropout

    init(_ config: Config) {
      func wide() -> Linear { Linear(config.dModel, config.dFf, bias: false) }
      (wi, gate, gated) = config.isGated ? (nil, wide(), wide()) : (wide(), nil, nil)
      wo = Linear(config.dFf, config.dModel, bias: false)
      (activation, dropout) = (config.activation, Dropout(config.dropoutRate))
      for map in [wi, gate, gated].compactMap({ $0 }) {
        Init.normal_(map.weight.tensor, std: 1 / Double(config.dModel).squareRoot())
      }
      Init.normal_(wo.weight.tensor, std: 1 / Double(config.dFf).squareRoot())
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
      if let gate, let gated { return wo(dropout(activation(gate(x)) * gated(x))) }
      if let fused = activation.fused { return wi!(x, then: fused, wo, dropout: dropout) }
      return wo(dropout(activation(wi!(x))))
    }
  }
}

extension Tensor {
  /// Numbers added to scores, −∞ where `visible` is false.
  fileprivate func hiding(_ visible: Tensor?) -> Tensor {
    guard let visible else { return self }
    return self + Tensor.where(visible, Tensor.zeros([], dtype: dtype, device: device), -.infinity)
  }
}

extension StateDict {
  /// A published T5 under the names of ``T5``: the shared embedding under each of its names.
  public func forT5() throws(KeyRenaming.Collision) -> StateDict {
    try renamed(.wrappers + [.dropSuffix("EncDecAttention.relative_attention_bias.weight")]).tying([
      ("encoder.embed_tokens.weight", "shared.weight"), ("decoder.embed_tokens.weight", "shared.weight"),
      ("lm_head.weight", "shared.weight"),
    ])
  }
}
