/// NVIDIA's library of convolutions, opened when first needed: its functions, as Swift sees them.
struct CUDNN: Sendable {
  typealias Handle = UInt
  typealias Status = Int32

  typealias Create = @convention(c) (UnsafeMutablePointer<Handle>) -> Status
  typealias Destroy = @convention(c) (Handle) -> Status
  typealias SetStream = @convention(c) (Handle, Driver.Handle) -> Status
  typealias CreateDescriptor = @convention(c) (Int32, UnsafeMutablePointer<Handle>) -> Status
  typealias SetAttribute = @convention(c) (Handle, Int32, Int32, Int64, UnsafeRawPointer) -> Status
  typealias GetAttribute =
    @convention(c) (Handle, Int32, Int32, Int64, UnsafeMutablePointer<Int64>, UnsafeMutableRawPointer?) -> Status
  typealias Execute = @convention(c) (Handle, Handle, Handle) -> Status
  private typealias Text = @convention(c) (Status) -> UnsafePointer<CChar>

  let create: Create
  let destroy: Destroy
  let setStream: SetStream
  let createDescriptor: CreateDescriptor
  let destroyDescriptor: Destroy
  let setAttribute: SetAttribute
  let finalize: Destroy
  let getAttribute: GetAttribute
  let execute: Execute
  private let text: Text

  /// The installed one; why there is none, otherwise.
  static let shared: Result<CUDNN, TensorError> = Result { () throws(TensorError) in
    try CUDNN(NVIDIALibrary.open("cudnn", package: "nvidia-cudnn-cu13", versions: 9...9))
  }

  init(_ library: NVIDIALibrary) throws(TensorError) {
    create = try library.function("cudnnCreate")
    destroy = try library.function("cudnnDestroy")
    setStream = try library.function("cudnnSetStream")
    createDescriptor = try library.function("cudnnBackendCreateDescriptor")
    destroyDescriptor = try library.function("cudnnBackendDestroyDescriptor")
    setAttribute = try library.function("cudnnBackendSetAttribute")
    finalize = try library.function("cudnnBackendFinalize")
    getAttribute = try library.function("cudnnBackendGetAttribute")
    execute = try library.function("cudnnBackendExecute")
    text = try library.function("cudnnGetErrorString")
  }

  /// Throws what a status says went wrong.
  func check(_ status: Status, _ function: String) throws(TensorError) {
    if status == 0 { return }
    let kind: TensorError.Kind = CUDNN.allocationsFailed.contains(status) ? .memory : .device
    throw TensorError(kind, "cuDNN: \(String(cString: text(status))) (\(function))")
  }

  private static let allocationsFailed: Set<Status> = [4003, 4004]

  /// Something cannot be done so, and may be in another way: parameters or a combination that is not supported.
  static func isRefusal(_ status: Status) -> Bool { (2000..<4000).contains(status) }

  // Values of NVIDIA's enumerations.

  enum ValueType: Int32 {
    case handle = 0
    case dataType = 1
    case int64 = 3
    case float = 4
    case double = 5
    case pointer = 6
    case convolutionMode = 7
    case heuristicMode = 8
    case numericalNote = 11
    case descriptor = 15
  }

  enum Attribute: Int32 {
    case convolutionComputeType = 100
    case convolutionMode = 101
    case convolutionDilations = 102
    case convolutionStrides = 103
    case convolutionPaddingAfter = 104
    case convolutionPaddingBefore = 105
    case convolutionSpatialRank = 106
    case heuristicMode = 200
    case heuristicGraph = 201
    case heuristicResults = 202
    case configurationEngine = 300
    case planHandle = 400
    case planConfiguration = 401
    case planWorkspaceByteCount = 402
    case graphHandle = 800
    case graphOperations = 801
    case tensorAlignment = 900
    case tensorDataType = 901
    case tensorSizes = 902
    case tensorStrides = 903
    case tensorID = 906
    case packIDs = 1000
    case packPointers = 1001
    case packWorkspace = 1003
    case engineNotes = 1303
  }

  /// The attributes of an operation.
  struct Operation {
    let alpha: Int32
    let beta: Int32
    let convolution: Int32
    let weight: Int32
    let input: Int32
    let output: Int32

    static let forward = Operation(alpha: 700, beta: 701, convolution: 702, weight: 703, input: 704, output: 705)
    static let inputGradient = Operation(alpha: 706, beta: 707, convolution: 708, weight: 709, input: 710, output: 711)
    static let weightGradient = Operation(alpha: 712, beta: 713, convolution: 714, weight: 715, input: 716, output: 717)
  }

  enum HeuristicMode: Int32, CaseIterable {
    /// From a tree of decisions, the fastest first.
    case decided = 3
    /// Whatever works.
    case fallback = 2
  }

  enum Note: Int32 {
    case tensorCores = 0
    case roundsOperands = 1
  }

  static let crossCorrelation: Int32 = 1

  /// What the library calls a dtype; nil for those it has no convolutions of.
  static func type(_ dtype: DType) -> Int32? {
    switch dtype {
    case .float32: 0
    case .float64: 1
    case .float16: 2
    case .bfloat16: 9
    default: nil
    }
  }
}
