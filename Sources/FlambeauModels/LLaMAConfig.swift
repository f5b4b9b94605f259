import Flambeau

extension LLaMA {
  /// The sizes of a ``LLaMA``, by the names in Hugging Face's `config.json`, which decodes into it: `model_type` says which
  /// variant.
  public struct Config: Sendable, Hashable, Decodable {
    /// Tokens.
    public var vocabSize = 32000
    /// Features.
    public var hiddenSize = 4096
    /// Features inside the feed-forward part.
    public var intermediateSize = 11008
    /// Layers.
    public var numHiddenLayers = 32
    /// Heads.
    public var numAttentionHeads = 32
    /// Heads of keys and values, each shared by as many heads of queries as there are times more.
    public var numKeyValueHeads = 32
    /// The features of a head.
    public var headDim = 128
    /// The most tokens the model was made for.
    public var maxPositionEmbeddings = 2048
    /// Keeps denominators from 0.
    public var rmsNormEps = 1e-6
    /// The base of the rotations' wavelengths.
    public var ropeTheta = 10000.0
    /// How rotations are stretched for longer texts; nil for not at all.
    public var ropeScaling: RotaryEmbedding.Scaling?
    /// The head shares the token embedding's weight.
    public var tieWordEmbeddings = false
    /// Biases in the maps to queries, keys and values: Qwen 2 has them.
    public var qkvBias = false
    /// A bias in attention's last map.
    public var outputBias = false
    /// Linear layers of the feed-forward part have biases.
    public var mlpBias = false
    /// Norms of each head's queries and keys: Qwen 3 has them.
    public var qkNorm = false
    /// The standard deviation that weights start with.
    public var initializerRange = 0.02

    /// LLaMA 2 of 7 billion parameters, to be changed.
    public init() {}

    /// Why no model can have these sizes; nil if one can.
    var problem: String? {
      if numAttentionHeads <= 0 || numKeyValueHeads <= 0 || numAttentionHeads % numKeyValueHeads != 0 {
        return "numAttentionHeads (\(numAttentionHeads)) must be a multiple of numKeyValueHeads (\(numKeyValueHeads))"
      }
      return headDim <= 0 || headDim % 2 != 0 ? "headDim (\(headDim)) must be even and above 0" : nil
    }

    private enum Keys: String, CodingKey {
      case modelType = "model_type"
      case vocabSize = "vocab_size"
      case hiddenSize = "hidden_size"
      case intermediateSize = "intermediate_size"
      case numHiddenLayers = "num_hidden_layers"
      case numAttentionHeads = "num_attention_heads"
      case numKeyValueHeads = "num_key_value_heads"
      case headDim = "head_dim"
      case maxPositionEmbeddings = "max_position_embeddings"
      case rmsNormEps = "rms_norm_eps"
      case ropeTheta = "rope_theta"
      case ropeScaling = "rope_scaling"
      case ropeParameters = "rope_parameters"
      case tieWordEmbeddings = "tie_word_embeddings"
      case attentionBias = "attention_bias"
      case mlpBias = "mlp_bias"
      case initializerRange = "initializer_range"
      case useSlidingWindow = "use_sliding_window"
      case hiddenAct = "hidden_act"
    }

    public init(from decoder: any Swift.Decoder) throws {
      let values = try decoder.container(keyedBy: Keys.self)
      func refuse(_ key: Keys, _ what: String) -> DecodingError {
        .dataCorruptedError(forKey: key, in: values, debugDescription: what)
      }
      let kind = try values.decodeIfPresent(String.self, forKey: .modelType) ?? "llama"
      guard ["llama", "qwen2", "qwen3"].contains(kind) else {
        throw refuse(.modelType, "\"\(kind)\" is none of llama, qwen2 and qwen3")
      }
      guard try values.decodeIfPresent(Bool.self, forKey: .useSlidingWindow) != true else {
        throw refuse(.useSlidingWindow, "attention within windows is not computed here")
      }
      if let activation = try values.decodeIfPresent(String.self, forKey: .hiddenAct), activation != "silu" {
        throw refuse(.hiddenAct, "the gate's function is silu, not \"\(activation)\"")
      }
      try values.read(.vocabSize, into: &vocabSize)
      try values.read(.hiddenSize, into: &hiddenSize)
      try values.read(.intermediateSize, into: &intermediateSize)
      try values.read(.numHiddenLayers, into: &numHiddenLayers, atMost: mostLayers)
      try values.read(.numAttentionHeads, into: &numAttentionHeads)
      numKeyValueHeads = numAttentionHeads
      try values.read(.numKeyValueHeads, into: &numKeyValueHeads)
      headDim = kind == "qwen3" ? 128 : hiddenSize / Swift.max(numAttentionHeads, 1)
      try values.read(.headDim, into: &headDim)
      try values.read(.maxPositionEmbeddings, into: &maxPositionEmbeddings)
      try values.read(.rmsNormEps, into: &rmsNormEps)
      try values.read(.tieWordEmbeddings, into: &tieWordEmbeddings)
      try values.read(.mlpBias, into: &mlpBias)
      try values.read(.initializerRange, into: &initializerRange)
      try values.read(.attentionBias, into: &outputBias)
      qkvBias = outputBias || kind == "qwen2"
      if kind == "qwen2" { outputBias = false }
      qkNorm = kind == "qwen3"
      try values.read(.ropeTheta, into: &ropeTheta)
      for key in [Keys.ropeScaling, .ropeParameters] {
        guard let rope = try values.decodeIfPresent(Rope.self, forKey: key) else { continue }
        ropeTheta = rope.theta ?? ropeTheta
        ropeScaling = try rope.scaling(context: maxPositionEmbeddings, in: decoder)
      }
      try values.refuse(problem, .numAttentionHeads)
    }
  }
}

/// `rope_scaling`, or `rope_parameters` of newer files.
private struct Rope: Decodable {
  let type: String?
  let legacyType: String?
  let theta, factor, low, high, betaFast, betaSlow, attentionFactor: Double?
  let originalContext: Int?

  private enum CodingKeys: String, CodingKey {
    case type = "rope_type"
    case legacyType = "type"
    case theta = "rope_theta"
    case factor
    case low = "low_freq_factor"
    case high = "high_freq_factor"
    case betaFast = "beta_fast"
    case betaSlow = "beta_slow"
    case attentionFactor = "attention_factor"
    case originalContext = "original_max_position_embeddings"
  }

  func scaling(context: Int, in decoder: any Decoder) throws -> RotaryEmbedding.Scaling? {
    let name = type ?? legacyType ?? "default"
    func number(_ value: Double?, _ key: CodingKeys) throws -> Double {
      if let value { return value }
      let path = decoder.codingPath + [key]
      throw DecodingError.keyNotFound(key, .init(codingPath: path, debugDescription: "positions scaled by \(name) need it"))
    }
    let original = originalContext ?? context
    switch name {
    case "default": return nil
    case "linear": return .linear(factor: try number(factor, .factor))
    case "llama3":
      return .llama3(
        factor: try number(factor, .factor), lowFrequencyFactor: try number(low, .low),
        highFrequencyFactor: try number(high, .high), originalContext: original)
    case "yarn":
      return .yarn(
        factor: try number(factor, .factor), originalContext: original, betaFast: betaFast ?? 32, betaSlow: betaSlow ?? 1,
        attentionFactor: attentionFactor)
    default:
      let what = "positions scaled by \"\(name)\" are not computed here, but by linear, llama3 and yarn"
      throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: what))
    }
  }
}
