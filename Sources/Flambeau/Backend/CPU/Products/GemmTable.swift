import CKernels

/// The contraction kernels of one instruction set. Unchecked: nobody writes to the tables.
struct GemmTable: @unchecked Sendable {
  let pointer: UnsafePointer<fb_gemm_table>
  /// How bfloat16 is packed and multiplied where the processor multiplies pairs of it.
  let pairs: UnsafePointer<fb_gemm_pairs>?
  private let convolutions: UnsafePointer<fb_conv_table>
  private let pools: UnsafePointer<fb_pool_table>

  /// Nil where this machine lacks the instruction set.
  init?(_ isa: fb_isa) {
    guard let pointer = fb_gemm(isa), let convolutions = fb_conv(isa), let pools = fb_pooling(isa) else { return nil }
    (self.pointer, self.convolutions, self.pools) = (pointer, convolutions, pools)
    pairs = fb_gemm_bfloat16_pairs(isa)
  }

  /// Every instruction set this machine has, the best last.
  static let all = (0..<fb_isa_count.rawValue).compactMap { GemmTable(fb_isa($0)) }
  /// That of the instruction set in use.
  static let current = GemmTable(Kernels.table.pointee.isa)!

  /// The class the type computes in.
  func compute(_ dtype: DType) -> UnsafePointer<fb_gemm_class> { fb_gemm_class_of(pointer, Int32(dtype.rawValue)) }
  func type(_ dtype: DType) -> UnsafePointer<fb_gemm_type> { fb_gemm_type_of(pointer, Int32(dtype.rawValue)) }

  func convolutionClass(_ dtype: DType) -> UnsafePointer<fb_conv_class> {
    fb_conv_class_of(convolutions, Int32(dtype.rawValue))
  }
  func pooling(_ dtype: DType) -> UnsafePointer<fb_pool_type> { fb_pool_type_of(pools, Int32(dtype.rawValue)) }
  func convolution(_ dtype: DType) -> UnsafePointer<fb_conv_type> { fb_conv_type_of(convolutions, Int32(dtype.rawValue)) }
  func winograd(_ dtype: DType) -> UnsafePointer<fb_winograd_type> { fb_winograd_of(convolutions, Int32(dtype.rawValue)) }
}

extension DType {
  /// What products of this floating-point type are computed in.
  var gemmCompute: DType { self == .float64 ? .float64 : .float32 }
}

/// How a product is cut for the caches.
struct GemmBlocking {
  /// Steps of k packed at a time.
  let k: Int
  /// Rows and columns of C one task computes.
  let rows: Int
  let columns: Int
  /// Rows and columns of C whose operands are packed at the same time.
  static let span = 4096

  init(_ table: GemmTable, _ compute: DType) {
    switch table.pointer.pointee.isa {
    case fb_isa_avx512:
      self = compute == .float32 ? .init(k: 688, rows: 168, columns: 512) : .init(k: 344, rows: 168, columns: 256)
    default: self = compute == .float32 ? .init(k: 256, rows: 192, columns: 512) : .init(k: 256, rows: 96, columns: 256)
    }
  }

  private init(k: Int, rows: Int, columns: Int) { (self.k, self.rows, self.columns) = (k, rows, columns) }
}
