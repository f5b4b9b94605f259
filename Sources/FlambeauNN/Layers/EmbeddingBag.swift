import Flambeau

/// Sums, means or largest elements of the rows of a table that integers name. Torch's `nn.EmbeddingBag`.
///
/// Output [bags, width]. The table starts normal; the row of `paddingIdx` is 0, counts nothing and gets no gradient.
public final class EmbeddingBag: Module {
  /// [count, width]: a row for each index.
  public let weight: Parameter
  /// How many there are.
  public let count: Int
  /// Elements of a row.
  public let width: Int
  /// How the rows of a bag become one.
  public let mode: EmbeddingBagMode
  /// The last offset is the end of the last bag.
  public let includeLastOffset: Bool
  /// The row that stays as it is in training.
  public let paddingIdx: Int?
  /// Rows that are longer are shortened to this when they are read; nil for never.
  public let maxNorm: Double?
  /// The order of the norm.
  public let normType: Double
  /// Gradients of rows are divided by how often the batch has them.
  public let scaleGradByFreq: Bool

  /// - Parameters:
  ///   - includeLastOffset: The last offset is where the last bag ends.
  ///   - maxNorm: Rows that are read and whose norm of order `normType` is larger are shrunk to it in the table.
  ///   - scaleGradByFreq: Gradients are divided by how often their row appears.
  public init(
    _ count: Int, _ width: Int, mode: EmbeddingBagMode = .mean, includeLastOffset: Bool = false, paddingIdx: Int? = nil,
    maxNorm: Double? = nil, normType: Double = 2, scaleGradByFreq: Bool = false, dtype: DType = .float32
  ) {
    (self.count, self.width, self.mode) = (count, width, mode)
    (self.includeLastOffset, self.paddingIdx) = (includeLastOffset, paddingIdx)
    (self.maxNorm, self.normType, self.scaleGradByFreq) = (maxNorm, normType, scaleGradByFreq)
    weight = Parameter(.zeros([count, width], dtype: dtype))
    Init.normal_(weight.tensor)
    if let paddingIdx { noGrad { _ = weight.tensor[paddingIdx].zero_() } }
  }

  private init(
    table weight: Parameter, _ mode: EmbeddingBagMode, _ includeLastOffset: Bool, _ paddingIdx: Int?, _ maxNorm: Double?,
    _ normType: Double, _ scaleGradByFreq: Bool
  ) {
    (self.weight, count, width, self.mode) = (weight, weight.shape[0], weight.shape[1], mode)
    (self.includeLastOffset, self.paddingIdx) = (includeLastOffset, paddingIdx)
    (self.maxNorm, self.normType, self.scaleGradByFreq) = (maxNorm, normType, scaleGradByFreq)
  }

  /// A table of known rows, [count, width], whose memory it shares. Torch's `EmbeddingBag.from_pretrained`.
  ///
  /// - Parameter freeze: The table gets no gradient.
  public static func fromPretrained(
    _ embeddings: Tensor, freeze: Bool = true, mode: EmbeddingBagMode = .mean, includeLastOffset: Bool = false,
    paddingIdx: Int? = nil, maxNorm: Double? = nil, normType: Double = 2, scaleGradByFreq: Bool = false,
    file: StaticString = #fileID, line: UInt = #line
  ) -> EmbeddingBag {
    let table = Embedding.knownTable(embeddings, freeze: freeze, "EmbeddingBag", file, line)
    return EmbeddingBag(table: table, mode, includeLastOffset, paddingIdx, maxNorm, normType, scaleGradByFreq)
  }

  /// - Parameters:
  ///   - x: Rows, [bags, n] or all bags one after the other.
  ///   - offsets: Where each bag begins, where `x` is a vector.
  ///   - perSampleWeights: What each row is multiplied by; for sums only.
  public func callAsFunction(_ x: Tensor, _ offsets: Tensor? = nil, perSampleWeights: Tensor? = nil) -> Tensor {
    .embeddingBag(
      x, weight: weight.tensor, offsets: offsets, mode: mode, perSampleWeights: perSampleWeights,
      includeLastOffset: includeLastOffset, paddingIdx: paddingIdx, maxNorm: maxNorm, normType: normType,
      scaleGradByFreq: scaleGradByFreq)
  }

  public var configuration: String {
    "\(count), \(width), mode: \(mode)" + (paddingIdx.map { ", paddingIdx: \($0)" } ?? "")
  }
}
