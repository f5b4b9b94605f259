import Flambeau
import FlambeauNN

/// ``BERT`` that says which tokens it thinks were masked. Hugging Face's `BertForMaskedLM`.
///
/// The output is [n, t, vocabSize], logits. The decoder shares the word embeddings' weight.
public final class BERTForMaskedLM: Module {
  /// The encoder.
  public let bert: BERT
  let cls: Head

  /// A network with fresh weights, the decoder's being the word embedding's.
  public init(_ config: BERT.Config = BERT.Config(), file: StaticString = #fileID, line: UInt = #line) {
    bert = BERT(config, pooling: false, file: file, line: line)
    cls = Head(config, bert.embeddings.wordEmbeddings.weight)
    cls.initialise(config)
  }

  /// Operands as ``BERT``'s.
  public func callAsFunction(_ tokens: Tensor, mask: Tensor? = nil, types: Tensor? = nil) -> Tensor {
    cls.predictions(bert(tokens, mask: mask, types: types))
  }

  final class Head: Module {
    let predictions: Predictions
    init(_ config: BERT.Config, _ words: Parameter) { predictions = Predictions(config, words) }
  }

  final class Predictions: Module {
    let bias: Parameter
    let transform: Transform
    let decoder: Decoder

    init(_ config: BERT.Config, _ words: Parameter) {
      bias = Parameter(.zeros([config.vocabSize]))
      transform = Transform(config)
      decoder = Decoder(words, bias)
    }

    func callAsFunction(_ x: Tensor) -> Tensor { transform(x).linear(decoder.weight.tensor, bias.tensor) }
  }

  final class Transform: Module {
    static let stateNames = ["norm": "LayerNorm"]
    let dense: Linear
    let norm: LayerNorm
    let activation: Activation

    init(_ config: BERT.Config) {
      dense = Linear(config.hiddenSize, config.hiddenSize)
      norm = LayerNorm(config.hiddenSize, eps: config.layerNormEps)
      activation = config.hiddenAct
    }

    func callAsFunction(_ x: Tensor) -> Tensor { norm(activation(dense(x))) }
  }

  /// Names of shared parameters.
  final class Decoder: Module {
    let weight, bias: Parameter
    init(_ weight: Parameter, _ bias: Parameter) { (self.weight, self.bias) = (weight, bias) }
  }
}

/// ``BERT`` with a linear map of its pooled output to classes. Hugging Face's `BertForSequenceClassification`.
///
/// The output is [n, numLabels], logits.
public final class BERTForSequenceClassification: Module {
  /// The encoder.
  public let bert: BERT
  let dropout: Dropout
  let classifier: Linear

  /// A network with fresh weights and `numLabels` classes.
  public init(
    _ config: BERT.Config = BERT.Config(), numLabels: Int = 2, file: StaticString = #fileID, line: UInt = #line
  ) {
    bert = BERT(config, file: file, line: line)
    dropout = Dropout(config.classifierDropout ?? config.hiddenDropoutProb)
    classifier = Linear(config.hiddenSize, numLabels)
    Init.normal_(classifier.weight.tensor, std: config.initializerRange)
    if let bias = classifier.bias { Init.zeros_(bias.tensor) }
  }

  /// Operands as ``BERT``'s.
  public func callAsFunction(_ tokens: Tensor, mask: Tensor? = nil, types: Tensor? = nil) -> Tensor {
    // The pooler is there: this initialiser made it.
    classifier(dropout(bert.pooled(bert(tokens, mask: mask, types: types))!))
  }
}

/// ``BERT`` that makes a vector of a text: the mean of its tokens', of length 1 (Reimers and Gurevych, 2019). What
/// sentence-transformers' models of mean pooling and normalisation compute, such as all-MiniLM-L6-v2. Its names are ``BERT``'s.
public final class SentenceEncoder: Module {
  public static let stateNames = ["bert": ""]
  /// The encoder.
  public let bert: BERT

  /// A network with fresh weights; the default is MiniLM's shape.
  public init(_ config: BERT.Config = .miniLM, file: StaticString = #fileID, line: UInt = #line) {
    bert = BERT(config, file: file, line: line)
  }

  /// Operands as ``BERT``'s; the output is [n, hiddenSize].
  public func callAsFunction(_ tokens: Tensor, mask: Tensor? = nil, types: Tensor? = nil) -> Tensor {
    let hidden = bert(tokens, mask: mask, types: types)
    guard let mask else { return hidden.mean(dim: 1).normalize(p: 2, dim: 1) }
    let weights = mask.to(hidden.dtype).unsqueeze(-1)
    return ((hidden * weights).sum(dim: 1) / weights.sum(dim: 1).clamp(min: 1e-9)).normalize(p: 2, dim: 1)
  }
}

extension KeyRenaming {
  /// What differs in BERT's published checkpoints: wrappers, TensorFlow's names of norms, and positions that are computed now.
  public static let bert: KeyRenaming = wrappers + gammaBeta + [.dropSuffix("embeddings.position_ids")]
}

extension StateDict {
  /// A published BERT under the names of `model`, which is a ``BERT`` or one with a head: `bert.` is added or taken away, what
  /// belongs to other heads is left out, and tied weights that the file has once come under each of their names.
  public func forBERT(_ model: some Module) throws(KeyRenaming.Collision) -> StateDict {
    let wanted = Set(model.stateDict().keys)
    let isInner = wanted.contains { $0.hasPrefix("bert.") }
    var result = StateDict()
    for (key, value) in try renamed(.bert) {
      var name = key
      if isInner, !key.hasPrefix("cls."), !key.hasPrefix("classifier."), !key.hasPrefix("bert.") { name = "bert." + key }
      if !isInner, key.hasPrefix("bert.") { name = String(key.dropFirst("bert.".count)) }
      let belongsElsewhere = ["cls.", "classifier.", "pooler.", "bert.pooler."].contains { name.hasPrefix($0) }
      if wanted.contains(name) || !belongsElsewhere { result[name] = value }
    }
    return result.tying([
      ("cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"),
      ("cls.predictions.decoder.bias", "cls.predictions.bias"),
    ]) { wanted.contains($0) }
  }

  /// Names that are missing though `isWanted` take the tensor of another.
  func tying(_ pairs: [(name: String, source: String)], isWanted: (String) -> Bool = { _ in true }) -> StateDict {
    var result = self
    for (name, source) in pairs where result[name] == nil && isWanted(name) {
      if let tensor = result[source] { result[name] = tensor }
    }
    return result
  }
}
