import Flambeau

/// The rows of a table that integers name. Torch's `nn.Embedding`.
///
/// Input [*] of integers below `count`, output [*, width]. The table starts normal; the row of `paddingIndex` is 0 and gets no
/// gradient.
public final class Embedding: Layer {
  public let weight: Parameter
  public let count: Int
  public let width: Int
  public let paddingIndex: Int?

  public init(_ count: Int, _ width: Int, paddingIndex: Int? = nil, dtype: DType = .float32) {
    self.count = count
    self.width = width
    self.paddingIndex = paddingIndex
    weight = Parameter(.zeros([count, width], dtype: dtype))
    Init.normal_(weight.tensor)
    if let paddingIndex { noGrad { _ = weight.tensor[paddingIndex].zero_() } }
  }

  public func callAsFunction(_ x: Tensor) -> Tensor { .embedding(x, weight: weight.tensor, paddingIndex: paddingIndex) }

  public var configuration: String {
    "\(count), \(width)" + (paddingIndex.map { ", paddingIndex: \($0)" } ?? "")
  }
}
