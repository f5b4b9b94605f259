#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// cuDNN on a GPU, opened by the first convolution: what was once planned is kept for those like it.
final class ConvolutionLibrary: Sendable {
  private let gpu: GPU
  private let find: @Sendable () throws(TensorError) -> CUDNN
  /// What a way may take of the GPU's memory while it works. CUDNN_CONV_WSCAP_DBG is torch's variable for it, in MiB.
  private let mostWorkspace: Int
  private let lock = Lock()
  // Guarded by the lock, which is held while the handle's stream is this call's.
  private nonisolated(unsafe) var state = State.unopened
  /// Nil for what the library does not do.
  private nonisolated(unsafe) var plans: [LibraryConvolution: ConvolutionPlan?] = [:]

  private enum State {
    case unopened
    case opened(CUDNN, CUDNN.Handle)
    /// Our own kernels do what it would.
    case absent
  }

  init(of gpu: GPU, _ find: @escaping @Sendable () throws(TensorError) -> CUDNN) {
    (self.gpu, self.find) = (gpu, find)
    let asked = getenv("CUDNN_CONV_WSCAP_DBG").flatMap { Int(String(cString: $0)) }
    mostWorkspace = asked.map { $0 << 20 } ?? Swift.min(1 << 30, gpu.properties.byteCount / 8)
  }

  deinit {
    plans.removeAll()
    if case .opened(let library, let handle) = state, (try? gpu.makeCurrent()) != nil { _ = library.destroy(handle) }
  }

  /// Queues a convolution without its bias; false if the library does none like it.
  func run(
    _ task: ConvolutionTask, memory: GPUAllocator, on stream: GPUStream, for operation: String
  ) throws(TensorError) -> Bool {
    guard let convolution = LibraryConvolution(task, allowsTF32: CUDA.allowTF32) else { return false }
    while let plan = try plan(convolution) {
      let workspace = try memory.allocate(plan.workspaceByteCount, on: stream, for: operation)
      var isDone = false
      try gpu.enqueue(on: stream, WorkLabel(work: "cudnnBackendExecute", operation: operation)) { () throws(TensorError) in
        isDone = try run(plan, task, workspace: plan.workspaceByteCount == 0 ? 0 : workspace.address, on: stream)
      }
      withExtendedLifetime(workspace) {}
      if isDone { return true }
      try leave(plan, convolution)
    }
    return false
  }

  /// False where the library refuses to do what it has planned.
  private func run(
    _ plan: ConvolutionPlan, _ task: ConvolutionTask, workspace: Driver.Address, on stream: GPUStream
  ) throws(TensorError) -> Bool {
    lock.lock()
    defer { lock.unlock() }
    guard case .opened(let library, let handle) = state else { return false }
    try library.check(library.setStream(handle, stream.handle), "cudnnSetStream")
    let status = try plan.run(task, handle, workspace: workspace)
    if CUDNN.isRefusal(status) { return false }
    try library.check(status, "cudnnBackendExecute")
    return true
  }

  private func plan(_ convolution: LibraryConvolution) throws(TensorError) -> ConvolutionPlan? {
    lock.lock()
    defer { lock.unlock() }
    if let known = plans[convolution] { return known }
    guard let (library, handle) = try opened() else { return nil }
    let plan = try ConvolutionPlan(convolution, library, handle, mostWorkspace: mostWorkspace)
    plans[convolution] = .some(plan)
    return plan
  }

  /// Takes the next way where `plan` did not do.
  private func leave(_ plan: ConvolutionPlan, _ convolution: LibraryConvolution) throws(TensorError) {
    lock.lock()
    defer { lock.unlock() }
    guard case .opened(_, let handle) = state, let current = plans[convolution], current === plan else { return }
    try gpu.makeCurrent()
    plans[convolution] = .some(try plan.next(handle))
  }

  private func opened() throws(TensorError) -> (CUDNN, CUDNN.Handle)? {
    try gpu.makeCurrent()
    if case .unopened = state {
      state = .absent
      var handle: CUDNN.Handle = 0
      if let library = try? find(), library.create(&handle) == 0 { state = .opened(library, handle) }
    }
    if case .opened(let library, let handle) = state { return (library, handle) }
    return nil
  }
}
