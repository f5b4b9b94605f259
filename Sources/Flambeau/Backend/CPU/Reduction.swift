import CKernels

/// Reductions over any dimensions.
enum Reduction {
  enum Kind: Sendable { case sum, prod, min, max, any, all }

  /// Reduces `dims` (distinct, not negative) of the inputs, which have one shape; `output` has that shape with the
  /// reduced sizes 1.
  ///
  /// What is reduced is `map` of the inputs (the only input itself, without one), computed in `computeClass`; `finish`,
  /// a program of one input, is applied to each result before it is converted to the output's dtype. Both read `scalars`.
  /// A reduction of nothing gives the identity (min and max: ±infinity, or the integers' bounds).
  static func run(
    _ kind: Kind, in computeClass: ComputeClass, _ inputs: [Elements], map: Program? = nil, dims: [Int],
    scalars: Scalars = Scalars(), finish: Program? = nil, into output: Elements
  ) {
  }

  /// The position along `dim` of the first smallest or largest element, or of the first NaN; `nil` reduces all
  /// dimensions and counts row-major. `output` is int64, shaped as in `run`.
  static func arg(
    _ kind: Kind, in computeClass: ComputeClass, _ input: Elements, dim: Int?, into output: Elements
  ) {
  }

  /// Running sums or products along `dim`; both have one shape.
  static func scan(_ kind: Kind, in computeClass: ComputeClass, _ input: Elements, dim: Int, into output: Elements) {
  }
}
