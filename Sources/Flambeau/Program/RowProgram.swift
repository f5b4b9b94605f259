import CKernels

/// A function of rows: scalar steps, and sums and maxima along the last dimension, run while the row is in cache.
final class RowProgram: Sendable {
  enum Output: Sendable {
    /// A value for every element.
    case row(Scalar)
    /// A value for every element, with a per-row value added at the position the per-row input `index` names.
    case patched(Scalar, plus: Scalar, atInput: Int)
    /// A value for every row.
    case perRow(Scalar)
    /// The sum over all rows: a value for every column.
    case columnSum(Scalar)
  }
  init(inputs: Int, scalars: Int = 0, _ body: (_ x: [Scalar], _ s: [Scalar], _ width: Scalar) -> [Output]) {}
}

// y = softmax(x). Inputs: x. Outputs: row y.
// backward: inputs y, g; output row gx.
