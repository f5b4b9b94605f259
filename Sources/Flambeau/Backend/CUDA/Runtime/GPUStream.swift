import Synchronization

/// A queue of a GPU: what is in it runs in order, beside what is in others.
final class GPUStream: Sendable {
  let gpu: GPU
  let handle: Driver.Handle
  /// What is queued becomes a graph and is not run.
  let isCapturing = Atomic(false)

  /// The stream that work goes to where none is chosen: the driver's own.
  fileprivate init(defaultOf gpu: GPU) {
    self.gpu = gpu
    handle = 0
  }

  /// One that does not wait for the default stream, nor that for it.
  fileprivate init(on gpu: GPU) throws(TensorError) {
    self.gpu = gpu
    let nonBlocking: UInt32 = 1
    var handle: Driver.Handle = 0
    try gpu.run(gpu.driver.createStream) { $0(&handle, nonBlocking, 0) }
    self.handle = handle
  }

  deinit { if handle != 0 { try? gpu.run(gpu.driver.destroyStream) { $0(handle) } } }

  /// Waits until all that is in the queue now is done.
  func synchronize() throws(TensorError) {
    try refuseCapture("waiting for a stream")
    try gpu.run(gpu.driver.synchronizeStream) { $0(handle) }
    try gpu.faults.check(on: gpu)
  }

  /// Nothing is left to do.
  func isIdle() throws(TensorError) -> Bool {
    try gpu.status(gpu.driver.queryStream, accepting: .notReady) { $0(handle) } == .success
  }

  /// Throws where this stream is captured, which `what` cannot be.
  func refuseCapture(_ what: String) throws(TensorError) {
    if isCapturing.load(ordering: .relaxed) {
      throw TensorError(
        .device, "\(what) cannot be part of a CUDA graph: it happens once, while the graph is made; do it before or after")
    }
  }

  /// What is queued from here on runs after what the event has recorded; the caller does not wait.
  func wait(for event: GPUEvent) throws(TensorError) {
    try gpu.run(gpu.driver.waitForEvent) { $0(handle, event.handle, 0) }
  }
}

/// The streams of a GPU: the default one, and as many others as are asked for, 32 at most, which then are handed out in turn.
final class GPUStreams: Sendable {
  private static let most = 32

  let gpu: GPU
  let standard: GPUStream
  private let lock = Lock()
  // Guarded by the lock.
  private nonisolated(unsafe) var pool: [GPUStream] = []
  private nonisolated(unsafe) var turn = 0

  /// Chosen by the current task, the innermost last.
  @TaskLocal private static var chosen: [GPUStream] = []
  /// Some task has chosen once: where none has, nobody need look.
  private static let isChosen = Atomic(false)

  init(of gpu: GPU) {
    self.gpu = gpu
    standard = GPUStream(defaultOf: gpu)
  }

  /// A stream beside the default one.
  func next() throws(TensorError) -> GPUStream {
    lock.lock()
    defer { lock.unlock() }
    if pool.count < GPUStreams.most {
      let stream = try GPUStream(on: gpu)
      pool.append(stream)
      return stream
    }
    defer { turn = (turn + 1) % pool.count }
    return pool[turn]
  }

  /// The one that work of the current task goes to.
  var current: GPUStream {
    if !GPUStreams.isChosen.load(ordering: .relaxed) { return standard }
    return GPUStreams.chosen.last { $0.gpu === gpu } ?? standard
  }

  /// Runs `body` with `stream` as the current one of its GPU.
  static func with<R>(_ stream: GPUStream, _ body: () throws -> R) rethrows -> R {
    isChosen.store(true, ordering: .relaxed)
    return try $chosen.withValue(chosen + [stream], operation: body)
  }

  static func with<R>(
    _ stream: GPUStream, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> R
  ) async rethrows -> R {
    isChosen.store(true, ordering: .relaxed)
    return try await $chosen.withValue(chosen + [stream], operation: body, isolation: isolation)
  }
}
