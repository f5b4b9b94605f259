#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// NVIDIA's compiler of CUDA C, opened when first needed. It needs no GPU.
struct NVRTC: Sendable {
  /// Such as 13.0.
  let version: (major: Int, minor: Int)
  /// Compute capabilities it compiles for, such as 75 and 90, ascending.
  let architectures: [Int]

  private typealias Program = UnsafeMutableRawPointer
  private typealias Version = @convention(c) (UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>) -> Int32
  private typealias Count = @convention(c) (UnsafeMutablePointer<Int32>) -> Int32
  private typealias Create =
    @convention(c) (
      UnsafeMutablePointer<Program?>, UnsafePointer<CChar>, UnsafePointer<CChar>, Int32, UnsafeRawPointer?, UnsafeRawPointer?
    ) -> Int32
  private typealias Compile = @convention(c) (Program, Int32, UnsafePointer<UnsafePointer<CChar>?>) -> Int32
  private typealias Destroy = @convention(c) (UnsafeMutablePointer<Program?>) -> Int32
  private typealias Size = @convention(c) (Program, UnsafeMutablePointer<Int>) -> Int32
  private typealias Read = @convention(c) (Program, UnsafeMutablePointer<CChar>) -> Int32

  private let create: Create
  private let compile: Compile
  private let destroy: Destroy
  private let log: (size: Size, read: Read)
  private let ptx: (size: Size, read: Read)
  private let cubin: (size: Size, read: Read)

  /// The installed one; why there is none, otherwise.
  static let shared: Result<NVRTC, TensorError> = Result { () throws(TensorError) in
    try NVRTC(NVIDIALibrary.open("nvrtc", package: "nvidia-cuda-nvrtc"))
  }

  private init(_ library: NVIDIALibrary) throws(TensorError) {
    create = try library.function("nvrtcCreateProgram")
    compile = try library.function("nvrtcCompileProgram")
    destroy = try library.function("nvrtcDestroyProgram")
    log = (try library.function("nvrtcGetProgramLogSize"), try library.function("nvrtcGetProgramLog"))
    ptx = (try library.function("nvrtcGetPTXSize"), try library.function("nvrtcGetPTX"))
    cubin = (try library.function("nvrtcGetCUBINSize"), try library.function("nvrtcGetCUBIN"))
    var (major, minor, count) = (Int32(0), Int32(0), Int32(0))
    let (version, architectureCount): (Version, Count) = (
      try library.function("nvrtcVersion"), try library.function("nvrtcGetNumSupportedArchs")
    )
    let architectureList: Count = try library.function("nvrtcGetSupportedArchs")
    _ = version(&major, &minor)
    _ = architectureCount(&count)
    var architectures = [Int32](repeating: 0, count: Int(count))
    _ = architectures.withUnsafeMutableBufferPointer { architectureList($0.baseAddress!) }
    self.version = (Int(major), Int(minor))
    self.architectures = architectures.map(Int.init).sorted()
  }

  /// Compiles to machine code for an architecture such as `sm_90`, or to PTX for one such as `compute_75`. An error holds the compiler's words.
  func compile(_ source: String, name: String, options: [String]) throws(TensorError) -> [UInt8] {
    var program: Program?
    guard create(&program, source, name, 0, nil, nil) == 0, let made = program else {
      throw .argument("NVRTC made no program of \(name)")
    }
    defer { _ = destroy(&program) }
    let words = options.map { strdup($0) }
    defer { words.forEach { free($0) } }
    let status = words.map { UnsafePointer($0) }.withUnsafeBufferPointer { compile(made, Int32(words.count), $0.baseAddress!) }
    guard status == 0 else {
      let text = String(decoding: contents(of: made, log).dropLast(), as: UTF8.self)
      throw .argument("NVRTC does not compile \(name) with \(options.joined(separator: " ")):\n\(text)")
    }
    let isPTX = options.contains { $0.contains("=compute_") }
    return contents(of: made, isPTX ? ptx : cubin)
  }

  private func contents(of program: Program, _ part: (size: Size, read: Read)) -> [UInt8] {
    var count = 0
    guard part.size(program, &count) == 0, count > 0 else { return [] }
    return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialised in
      _ = buffer.withMemoryRebound(to: CChar.self) { part.read(program, $0.baseAddress!) }
      initialised = count
    }
  }
}
