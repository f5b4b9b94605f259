import Flambeau

extension T5 {
  /// The sizes of a ``T5``, by the names in Hugging Face's `config.json`, which decodes into it; what the file lacks is as in T5 small.
  public struct Config: Sendable, Hashable, Decodable {
    /// Tokens.
    public var vocabSize = 32128
    /// Features.
    public var dModel = 512
    /// The features of a head.
    public var dKv = 64
    /// Features inside the feed-forward part.
    public var dFf = 2048
    /// Layers.
    public var numLayers = 6
    /// Layers of the decoder.
    public var numDecoderLayers = 6
    /// Heads.
    public var numHeads = 8
    /// How many distances are told apart.
    public var relativeAttentionNumBuckets = 32
    /// Larger distances count as this one.
    public var relativeAttentionMaxDistance = 128
    /// The probability of a zero, in training.
    public var dropoutRate = 0.1
    /// Keeps denominators from 0.
    public var layerNormEpsilon = 1e-6
    /// The feed-forward part's activation.
    public var activation = Activation.relu
    /// The widened layer is multiplied by another: FLAN-T5 and T5 1.1.
    public var isGated = false
    /// The head shares the embedding's weight; the decoder's output is then divided by √dModel.
    public var tieWordEmbeddings = true

    /// T5 small: 60 million parameters.
    public init() {}

    private enum Keys: String, CodingKey {
      case vocabSize = "vocab_size"
      case dModel = "d_model"
      case dKv = "d_kv"
      case dFf = "d_ff"
      case numLayers = "num_layers"
      case numDecoderLayers = "num_decoder_layers"
      case numHeads = "num_heads"
      case relativeAttentionNumBuckets = "relative_attention_num_buckets"
      case relativeAttentionMaxDistance = "relative_attention_max_distance"
      case dropoutRate = "dropout_rate"
      case layerNormEpsilon = "layer_norm_epsilon"
      case feedForward = "feed_forward_proj"
      case tieWordEmbeddings = "tie_word_embeddings"
      case scaleDecoderOutputs = "scale_decoder_outputs"
    }

    public init(from decoder: any Swift.Decoder) throws {
      let values = try decoder.container(keyedBy: Keys.self)
      try values.read(.vocabSize, into: &vocabSize)
      try values.read(.dModel, into: &dModel)
      try values.read(.dKv, into: &dKv)
      try values.read(.dFf, into: &dFf)
      try values.read(.numLayers, into: &numLayers, atMost: mostLayers)
      numDecoderLayers = numLayers
      try values.read(.numDecoderLayers, into: &numDecoderLayers, atMost: mostLayers)
      try values.read(.numHeads, into: &numHeads)
      try values.read(.relativeAttentionNumBuckets, into: &relativeAttentionNumBuckets)
      try values.read(.relativeAttentionMaxDistance, into: &relativeAttentionMaxDistance)
      try values.read(.dropoutRate, into: &dropoutRate)
      try values.read(.layerNormEpsilon, into: &layerNormEpsilon)
      try values.read(.tieWordEmbeddings, into: &tieWordEmbeddings)
      // Newer files say apart whether the output is scaled, and tie either way.
      try values.read(.scaleDecoderOutputs, into: &tieWordEmbeddings)
      let text = try values.decodeIfPresent(String.self, forKey: .feedForward) ?? "relu"
      isGated = text.hasPrefix("gated-")
      let name = isGated ? String(text.dropFirst("gated-".count)) : text
      // The originals' gelu is the approximation.
      guard let function = name == "gelu" && isGated ? .geluNew : Activation(rawValue: name) else {
        throw DecodingError.dataCorruptedError(forKey: .feedForward, in: values, debugDescription: "\"\(text)\" is not known")
      }
      activation = function
    }
  }
}
