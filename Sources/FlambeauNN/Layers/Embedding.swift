import Flambeau

/// The rows of a table that integers name. Torch's `nn.Embedding`.
///
/// Input [*] of integers below `count`, output [*, width]. The table starts normal; the row of `paddingIdx` is 0 and gets no
/// gradient.
public final class Embedding: HookableLayer {
  /// [count, width]: a row for each index.
  public let weight: Parameter
  /// How many there are.
  public let count: Int
  /// Elements of a row.
  public let width: Int
  /// The row that stays as it is in training.
  public let paddingIdx: Int?
  /// Rows that are longer are shortened to this when they are read; nil for never.
  public let maxNorm: Double?
  /// The order of the norm.
  public let normType: Double
  /// Gradients of rows are divided by how often the batch has them.
  public let scaleGradByFreq: Bool

  /// - Parameters:
  ///   - maxNorm: Rows that are read and whose norm of order `normType` is larger are shrunk to it in the table.
  ///   - scaleGradByFreq: Gradients are divided by how often their row appears.
  public init(
    _ count: Int, _ width: Int, paddingIdx: Int? = nil, maxNorm: Double? = nil, normType: Double = 2,
    scaleGradByFreq: Bool = false, dtype: DType = .float32
  ) {
    (self.count, self.width, self.paddingIdx) = (count, width, paddingIdx)
    (self.maxNorm, self.normType, self.scaleGradByFreq) = (maxNorm, normType, scaleGradByFreq)
    weight = Parameter(.zeros([count, width], dtype: dtype))
    Init.normal_(weight.tensor)
    if let paddingIdx { noGrad { _ = weight.tensor[paddingIdx].zero_() } }
  }

  private init(
    table weight: Parameter, _ paddingIdx: Int?, _ maxNorm: Double?, _ normType: Double, _ scaleGradByFreq: Bool
  ) {
    (self.weight, count, width) = (weight, weight.shape[0], weight.shape[1])
    (self.paddingIdx, self.maxNorm) = (paddingIdx, maxNorm)
    (self.normType, self.scaleGradByFreq) = (normType, scaleGradByFreq)
  }

  /// A table of known rows, [count, width], whose memory it shares. Torch's `Embedding.from_pretrained`.
  ///
  /// - Parameter freeze: The table gets no gradient.
  public static func fromPretrained(
    _ embeddings: Tensor, freeze: Bool = true, paddingIdx: Int? = nil, maxNorm: Double? = nil, normType: Double = 2,
    scaleGradByFreq: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Embedding {
    let table = knownTable(embeddings, freeze: freeze, "Embedding", file, line)
    return Embedding(table: table, paddingIdx, maxNorm, normType, scaleGradByFreq)
  }

  /// `embeddings` as the parameter of a layer; without rows where it is no table.
  static func knownTable(
    _ embeddings: Tensor, freeze: Bool, _ name: String, _ file: StaticString, _ line: UInt
  ) -> Parameter {
    if embeddings.ndim == 2 { return Parameter(embeddings, requiresGrad: !freeze, file: file, line: line) }
    if !Context.current.isFailed {
      let problem = "embeddings should be [count, width], but their shape is \(embeddings.shape)"
      Door.fail(TensorError(.shape, problem), in: "\(name).fromPretrained", file: file, line: line)
    }
    return Parameter(.zeros([0, 0]))
  }

  public func forward(_ x: Tensor) -> Tensor {
    .embedding(
      x, weight: weight.tensor, paddingIdx: paddingIdx, maxNorm: maxNorm, normType: normType,
      scaleGradByFreq: scaleGradByFreq)
  }

  public var configuration: String {
    var text = "\(count), \(width)"
    if let paddingIdx { text += ", paddingIdx: \(paddingIdx)" }
    if let maxNorm { text += ", maxNorm: \(maxNorm)" }
    if normType != 2 { text += ", normType: \(normType)" }
    return scaleGradByFreq ? text + ", scaleGradByFreq: true" : text
  }
}
