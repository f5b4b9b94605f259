/// How far results may be off that two ways of computing give.
enum SampleTolerance {
  static func of(_ dtype: DType, isGradient: Bool) -> (absolute: Double, relative: Double) {
    let base: (Double, Double) =
      switch dtype {
      case .float64: (1e-11, 1e-10)
      case .bfloat16: (1.6e-2, 1.6e-2)
      case .float16: (2e-3, 2e-3)
      default: (2e-6, 4e-6)
      }
    return isGradient ? (base.0 * 4, base.1 * 4) : base
  }
}
