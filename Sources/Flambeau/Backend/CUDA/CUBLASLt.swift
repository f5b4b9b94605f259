/// NVIDIA's library of matrix products, opened when first needed: its functions, as Swift sees them.
struct CUBLASLt: Sendable {
  typealias Handle = UInt
  typealias Status = Int32

  typealias Create = @convention(c) (UnsafeMutablePointer<Handle>) -> Status
  typealias Destroy = @convention(c) (Handle) -> Status
  typealias CreateProduct = @convention(c) (UnsafeMutablePointer<Handle>, Int32, Int32) -> Status
  typealias CreateLayout = @convention(c) (UnsafeMutablePointer<Handle>, Int32, UInt64, UInt64, Int64) -> Status
  typealias SetAttribute = @convention(c) (Handle, Int32, UnsafeRawPointer, Int) -> Status
  typealias Choose =
    @convention(c) (
      Handle, Handle, Handle, Handle, Handle, Handle, Handle, Int32, UnsafeMutableRawPointer, UnsafeMutablePointer<Int32>
    ) -> Status
  typealias Multiply =
    @convention(c) (
      Handle, Handle, UnsafeRawPointer, Driver.Address, Handle, Driver.Address, Handle, UnsafeRawPointer, Driver.Address, Handle,
      Driver.Address, Handle, UnsafeRawPointer, Driver.Address, Int, Driver.Handle
    ) -> Status
  private typealias Text = @convention(c) (Status) -> UnsafePointer<CChar>

  let create: Create
  let destroy: Destroy
  let createProduct: CreateProduct
  let destroyProduct: Destroy
  let setProduct: SetAttribute
  let createLayout: CreateLayout
  let destroyLayout: Destroy
  let setLayout: SetAttribute
  let createPreference: Create
  let destroyPreference: Destroy
  let setPreference: SetAttribute
  let choose: Choose
  let multiply: Multiply
  private let text: Text

  /// The installed one; why there is none, otherwise.
  static let shared: Result<CUBLASLt, TensorError> = Result { () throws(TensorError) in
    try CUBLASLt(NVIDIALibrary.open("cublasLt", package: "nvidia-cublas"))
  }

  init(_ library: NVIDIALibrary) throws(TensorError) {
    create = try library.function("cublasLtCreate")
    destroy = try library.function("cublasLtDestroy")
    createProduct = try library.function("cublasLtMatmulDescCreate")
    destroyProduct = try library.function("cublasLtMatmulDescDestroy")
    setProduct = try library.function("cublasLtMatmulDescSetAttribute")
    createLayout = try library.function("cublasLtMatrixLayoutCreate")
    destroyLayout = try library.function("cublasLtMatrixLayoutDestroy")
    setLayout = try library.function("cublasLtMatrixLayoutSetAttribute")
    createPreference = try library.function("cublasLtMatmulPreferenceCreate")
    destroyPreference = try library.function("cublasLtMatmulPreferenceDestroy")
    setPreference = try library.function("cublasLtMatmulPreferenceSetAttribute")
    choose = try library.function("cublasLtMatmulAlgoGetHeuristic")
    multiply = try library.function("cublasLtMatmul")
    text = try library.function("cublasLtGetStatusString")
  }

  /// Throws what a status says went wrong.
  func check(_ status: Status, _ function: String) throws(TensorError) {
    if status == 0 { return }
    let kind: TensorError.Kind = status == CUBLASLt.allocationFailed ? .memory : .device
    throw TensorError(kind, "cuBLASLt: \(String(cString: text(status))) (\(function))")
  }

  private static let allocationFailed: Status = 3
  static let notSupported: Status = 15

  /// Attributes and values of NVIDIA's enumerations.
  enum Layout {
    static let batchCount: Int32 = 5
    static let batchStride: Int32 = 6
  }

  enum Product {
    static let transposesA: Int32 = 3
    static let transposesB: Int32 = 4
    static let epilogue: Int32 = 7
    static let biasPointer: Int32 = 8
    static let auxiliaryPointer: Int32 = 11
    static let auxiliaryLeading: Int32 = 12
  }

  enum Preference {
    static let workspaceByteCount: Int32 = 1
    /// Of a, b, c and d, one after the other.
    static let alignments: [Int32] = [5, 6, 7, 8]
  }

  static let transposed: Int32 = 1

  /// What is done to sums; bits that are combined.
  enum Epilogue {
    static let none: UInt32 = 1
    static let relu: UInt32 = 2
    static let addsBias: UInt32 = 4
    static let gelu: UInt32 = 32
    /// Sums or signs go to the auxiliary matrix.
    static let notes: UInt32 = 128
    /// With what the auxiliary matrix holds.
    static let reluSlope: UInt32 = 8 | 128
    static let geluSlope: UInt32 = 64 | 128
    /// Of a slope's: a bias's gradient goes to where a bias would lie.
    static let sumsColumns: UInt32 = 16
  }

  /// What the library calls a dtype; nil for those it has no products of.
  static func type(_ dtype: DType) -> Int32? {
    switch dtype {
    case .float32: 0
    case .float64: 1
    case .float16: 2
    case .bfloat16: 14
    default: nil
    }
  }

  /// How products of a dtype are computed, and the type of their factors.
  static func compute(_ dtype: DType, allowsTF32: Bool) -> (compute: Int32, scale: Int32) {
    let (float32, tf32, float64): (Int32, Int32, Int32) = (68, 77, 70)
    if dtype == .float64 { return (float64, 1) }
    return (dtype == .float32 && allowsTF32 ? tf32 : float32, 0)
  }
}
