import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A GPU with its context, through which everything that happens on it is called, from any thread.
///
/// Work is asynchronous: a call returns when it is queued. What a kernel does wrong is found by a later call, and the context is lost
/// then; that call and all that follow throw the same sentence, which names what was launched lately. What a kernel refuses to do,
/// such as to read outside of a table, costs no context: the next call that waits throws once.
final class GPU: Sendable {
  let driver: Driver
  let index: Int
  let properties: GPUProperties
  /// Each launch and copy is waited for, so that a fault is found where it is made.
  let isSynchronous: Bool
  private let handle: Int32
  private let context: Driver.Handle
  private let recent = RecentWork()
  /// Its own, also among those that are gone.
  private let identity: UInt64
  private static let identities = Atomic<UInt64>(0)
  let faults = KernelFaults()

  /// - Parameter isSynchronous: nil for what FLAMBEAU_CUDA_SYNC says: 1 for yes.
  init(_ index: Int, of driver: Driver, isSynchronous: Bool? = nil) throws(TensorError) {
    self.driver = driver
    self.index = index
    self.isSynchronous = isSynchronous ?? (getenv("FLAMBEAU_CUDA_SYNC").map { String(cString: $0) } == "1")
    properties = try GPUProperties(index, of: driver)
    let handle = try GPUProperties.handle(index, of: driver)
    self.handle = handle
    identity = GPU.identities.wrappingAdd(1, ordering: .relaxed).newValue
    var context: Driver.Handle = 0
    try driver.run(driver.retainContext) { $0(&context, handle) }
    self.context = context
  }

  deinit {
    if let cell = faults.memory { _ = call(driver.freeHost.call) { $0(cell) } }
    _ = driver.releaseContext.call(handle)
  }

  var name: String { "cuda:\(index)" }

  /// Calls a function of the driver with this GPU's context.
  func run<F>(_ function: DriverFunction<F>, _ body: (F) -> Driver.Code) throws(TensorError) {
    _ = try status(function, accepting: .success, body)
  }

  /// The same where another outcome than success is no error.
  func status<F>(
    _ function: DriverFunction<F>, accepting accepted: DriverStatus, _ body: (F) -> Driver.Code
  ) throws(TensorError) -> DriverStatus {
    let status = call(function.call, body)
    if status == .success || status == accepted { return status }
    throw error(status, function.name)
  }

  private func call<F>(_ function: F, _ body: (F) -> Driver.Code) -> DriverStatus {
    // Other libraries change what is current on a thread, so it is not relied on.
    let status = setCurrent()
    return status == .success ? DriverStatus(code: body(function)) : status
  }

  private func setCurrent() -> DriverStatus {
    let status = DriverStatus(code: driver.setContext.call(context))
    GPUThread.current.pointee.contextOwner = status == .success ? identity : 0
    return status
  }

  /// Queues a kernel. The context that the thread was last given is taken to be its context still; where another library has changed it,
  /// the driver refuses the kernel, and the thread is given it again.
  func launch(on stream: GPUStream, _ label: WorkLabel, _ body: (Driver.Launch) -> Driver.Code) throws(TensorError) {
    recent.add(label)
    let function = driver.launch.call
    var status = DriverStatus.invalidContext
    try GPUMark.around(label.work, on: stream) {
      if GPUThread.current.pointee.contextOwner == identity { status = DriverStatus(code: body(function)) }
      if status == .invalidContext || status == .invalidHandle { status = call(function, body) }
    }
    try finish(status, driver.launch.name, on: stream, label)
  }

  /// Queues work on a stream; `label` names it in errors. In synchronous mode it is waited for.
  func enqueue<F>(
    _ function: DriverFunction<F>, on stream: GPUStream, _ label: WorkLabel, _ body: (F) -> Driver.Code
  ) throws(TensorError) {
    recent.add(label)
    var status = DriverStatus.success
    try GPUMark.around(label.work, on: stream) { status = call(function.call, body) }
    try finish(status, function.name, on: stream, label)
  }

  /// After a call that has queued something: throws what went wrong, once it is done in synchronous mode.
  @inline(__always)
  private func finish(
    _ status: DriverStatus, _ call: String, on stream: GPUStream, _ label: WorkLabel
  ) throws(TensorError) {
    if status != .success { throw error(status, call, of: label) }
    if isSynchronous { try finishSynchronously(stream, label) }
  }

  private func finishSynchronously(_ stream: GPUStream, _ label: WorkLabel) throws(TensorError) {
    if !stream.isCapturing.load(ordering: .relaxed) {
      let status = call(driver.synchronizeStream.call) { $0(stream.handle) }
      if status != .success { throw error(status, driver.synchronizeStream.name, of: label) }
    }
    try faults.check(on: self)
  }

  /// The same for another library's function, which `body` calls and whose outcome it throws.
  func enqueue(
    on stream: GPUStream, _ label: WorkLabel, _ body: () throws(TensorError) -> Void
  ) throws(TensorError) {
    recent.add(label)
    try makeCurrent()
    try GPUMark.around(label.work, on: stream, body)
    if isSynchronous && !stream.isCapturing.load(ordering: .relaxed) {
      let status = call(driver.synchronizeStream.call) { $0(stream.handle) }
      if status != .success { throw error(status, driver.synchronizeStream.name, of: label) }
    }
  }

  /// Libraries that know the context of their thread find this GPU's.
  func makeCurrent() throws(TensorError) {
    let status = setCurrent()
    if status != .success { throw error(status, driver.setContext.name) }
  }

  /// Waits until all that was queued on any stream is done.
  func synchronize() throws(TensorError) {
    if let stream = GPUGraph.capture?.stream, stream.gpu === self { try stream.refuseCapture("waiting for the GPU") }
    try run(driver.synchronizeContext) { $0() }
    recent.clear()
    try faults.check(on: self)
  }

  /// Bytes that are free on the GPU, whoever uses the others.
  func freeByteCount() throws(TensorError) -> Int {
    var (free, total) = (0, 0)
    try run(driver.memoryInfo) { $0(&free, &total) }
    return free
  }

  private func error(_ status: DriverStatus, _ call: String, of label: WorkLabel? = nil) -> TensorError {
    let plain = driver.error(status, call).message
    if !status.losesContext {
      return TensorError(status == .outOfMemory ? .memory : .device, "\(plain) on \(name)\(label.map { " by \($0)" } ?? "")")
    }
    return recent.fault { recent in
      let culprit = isSynchronous ? label.map { "by \($0)" } : nil
      let suspects = culprit ?? "after \(recent); run with FLAMBEAU_CUDA_SYNC=1 to find which, and where"
      return TensorError(.device, "\(plain) on \(name) \(suspects); nothing runs on \(name) any more in this process")
    }
  }
}

/// What was queued: a kernel or a copy, and for which operator.
struct WorkLabel: Sendable, Hashable, CustomStringConvertible {
  let work: String
  /// Empty if none is known.
  let operation: String

  var description: String { operation.isEmpty ? work : "\(work) of \(operation)" }
}

/// The last things queued since all was known to be done, for errors that are found later.
private final class RecentWork: Sendable {
  private static let capacity = 8
  private let lock = Lock()
  // Guarded by the lock: a ring, and how many were put into it.
  private nonisolated(unsafe) var labels: [WorkLabel] = []
  private nonisolated(unsafe) var count = 0
  private nonisolated(unsafe) var fault: TensorError?

  func add(_ label: WorkLabel) {
    lock.withLock {
      if labels.count < RecentWork.capacity { labels.append(label) } else { labels[count % RecentWork.capacity] = label }
      count += 1
    }
  }

  func clear() {
    lock.withLock {
      labels.removeAll(keepingCapacity: true)
      count = 0
    }
  }

  /// The error that lost the context: the first one that is made of what was queued.
  func fault(_ make: (String) -> TensorError) -> TensorError {
    lock.withLock {
      if let fault { return fault }
      let error = make(text)
      fault = error
      return error
    }
  }

  private var text: String {
    if labels.isEmpty { return "nothing of this library" }
    let newest = (0..<labels.count).map { "\(labels[(count - 1 - $0) % RecentWork.capacity])" }
    let earlier = count - labels.count
    return newest.joined(separator: ", ") + (earlier > 0 ? " and \(earlier) before" : "")
  }
}
