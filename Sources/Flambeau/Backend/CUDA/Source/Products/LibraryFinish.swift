/// What cuBLASLt does to a product's sums by functions of its own, of which gelu is the one by tanh.
struct LibraryFinish: Hashable {
  let isSlope: Bool
  let activation: FusedActivation
  /// The alignment of what is noted of the sums, 0 if nothing is, and the distance of its columns: a gelu's sums, a rectifier's signs (bits).
  let auxiliaryAlignment: Int
  let auxiliaryLeading: Int

  /// Nil for what it does not do; see NVIDIA's `CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD`.
  init?(_ finish: ProductFinish, signs: Elements?, of c: Elements) {
    guard c.layout.rank == 2, c.dtype != .float64 else { return nil }
    let auxiliary: Elements?
    switch finish {
    case .activation(.relu, nil): (isSlope, activation, auxiliary) = (false, .relu, signs)
    case .activation(.geluTanh, let kept): (isSlope, activation, auxiliary) = (false, .geluTanh, kept)
    case .slope(.relu, _):
      guard let signs else { return nil }
      (isSlope, activation, auxiliary) = (true, .relu, signs)
    case .slope(.geluTanh, let input): (isSlope, activation, auxiliary) = (true, .geluTanh, input)
    case .activation, .slope: return nil
    }
    guard let auxiliary else {
      (auxiliaryAlignment, auxiliaryLeading) = (0, 0)
      return
    }
    let (unit, multiple) = activation == .relu ? (8, 128) : (1, 8)
    auxiliaryAlignment = auxiliary.alignment
    auxiliaryLeading = unit * auxiliary.layout.strides.at(0)
    guard auxiliary.layout.strides.at(1) == 1, auxiliaryLeading % multiple == 0, auxiliaryLeading >= c.layout.shape.at(1),
      auxiliaryAlignment >= 16, activation == .relu || auxiliary.dtype == c.dtype
    else { return nil }
  }

  var hasAuxiliary: Bool { auxiliaryAlignment > 0 }
}

extension Elements {
  /// What the address is a multiple of, 256 at most.
  var alignment: Int { Swift.min(256, 1 << Swift.min(UInt(bitPattern: address).trailingZeroBitCount, 8)) }
}
