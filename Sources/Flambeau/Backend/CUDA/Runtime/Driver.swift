/// NVIDIA's driver: the functions that are used of it, found when its library is opened.
///
/// Handles are numbers, 0 for none; so are addresses on a GPU.
struct Driver: Sendable {
  typealias Handle = UInt
  typealias Address = UInt64
  typealias Code = Int32

  /// The CUDA version it is made for, such as 13.0.
  let version: CUDAVersion
  /// What a code means, in the driver's words.
  private let errorText: DriverFunction<@convention(c) (Code, UnsafeMutablePointer<UnsafePointer<CChar>?>) -> Code>

  // Devices and contexts.
  let initialise: DriverFunction<@convention(c) (UInt32) -> Code>
  let driverVersion: DriverFunction<@convention(c) (UnsafeMutablePointer<Int32>) -> Code>
  let deviceCount: DriverFunction<@convention(c) (UnsafeMutablePointer<Int32>) -> Code>
  let device: DriverFunction<@convention(c) (UnsafeMutablePointer<Int32>, Int32) -> Code>
  let deviceName: DriverFunction<@convention(c) (UnsafeMutablePointer<CChar>, Int32, Int32) -> Code>
  let deviceMemory: DriverFunction<@convention(c) (UnsafeMutablePointer<Int>, Int32) -> Code>
  let deviceAttribute: DriverFunction<@convention(c) (UnsafeMutablePointer<Int32>, Int32, Int32) -> Code>
  let retainContext: DriverFunction<@convention(c) (UnsafeMutablePointer<Handle>, Int32) -> Code>
  let releaseContext: DriverFunction<@convention(c) (Int32) -> Code>
  let setContext: DriverFunction<@convention(c) (Handle) -> Code>
  let synchronizeContext: DriverFunction<@convention(c) () -> Code>

  // Memory.
  let memoryInfo: DriverFunction<@convention(c) (UnsafeMutablePointer<Int>, UnsafeMutablePointer<Int>) -> Code>
  let allocate: DriverFunction<@convention(c) (UnsafeMutablePointer<Address>, Int) -> Code>
  let free: DriverFunction<@convention(c) (Address) -> Code>
  let allocateHost: DriverFunction<@convention(c) (UnsafeMutablePointer<UnsafeMutableRawPointer?>, Int, UInt32) -> Code>
  let freeHost: DriverFunction<@convention(c) (UnsafeMutableRawPointer) -> Code>
  let upload: DriverFunction<@convention(c) (Address, UnsafeRawPointer, Int, Handle) -> Code>
  let download: DriverFunction<@convention(c) (UnsafeMutableRawPointer, Address, Int, Handle) -> Code>
  let copy: DriverFunction<@convention(c) (Address, Address, Int, Handle) -> Code>
  let fill: DriverFunction<@convention(c) (Address, UInt8, Int, Handle) -> Code>

  // Streams and events.
  let createStream: DriverFunction<@convention(c) (UnsafeMutablePointer<Handle>, UInt32, Int32) -> Code>
  let destroyStream: DriverFunction<@convention(c) (Handle) -> Code>
  let synchronizeStream: DriverFunction<@convention(c) (Handle) -> Code>
  let queryStream: DriverFunction<@convention(c) (Handle) -> Code>
  let waitForEvent: DriverFunction<@convention(c) (Handle, Handle, UInt32) -> Code>
  let createEvent: DriverFunction<@convention(c) (UnsafeMutablePointer<Handle>, UInt32) -> Code>
  let destroyEvent: DriverFunction<@convention(c) (Handle) -> Code>
  let recordEvent: DriverFunction<@convention(c) (Handle, Handle) -> Code>
  let queryEvent: DriverFunction<@convention(c) (Handle) -> Code>
  let synchronizeEvent: DriverFunction<@convention(c) (Handle) -> Code>
  let elapsedTime: DriverFunction<@convention(c) (UnsafeMutablePointer<Float>, Handle, Handle) -> Code>

  // Kernels.
  let loadModule: DriverFunction<@convention(c) (UnsafeMutablePointer<Handle>, UnsafeRawPointer) -> Code>
  let unloadModule: DriverFunction<@convention(c) (Handle) -> Code>
  let moduleFunction: DriverFunction<@convention(c) (UnsafeMutablePointer<Handle>, Handle, UnsafePointer<CChar>) -> Code>
  let setFunctionAttribute: DriverFunction<@convention(c) (Handle, Int32, Int32) -> Code>
  typealias Launch =
    @convention(c) (
      Handle, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, Handle, UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
      UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    ) -> Code
  let launch: DriverFunction<Launch>

  // Graphs.
  let beginCapture: DriverFunction<@convention(c) (Handle, Int32) -> Code>
  let endCapture: DriverFunction<@convention(c) (Handle, UnsafeMutablePointer<Handle>) -> Code>
  let instantiateGraph: DriverFunction<@convention(c) (UnsafeMutablePointer<Handle>, Handle, UInt64) -> Code>
  let launchGraph: DriverFunction<@convention(c) (Handle, Handle) -> Code>
  let destroyExecutable: DriverFunction<@convention(c) (Handle) -> Code>
  let destroyGraph: DriverFunction<@convention(c) (Handle) -> Code>

  /// The installed one, initialised; why there is none, otherwise.
  static let shared: Result<Driver, TensorError> = Result { () throws(TensorError) in try Driver(.openDriver()) }

  init(_ library: NVIDIALibrary) throws(TensorError) {
    errorText = try DriverFunction("cuGetErrorString", in: library)
    initialise = try DriverFunction("cuInit", in: library)
    driverVersion = try DriverFunction("cuDriverGetVersion", in: library)
    deviceCount = try DriverFunction("cuDeviceGetCount", in: library)
    device = try DriverFunction("cuDeviceGet", in: library)
    deviceName = try DriverFunction("cuDeviceGetName", in: library)
    deviceMemory = try DriverFunction("cuDeviceTotalMem_v2", in: library)
    deviceAttribute = try DriverFunction("cuDeviceGetAttribute", in: library)
    retainContext = try DriverFunction("cuDevicePrimaryCtxRetain", in: library)
    releaseContext = try DriverFunction("cuDevicePrimaryCtxRelease_v2", in: library)
    setContext = try DriverFunction("cuCtxSetCurrent", in: library)
    synchronizeContext = try DriverFunction("cuCtxSynchronize", in: library)
    memoryInfo = try DriverFunction("cuMemGetInfo_v2", in: library)
    allocate = try DriverFunction("cuMemAlloc_v2", in: library)
    free = try DriverFunction("cuMemFree_v2", in: library)
    allocateHost = try DriverFunction("cuMemHostAlloc", in: library)
    freeHost = try DriverFunction("cuMemFreeHost", in: library)
    upload = try DriverFunction("cuMemcpyHtoDAsync_v2", in: library)
    download = try DriverFunction("cuMemcpyDtoHAsync_v2", in: library)
    copy = try DriverFunction("cuMemcpyDtoDAsync_v2", in: library)
    fill = try DriverFunction("cuMemsetD8Async", in: library)
    createStream = try DriverFunction("cuStreamCreateWithPriority", in: library)
    destroyStream = try DriverFunction("cuStreamDestroy_v2", in: library)
    synchronizeStream = try DriverFunction("cuStreamSynchronize", in: library)
    queryStream = try DriverFunction("cuStreamQuery", in: library)
    waitForEvent = try DriverFunction("cuStreamWaitEvent", in: library)
    createEvent = try DriverFunction("cuEventCreate", in: library)
    destroyEvent = try DriverFunction("cuEventDestroy_v2", in: library)
    recordEvent = try DriverFunction("cuEventRecord", in: library)
    queryEvent = try DriverFunction("cuEventQuery", in: library)
    synchronizeEvent = try DriverFunction("cuEventSynchronize", in: library)
    elapsedTime = try DriverFunction("cuEventElapsedTime", in: library)
    loadModule = try DriverFunction("cuModuleLoadData", in: library)
    unloadModule = try DriverFunction("cuModuleUnload", in: library)
    moduleFunction = try DriverFunction("cuModuleGetFunction", in: library)
    setFunctionAttribute = try DriverFunction("cuFuncSetAttribute", in: library)
    launch = try DriverFunction("cuLaunchKernel", in: library)
    beginCapture = try DriverFunction("cuStreamBeginCapture_v2", in: library)
    endCapture = try DriverFunction("cuStreamEndCapture", in: library)
    instantiateGraph = try DriverFunction("cuGraphInstantiateWithFlags", in: library)
    launchGraph = try DriverFunction("cuGraphLaunch", in: library)
    destroyExecutable = try DriverFunction("cuGraphExecDestroy", in: library)
    destroyGraph = try DriverFunction("cuGraphDestroy", in: library)

    let words = errorText
    func check<F>(_ function: DriverFunction<F>, _ code: Code) throws(TensorError) {
      if code != 0 { throw Driver.error(function.name, Driver.text(code, words)) }
    }
    try check(initialise, initialise.call(0))
    var number: Int32 = 0
    try check(driverVersion, driverVersion.call(&number))
    version = CUDAVersion(major: Int(number / 1000), minor: Int(number % 1000 / 10))
    if version < Driver.oldest {
      throw TensorError(.device, "NVIDIA's driver is for CUDA \(version), and \(Driver.oldest) is the least: renew the driver")
    }
  }

  private static let oldest = CUDAVersion(major: 12, minor: 0)

  /// Calls a function that needs no context.
  func run<F>(_ function: DriverFunction<F>, _ body: (F) -> Code) throws(TensorError) {
    let status = DriverStatus(code: body(function.call))
    if status != .success { throw error(status, function.name) }
  }

  /// The sentence for a call that failed.
  func error(_ status: DriverStatus, _ call: String) -> TensorError { Driver.error(call, Driver.text(status.code, errorText)) }

  private static func error(_ call: String, _ text: String) -> TensorError { TensorError(.device, "CUDA: \(text) (\(call))") }

  private static func text(
    _ code: Code, _ words: DriverFunction<@convention(c) (Code, UnsafeMutablePointer<UnsafePointer<CChar>?>) -> Code>
  ) -> String {
    var text: UnsafePointer<CChar>?
    guard words.call(code, &text) == 0, let text else { return "error \(code)" }
    return String(cString: text)
  }
}

/// A version of CUDA.
struct CUDAVersion: Sendable, Comparable, CustomStringConvertible {
  let major: Int
  let minor: Int

  static func < (a: CUDAVersion, b: CUDAVersion) -> Bool { (a.major, a.minor) < (b.major, b.minor) }

  var description: String { "\(major).\(minor)" }
}
