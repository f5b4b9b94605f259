import Flambeau
import FlambeauNN

/// A bidirectional encoder of tokens (Devlin et al., 2018), with the names and shapes of Hugging Face's `BertModel`.
///
/// ``BERTForMaskedLM``, ``BERTForSequenceClassification`` and ``SentenceEncoder`` put heads on it.
/// ``StateDict/forBERT(_:)`` makes what is published fit each of them.
public final class BERT: Module {
  /// The sizes.
  public let config: Config
  let embeddings: Embeddings
  let encoder: Encoder
  let pooler: Pooler?

  /// Linear maps and embeddings start normal with the deviation `config.initializerRange`.
  ///
  /// - Parameter pooling: With the layer that makes one vector of the first token's.
  public init(_ config: Config = Config(), pooling: Bool = true, file: StaticString = #fileID, line: UInt = #line) {
    if let problem = config.problem { Door.fail(TensorError(.argument, problem), in: "BERT", file: file, line: line) }
    self.config = config
    embeddings = Embeddings(config)
    encoder = Encoder(config)
    pooler = pooling ? Pooler(config) : nil
    initialise(config)
  }

  /// - Parameters:
  ///   - tokens: [n, t], int64; t is at most `config.maxPositionEmbeddings`.
  ///   - mask: [n, t], 0 or false where a token is padding, which no other token sees.
  ///   - types: [n, t], int64, which of the two texts a token belongs to; 0 by default.
  /// - Returns: What the last layer makes of each token, [n, t, hiddenSize].
  public func callAsFunction(_ tokens: Tensor, mask: Tensor? = nil, types: Tensor? = nil) -> Tensor {
    encoder(embeddings(tokens, types), visible: mask?.to(.bool).unsqueeze(1).unsqueeze(1))
  }

  /// tanh of a linear map of the first token, [n, hiddenSize], of what ``callAsFunction(_:mask:types:)`` returned. Hugging
  /// Face's `pooler_output`. Nil without pooling.
  public func pooled(_ hidden: Tensor) -> Tensor? { pooler?(hidden) }

  final class Embeddings: Module {
    static let stateNames = ["norm": "LayerNorm"]
    let wordEmbeddings, positionEmbeddings, tokenTypeEmbeddings: Embedding
    let norm: LayerNorm
    let dropout: Dropout

    init(_ config: Config) {
      wordEmbeddings = Embedding(config.vocabSize, config.hiddenSize, paddingIdx: config.padTokenId)
      positionEmbeddings = Embedding(config.maxPositionEmbeddings, config.hiddenSize)
      tokenTypeEmbeddings = Embedding(config.typeVocabSize, config.hiddenSize)
      norm = LayerNorm(config.hiddenSize, eps: config.layerNormEps)
      dropout = Dropout(config.hiddenDropoutProb)
    }

    func callAsFunction(_ tokens: Tensor, _ types: Tensor?) -> Tensor {
      guard tokens.ndim == 2, tokens.shape[1] <= positionEmbeddings.count else {
        let problem = "tokens should be [n, t] with t at most \(positionEmbeddings.count), but their shape is \(tokens.shape)"
        return Door.refuse(TensorError(.shape, problem), in: "BERT", tokens)
      }
      let kinds = types.map { tokenTypeEmbeddings($0) } ?? tokenTypeEmbeddings.weight.tensor[0]
      let positions = positionEmbeddings.weight.tensor.narrow(0, start: 0, length: tokens.shape[1])
      return dropout(norm(wordEmbeddings(tokens) + kinds + positions))
    }
  }

  final class Encoder: Module {
    let layer: [Block]
    init(_ config: Config) { layer = (0..<config.numHiddenLayers).map { _ in Block(config) } }
    func callAsFunction(_ x: Tensor, visible: Tensor?) -> Tensor { layer.reduce(x) { x, block in block(x, visible) } }
  }

  final class Block: Module {
    let attention: Attention
    let intermediate: Widening
    let output: ResidualMap

    init(_ config: Config) {
      attention = Attention(config)
      intermediate = Widening(config)
      output = ResidualMap(config.intermediateSize, config)
    }

    func callAsFunction(_ x: Tensor, _ visible: Tensor?) -> Tensor {
      let x = attention(x, visible)
      guard let fused = intermediate.activation.fused else { return output(intermediate(x), plus: x) }
      return output.joined(intermediate.dense(x, then: fused, output.dense), residual: x)
    }
  }

  final class Attention: Module {
    static let stateNames = ["heads": "self"]
    let heads: Heads
    let output: ResidualMap

    init(_ config: Config) {
      heads = Heads(config)
      output = ResidualMap(config.hiddenSize, config)
    }

    func callAsFunction(_ x: Tensor, _ visible: Tensor?) -> Tensor { output(heads(x, visible), plus: x) }
  }

  final class Heads: Module {
    let query, key, value: Linear
    let count: Int
    let dropout: Double
    let mode = Mode()

    init(_ config: Config) {
      query = Linear(config.hiddenSize, config.hiddenSize)
      key = Linear(config.hiddenSize, config.hiddenSize)
      value = Linear(config.hiddenSize, config.hiddenSize)
      (count, dropout) = (Swift.max(config.numAttentionHeads, 1), config.attentionProbsDropoutProb)
    }

    func callAsFunction(_ x: Tensor, _ visible: Tensor?) -> Tensor {
      let y = query(x).splitHeads(count).scaledDotProductAttention(
        key(x).splitHeads(count), value(x).splitHeads(count), attnMask: visible, dropoutP: mode.isTraining ? dropout : 0)
      return y.joinHeads()
    }
  }

  final class Widening: Module {
    let dense: Linear
    let activation: Activation

    init(_ config: Config) {
      dense = Linear(config.hiddenSize, config.intermediateSize)
      activation = config.hiddenAct
    }

    func callAsFunction(_ x: Tensor) -> Tensor { activation(dense(x)) }
  }

  /// The norm of a residual plus a linear map.
  final class ResidualMap: Module {
    static let stateNames = ["norm": "LayerNorm"]
    let dense: Linear
    let norm: LayerNorm
    let dropout: Dropout

    init(_ inputs: Int, _ config: Config) {
      dense = Linear(inputs, config.hiddenSize)
      norm = LayerNorm(config.hiddenSize, eps: config.layerNormEps)
      dropout = Dropout(config.hiddenDropoutProb)
    }

    func callAsFunction(_ x: Tensor, plus residual: Tensor) -> Tensor { joined(dense(x), residual: residual) }

    /// Of what the linear map gives.
    func joined(_ y: Tensor, residual: Tensor) -> Tensor { norm(dropout(y) + residual) }
  }

  final class Pooler: Module {
    let dense: Linear
    init(_ config: Config) { dense = Linear(config.hiddenSize, config.hiddenSize) }
    func callAsFunction(_ hidden: Tensor) -> Tensor { dense(hidden.select(dim: 1, index: 0)).tanh() }
  }
}

extension Module {
  /// As Hugging Face starts BERT: weights normal, biases 0, the row of padding 0.
  func initialise(_ config: BERT.Config) {
    for case let linear as Linear in modules() {
      Init.normal_(linear.weight.tensor, std: config.initializerRange)
      if let bias = linear.bias { Init.zeros_(bias.tensor) }
    }
    for case let table as Embedding in modules() {
      Init.normal_(table.weight.tensor, std: config.initializerRange)
      if let padding = table.paddingIdx { noGrad { _ = table.weight.tensor[padding].zero_() } }
    }
  }
}

extension Tensor {
  /// [n, t, width] as [n, heads, t, width / heads].
  func splitHeads(_ heads: Int) -> Tensor {
    view([shape[0], shape[1], heads, shape[2] / Swift.max(heads, 1)]).transpose(1, 2)
  }

  /// [n, heads, t, d] as [n, t, heads · d].
  func joinHeads() -> Tensor { transpose(1, 2).reshape([shape[0], shape[2], shape[1] * shape[3]]) }
}
