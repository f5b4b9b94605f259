import Flambeau

/// From Hugging Face's `config.json`; what the file lacks is as in the smallest GPT-2.
extension GPT2.Config: Decodable {
  private enum Keys: String, CodingKey {
    case vocabSize = "vocab_size"
    case nPositions = "n_positions"
    case nEmbd = "n_embd"
    case nLayer = "n_layer"
    case nHead = "n_head"
    case dropout = "resid_pdrop"
    case activation = "activation_function"
    case nInner = "n_inner"
    case scalesByLayer = "scale_attn_by_inverse_layer_idx"
  }

  public init(from decoder: any Decoder) throws {
    self.init()
    let values = try decoder.container(keyedBy: Keys.self)
    try values.read(.vocabSize, into: &vocabSize)
    try values.read(.nPositions, into: &nPositions)
    try values.read(.nEmbd, into: &nEmbd)
    try values.read(.nLayer, into: &nLayer, atMost: mostLayers)
    try values.read(.nHead, into: &nHead)
    try values.read(.dropout, into: &dropout)
    func refuse(_ key: Keys, _ what: String) -> DecodingError {
      .dataCorruptedError(forKey: key, in: values, debugDescription: what)
    }
    switch try values.decodeIfPresent(Activation.self, forKey: .activation) {
    case nil, .geluNew, .geluTanh: gelu = .tanh
    case .gelu: gelu = .none
    case let other?: throw refuse(.activation, "a GPT-2's function is gelu_new or gelu, not \(other.rawValue)")
    }
    if let inner = try values.decodeIfPresent(Int.self, forKey: .nInner), inner != 4 * nEmbd {
      throw refuse(.nInner, "the widened layer should be 4 · n_embd wide, but \(inner) is not 4 · \(nEmbd)")
    }
    if try values.decodeIfPresent(Bool.self, forKey: .scalesByLayer) == true {
      throw refuse(.scalesByLayer, "attention that is scaled by the layer is not computed here")
    }
    try values.refuse(problem, .nHead)
  }

  /// Why no model can have these sizes; nil if one can.
  var problem: String? {
    nHead > 0 && nEmbd % nHead == 0 ? nil : "nEmbd (\(nEmbd)) must be divisible by nHead (\(nHead))"
  }
}
