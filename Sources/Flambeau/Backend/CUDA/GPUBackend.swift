import Synchronization

/// A GPU with what tensors need of it: streams, memory, kernels.
final class GPUBackend: Sendable {
  let gpu: GPU
  let streams: GPUStreams
  let memory: GPUAllocator
  let pinned: PinnedCache
  /// Held by who makes a graph: before one is made the GPU is waited for, which would end what another captures.
  let capturing = Lock()
  /// Why kernels cannot be compiled, where they cannot.
  private let launcher: Result<Launcher, TensorError>

  /// - Parameters:
  ///   - compiler: Why there is none, otherwise: memory can be used without.
  ///   - products, convolutions: NVIDIA's libraries of them, where they are installed.
  init(
    _ gpu: GPU, compiler: Result<KernelCompiler, TensorError>, files: KernelFiles, products: ProductLibrary? = nil,
    convolutions: ConvolutionLibrary? = nil
  ) {
    self.gpu = gpu
    streams = GPUStreams(of: gpu)
    let memory = GPUAllocator(of: gpu)
    self.memory = memory
    pinned = PinnedCache(of: gpu)
    launcher = compiler.map {
      Launcher(
        memory: memory, kernels: KernelLibrary(of: gpu, compiler: $0, files: files), products: products,
        convolutions: convolutions)
    }
  }

  /// Where the current task's work goes.
  var stream: GPUStream { streams.current }

  func allocate(_ byteCount: Int) throws(TensorError) -> GPUMemory {
    try memory.allocate(byteCount, on: stream, for: GPUThread.current.pointee.operation)
  }

  /// Sets the bytes of a storage to 0.
  func clear(_ storage: Storage) throws(TensorError) {
    try stream.fill(
      Driver.Address(UInt(bitPattern: storage.address)), with: 0, storage.byteCount, for: GPUThread.current.pointee.operation)
  }

  /// Copies within a GPU's memory.
  static func copy(
    _ source: Driver.Address, to target: Driver.Address, _ byteCount: Int, on device: Device
  ) throws(TensorError) {
    try of(device).stream.copy(source, to: target, byteCount, for: GPUThread.current.pointee.operation)
  }

  /// Queues what `call` asks for. Its operands all live on `device`.
  static func run(_ call: KernelCall, on device: Device) throws(TensorError) {
    let backend = try of(device)
    let operands = call.operands
    precondition(operands.allSatisfy { $0.device == device }, "operands of one kernel live on different devices")
    try backend.launcher.get().run(
      call, operands, on: backend.stream, for: GPUThread.current.pointee.operation)
  }

  /// Whether cuBLASLt does all that `task` says in one call.
  static func doesWhole(_ task: ProductTask) throws(TensorError) -> Bool {
    try of(task.c.device).launcher.get().products?.doesWhole(task) ?? false
  }

  /// The same of a program over flat elements, for the operator `name`.
  func run(_ flat: FlatCall, _ scalars: Scalars, for name: String) throws(TensorError) {
    try launcher.get().run(flat, scalars, on: stream, for: name)
  }

  /// The same of a task over dense arrays.
  func run<Task: KernelTask>(_ dense: DenseCall<Task>, for name: String) throws(TensorError) {
    try launcher.get().run(dense, on: stream, for: name)
  }

  /// Memory for the operator `name`.
  func storage(_ byteCount: Int, for name: String) throws(TensorError) -> Storage {
    Storage(try memory.allocate(byteCount, on: stream, for: name), on: .cuda(gpu.index))
  }

  // MARK: All of them

  private static let lock = Lock()
  // All that were used, and how many GPUs there are; guarded by the lock.
  private nonisolated(unsafe) static var opened: [GPUBackend] = []
  private nonisolated(unsafe) static var count: Int?
  /// Those of the process's GPUs by number, once they are used; ``opened`` holds them.
  private nonisolated(unsafe) static let places = {
    let places = UnsafeMutablePointer<Atomic<UInt>>.allocate(capacity: Int(UInt8.max) + 1)
    for i in 0...Int(UInt8.max) { (places + i).initialize(to: Atomic(0)) }
    return places
  }()

  private static func known(_ index: Int) -> GPUBackend? {
    let bits = places[index].load(ordering: .acquiring)
    return UnsafeRawPointer(bitPattern: bits).map { Unmanaged<GPUBackend>.fromOpaque($0).takeUnretainedValue() }
  }

  /// The lock is held.
  private static func put(_ backend: GPUBackend?, at index: Int) {
    if let backend { opened.append(backend) }
    let bits = backend.map { UInt(bitPattern: Unmanaged.passUnretained($0).toOpaque()) } ?? 0
    places[index].store(bits, ordering: .releasing)
  }

  /// That of a device that is a GPU.
  @inline(__always)
  static func of(_ device: Device) throws(TensorError) -> GPUBackend {
    if let backend = known(device.index) { return backend }
    return try open(device)
  }

  @inline(never)
  private static func open(_ device: Device) throws(TensorError) -> GPUBackend {
    lock.lock()
    defer { lock.unlock() }
    if let backend = known(device.index) { return backend }
    if count == nil { count = try GPUProperties.count(of: Driver.shared.get()) }
    guard device.index < count! else {
      throw TensorError(
        .device, "there is no \(device): this machine has \(count! == 1 ? "one GPU" : "\(count!) GPUs"), numbered from 0")
    }
    let gpu = try GPU(device.index, of: Driver.shared.get())
    let compiler = Result { () throws(TensorError) in try KernelCompiler.nvrtc(NVRTC.shared.get(), for: gpu) }
    // Without it our own kernels compute products.
    let products = try? ProductLibrary(of: gpu, CUBLASLt.shared.get())
    let convolutions = ConvolutionLibrary(of: gpu) { () throws(TensorError) in try CUDNN.shared.get() }
    let backend = GPUBackend(gpu, compiler: compiler, files: .standard, products: products, convolutions: convolutions)
    put(backend, at: device.index)
    return backend
  }

  /// From now on `backends` are the process's GPUs, in this order.
  static func use(_ backends: [GPUBackend]) {
    lock.withLock {
      for index in 0...Int(UInt8.max) { put(index < backends.count ? backends[index] : nil, at: index) }
      count = backends.count
    }
  }
}
