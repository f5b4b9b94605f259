import Flambeau
import FlambeauNN

/// What reads a sequence step by step in a ``RecurrentLanguageModel`` and a ``SequenceClassifier``.
public enum RecurrentKind: Sendable, Hashable {
  /// Long short-term memory.
  case lstm
  /// Gated recurrent units.
  case gru
}

/// Hidden states, and an LSTM's cells.
public struct RecurrentState: Sendable {
  /// The hidden state.
  public var hidden: Tensor
  /// Nil for a GRU.
  public var cell: Tensor?

  /// A state of `hidden` and, for LSTM, `cell`, each [layers, N, features].
  public init(hidden: Tensor, cell: Tensor? = nil) { (self.hidden, self.cell) = (hidden, cell) }

  /// The same numbers, without the history they were made by: what truncated backpropagation carries to the next piece.
  public func detached() -> RecurrentState { RecurrentState(hidden: hidden.detach(), cell: cell?.detach()) }
}

/// Both kinds under one name in the state dict.
final class RecurrentCore: Module {
  static let stateNames = ["lstm": "", "gru": ""]
  let lstm: LSTM?
  let gru: GRU?

  init(_ kind: RecurrentKind, _ inputs: Int, _ units: Int, layers: Int, dropout: Double, bidirectional: Bool = false) {
    func make<Network>(_ wanted: RecurrentKind, _ body: @autoclosure () -> Network) -> Network? { kind == wanted ? body() : nil }
    lstm = make(
      .lstm, LSTM(inputs, units, numLayers: layers, batchFirst: true, dropout: dropout, bidirectional: bidirectional))
    gru = make(.gru, GRU(inputs, units, numLayers: layers, batchFirst: true, dropout: dropout, bidirectional: bidirectional))
  }

  func callAsFunction(_ x: Tensor, _ state: RecurrentState?) -> (output: Tensor, state: RecurrentState) {
    if let lstm {
      let all = lstm(x, state.flatMap { state in state.cell.map { (state.hidden, $0) } })
      return (all.output, RecurrentState(hidden: all.state.hidden, cell: all.state.cell))
    }
    let all = gru!(x, state?.hidden)
    return (all.output, RecurrentState(hidden: all.hidden))
  }

  /// The last hidden states [layers · directions, n, units] of packed sequences.
  func last(_ x: PackedSequence) -> Tensor { lstm.map { $0(x).state.hidden } ?? gru!(x).hidden }
}

/// A language model that carries a state from token to token, with the names of PyTorch's `word_language_model` example
/// (`encoder`, `rnn`, `decoder`).
///
/// Embeddings start uniform between ±0.1, as there.
public final class RecurrentLanguageModel: Module {
  let encoder: Embedding
  let drop: Dropout
  let rnn: RecurrentCore
  let decoder: Decoder

  /// - Parameters:
  ///   - width: Of the embeddings and of the hidden states.
  ///   - dropout: The share set to 0 of embeddings, between layers and before the decoder while training.
  ///   - tied: The decoder shares the embedding's weight.
  public init(
    _ kind: RecurrentKind = .lstm, vocabSize: Int, width: Int = 200, layers: Int = 2, dropout: Double = 0.2, tied: Bool = false
  ) {
    encoder = Embedding(vocabSize, width)
    drop = Dropout(dropout)
    rnn = RecurrentCore(kind, width, width, layers: layers, dropout: layers > 1 ? dropout : 0)
    Init.uniform_(encoder.weight.tensor, from: -0.1, to: 0.1)
    decoder = Decoder(tied ? encoder.weight : Parameter(.zeros([vocabSize, width])))
    if !tied { Init.uniform_(decoder.weight.tensor, from: -0.1, to: 0.1) }
  }

  /// - Parameters:
  ///   - tokens: [n, t], int64.
  ///   - state: What the call before returned; nil to begin.
  /// - Returns: Logits of the tokens that follow, [n, t, vocabSize], and the state after the last one.
  public func callAsFunction(_ tokens: Tensor, _ state: RecurrentState? = nil) -> (logits: Tensor, state: RecurrentState) {
    let (output, next) = rnn(drop(encoder(tokens)), state)
    return (drop(output).linear(decoder.weight.tensor, decoder.bias.tensor), next)
  }

  final class Decoder: Module {
    let weight, bias: Parameter

    init(_ weight: Parameter) {
      self.weight = weight
      bias = Parameter(.zeros([weight.shape[0]]))
    }
  }
}

/// A class for each sequence of tokens: embeddings, a recurrent network, a linear map of its last states.
public final class SequenceClassifier: Module {
  let embedding: Embedding
  let rnn: RecurrentCore
  let drop: Dropout
  let fc: Linear
  private let directions: Int

  /// - Parameters:
  ///   - width: Of the embeddings.
  ///   - units: Of the hidden states.
  ///   - bidirectional: The sequence is read from both ends.
  ///   - dropout: The share set to 0 between layers and before the last map while training.
  public init(
    _ kind: RecurrentKind = .lstm, vocabSize: Int, classes: Int, width: Int = 100, units: Int = 128, layers: Int = 1,
    bidirectional: Bool = true, dropout: Double = 0.2, paddingIdx: Int? = nil
  ) {
    embedding = Embedding(vocabSize, width, paddingIdx: paddingIdx)
    rnn = RecurrentCore(
      kind, width, units, layers: layers, dropout: layers > 1 ? dropout : 0, bidirectional: bidirectional)
    drop = Dropout(dropout)
    directions = bidirectional ? 2 : 1
    fc = Linear(units * directions, classes)
  }

  /// - Parameters:
  ///   - tokens: [n, t], int64.
  ///   - lengths: How much of each row counts; all by default.
  /// - Returns: Logits, [n, classes].
  public func callAsFunction(_ tokens: Tensor, lengths: [Int]? = nil) -> Tensor {
    let x = embedding(tokens)
    let hidden: Tensor
    if let lengths {
      hidden = rnn.last(packPaddedSequence(x, lengths: lengths, batchFirst: true, enforceSorted: false))
    } else {
      hidden = rnn(x, nil).state.hidden
    }
    let last = hidden.narrow(0, start: hidden.shape[0] - directions, length: directions)
    return fc(drop(Tensor.cat((0..<directions).map { last[$0] }, dim: 1)))
  }
}
