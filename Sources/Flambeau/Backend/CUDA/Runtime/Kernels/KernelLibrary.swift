/// The kernels of a GPU, each compiled or read from its file once, and loaded.
final class KernelLibrary: Sendable {
  let gpu: GPU
  private let compiler: KernelCompiler
  private let files: KernelFiles
  private let lock = Lock()
  /// By the sources' names; guarded by the lock.
  private nonisolated(unsafe) var shelves: [String: Shelf] = [:]

  /// A kernel's place, where threads wait for the one that compiles it.
  private final class Shelf: Sendable {
    let lock = Lock()
    /// Guarded by the lock.
    nonisolated(unsafe) var kernel: LoadedKernel?
  }

  init(of gpu: GPU, compiler: KernelCompiler, files: KernelFiles) {
    (self.gpu, self.compiler, self.files) = (gpu, compiler, files)
  }

  func kernel(_ source: KernelSource) throws(TensorError) -> LoadedKernel {
    let shelf = lock.withLock {
      if let shelf = shelves[source.name] { return shelf }
      let shelf = Shelf()
      shelves[source.name] = shelf
      return shelf
    }
    shelf.lock.lock()
    defer { shelf.lock.unlock() }
    if let kernel = shelf.kernel { return kernel }
    let kernel = try load(source)
    shelf.kernel = kernel
    return kernel
  }

  private func load(_ source: KernelSource) throws(TensorError) -> LoadedKernel {
    let key = KernelFiles.Key(source, by: compiler)
    // The driver may refuse what another version of it took.
    if let code = files.read(key), let kernel = try? LoadedKernel(code, source.name, on: gpu) { return kernel }
    let code = try compiler.compile(source)
    let kernel = try LoadedKernel(code, source.name, on: gpu)
    files.write(code, key)
    return kernel
  }
}

/// A kernel in a GPU's memory.
final class LoadedKernel: Sendable {
  let name: String
  let function: Driver.Handle
  private let gpu: GPU
  private let module: Driver.Handle
  private let lock = Lock()
  /// The most shared memory a block may have; guarded by the lock.
  private nonisolated(unsafe) var sharedLimit = 48 << 10

  init(_ code: [UInt8], _ name: String, on gpu: GPU) throws(TensorError) {
    (self.name, self.gpu) = (name, gpu)
    var (module, function): (Driver.Handle, Driver.Handle) = (0, 0)
    try gpu.run(gpu.driver.loadModule) { load in code.withUnsafeBytes { load(&module, $0.baseAddress!) } }
    do {
      try gpu.run(gpu.driver.moduleFunction) { $0(&function, module, name) }
    } catch {
      try? gpu.run(gpu.driver.unloadModule) { $0(module) }
      throw error
    }
    (self.module, self.function) = (module, function)
  }

  deinit { try? gpu.run(gpu.driver.unloadModule) { $0(module) } }

  /// Blocks get 48 KiB at most, unless more was allowed before.
  func allow(sharedByteCount: Int) throws(TensorError) {
    lock.lock()
    defer { lock.unlock() }
    if sharedByteCount <= sharedLimit { return }
    let mostDynamicShared: Int32 = 8
    try gpu.run(gpu.driver.setFunctionAttribute) { $0(function, mostDynamicShared, Int32(sharedByteCount)) }
    sharedLimit = sharedByteCount
  }
}
