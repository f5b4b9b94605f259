import Flambeau

extension BERT {
  /// The sizes of a ``BERT``, by the names in Hugging Face's `config.json`, which decodes into it; what the file lacks is as in
  /// BERT base.
  public struct Config: Sendable, Hashable, Decodable {
    /// Tokens.
    public var vocabSize = 30522
    /// Features.
    public var hiddenSize = 768
    /// Layers.
    public var numHiddenLayers = 12
    /// Heads.
    public var numAttentionHeads = 12
    /// Features inside the feed-forward part.
    public var intermediateSize = 3072
    /// The feed-forward part's activation.
    public var hiddenAct = Activation.gelu
    /// The share of embeddings and of what is added to residuals that is set to 0 while training.
    public var hiddenDropoutProb = 0.1
    /// Dropout of attention weights.
    public var attentionProbsDropoutProb = 0.1
    /// The most tokens of an input.
    public var maxPositionEmbeddings = 512
    /// Kinds of segments.
    public var typeVocabSize = 2
    /// The standard deviation that weights start with.
    public var initializerRange = 0.02
    /// Keeps denominators from 0.
    public var layerNormEps = 1e-12
    /// The token that fills up; nil for none.
    public var padTokenId: Int? = 0
    /// Nil for `hiddenDropoutProb`.
    public var classifierDropout: Double?

    /// BERT base: 110 million parameters.
    public init() {}

    /// Why no model can have these sizes; nil if one can.
    var problem: String? {
      if numAttentionHeads > 0 && hiddenSize % numAttentionHeads == 0 { return nil }
      return "hiddenSize (\(hiddenSize)) must be divisible by numAttentionHeads (\(numAttentionHeads))"
    }

    /// all-MiniLM-L6-v2 and its relatives: 6 layers, 384 wide, 23 million parameters.
    public static let miniLM: Config = {
      var config = Config()
      (config.hiddenSize, config.numHiddenLayers, config.intermediateSize) = (384, 6, 1536)
      return config
    }()

    private enum Keys: String, CodingKey {
      case vocabSize = "vocab_size"
      case hiddenSize = "hidden_size"
      case numHiddenLayers = "num_hidden_layers"
      case numAttentionHeads = "num_attention_heads"
      case intermediateSize = "intermediate_size"
      case hiddenAct = "hidden_act"
      case hiddenDropoutProb = "hidden_dropout_prob"
      case attentionProbsDropoutProb = "attention_probs_dropout_prob"
      case maxPositionEmbeddings = "max_position_embeddings"
      case typeVocabSize = "type_vocab_size"
      case initializerRange = "initializer_range"
      case layerNormEps = "layer_norm_eps"
      case padTokenId = "pad_token_id"
      case classifierDropout = "classifier_dropout"
    }

    public init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: Keys.self)
      try values.read(.vocabSize, into: &vocabSize)
      try values.read(.hiddenSize, into: &hiddenSize)
      try values.read(.numHiddenLayers, into: &numHiddenLayers, atMost: mostLayers)
      try values.read(.numAttentionHeads, into: &numAttentionHeads)
      try values.read(.intermediateSize, into: &intermediateSize)
      try values.read(.hiddenAct, into: &hiddenAct)
      try values.read(.hiddenDropoutProb, into: &hiddenDropoutProb)
      try values.read(.attentionProbsDropoutProb, into: &attentionProbsDropoutProb)
      try values.read(.maxPositionEmbeddings, into: &maxPositionEmbeddings)
      try values.read(.typeVocabSize, into: &typeVocabSize)
      try values.read(.initializerRange, into: &initializerRange)
      try values.read(.layerNormEps, into: &layerNormEps)
      try values.read(.classifierDropout, into: &classifierDropout)
      try values.read(.padTokenId, into: &padTokenId)
      try values.refuse(problem, .numAttentionHeads)
    }
  }
}
