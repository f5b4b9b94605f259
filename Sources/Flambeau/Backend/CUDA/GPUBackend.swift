/// A GPU with what tensors need of it: streams, memory, kernels.
final class GPUBackend: Sendable {
  let gpu: GPU
  let streams: GPUStreams
  let memory: GPUAllocator
  /// Why kernels cannot be compiled, where they cannot.
  private let launcher: Result<Launcher, TensorError>

  /// The operator whose work is queued, for errors and reports of memory.
  private static var operation: String { scope?.name ?? "" }
  @TaskLocal private static var scope: GPUScope?

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
    launcher = compiler.map {
      Launcher(
        memory: memory, kernels: KernelLibrary(of: gpu, compiler: $0, files: files), products: products,
        convolutions: convolutions)
    }
  }

  /// Where the current task's work goes.
  var stream: GPUStream { streams.current }

  func allocate(_ byteCount: Int) throws(TensorError) -> GPUMemory {
    try memory.allocate(byteCount, on: stream, for: GPUBackend.operation)
  }

  /// Sets the bytes of a storage to 0.
  func clear(_ storage: Storage) throws(TensorError) {
    try stream.fill(
      Driver.Address(UInt(bitPattern: storage.address)), with: 0, storage.byteCount, for: GPUBackend.operation)
  }

  /// Copies within a GPU's memory.
  static func copy(
    _ source: Driver.Address, to target: Driver.Address, _ byteCount: Int, on device: Device
  ) throws(TensorError) {
    try of(device).stream.copy(source, to: target, byteCount, for: operation)
  }

  /// Queues what `call` asks for. Its operands all live on `device`.
  static func run(_ call: KernelCall, on device: Device) throws(TensorError) {
    precondition(call.operands.allSatisfy { $0.device == device }, "operands of one kernel live on different devices")
    let backend = try of(device)
    let launcher = try backend.launcher.get()
    try launcher.run(call, on: backend.stream, for: GPUBackend.operation)
  }

  /// Runs `body`, whose work is that of the operator `name`, or of one that this one is part of. Memory that is let go of meanwhile is
  /// nobody else's before the end: kernels' operands are addresses, and hold nothing.
  static func naming<R>(_ name: String, _ body: () throws(TensorError) -> R) throws(TensorError) -> R {
    if scope != nil { return try body() }
    let own = GPUScope(name)
    defer { own.end() }
    return try $scope.withValue(own) { Result(catching: body) }.get()
  }

  /// Gives a block back to its allocator, at the end of the operator that runs now.
  static func giveBack(_ block: GPUBlock, to allocator: GPUAllocator) {
    if scope?.keep(block, of: allocator) != true { allocator.giveBack(block) }
  }

  // MARK: All of them

  private static let lock = Lock()
  // By number, once they are used, and how many there are; guarded by the lock.
  private nonisolated(unsafe) static var opened: [Int: GPUBackend] = [:]
  private nonisolated(unsafe) static var count: Int?

  /// That of a device that is a GPU.
  static func of(_ device: Device) throws(TensorError) -> GPUBackend {
    lock.lock()
    defer { lock.unlock() }
    if let backend = opened[device.index] { return backend }
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
    opened[device.index] = backend
    return backend
  }

  /// From now on `backends` are the process's GPUs, in this order.
  static func use(_ backends: [GPUBackend]) {
    lock.withLock {
      opened = Dictionary(uniqueKeysWithValues: backends.enumerated().map { ($0, $1) })
      count = backends.count
    }
  }
}

/// The operator that runs in the current task, and the memory it has let go of.
private final class GPUScope: Sendable {
  let name: String
  private let lock = Lock()
  // Guarded by the lock; nil when the operator has ended.
  private nonisolated(unsafe) var blocks: [(block: GPUBlock, allocator: GPUAllocator)]? = []

  init(_ name: String) { self.name = name }

  /// False where it has ended.
  func keep(_ block: GPUBlock, of allocator: GPUAllocator) -> Bool {
    lock.withLock {
      blocks?.append((block, allocator))
      return blocks != nil
    }
  }

  func end() {
    let kept = lock.withLock {
      defer { blocks = nil }
      return blocks ?? []
    }
    for (block, allocator) in kept { allocator.giveBack(block) }
  }
}
