// Queues of a GPU, and marks in them, from outside. Names are torch's of `torch.cuda`.
extension CUDA {
  /// A queue of a GPU's work: what is in it runs in order, beside what is in others. Torch's `torch.cuda.Stream`.
  ///
  /// A tensor's memory belongs to the stream it was made on. Work on another stream waits for it by ``wait(for:)-(Stream)``, and says by
  /// ``Tensor/recordStream(_:)`` that it uses the memory. A backward pass runs on the stream that is current where it is called, which
  /// has to wait where the forward pass ran on another.
  public final class Stream: Sendable {
    /// The GPU.
    public let device: Device
    /// Nil where there is no such GPU.
    let queue: GPUStream?

    init(_ device: Device, _ queue: GPUStream?) { (self.device, self.queue) = (device, queue) }

    /// One of the GPU's streams beside the default one. There are 32, which are handed out in turn.
    public convenience init(_ device: Device = .cuda(), file: StaticString = #fileID, line: UInt = #line) {
      self.init(device, CUDA.value(device, CallSite(file, line)) { (backend) throws(TensorError) in try backend.streams.next() })
    }

    /// The one that work of the current task goes to. Torch's `current_stream`.
    public static func current(_ device: Device = .cuda(), file: StaticString = #fileID, line: UInt = #line) -> Stream {
      Stream(device, CUDA.value(device, CallSite(file, line)) { (backend) throws(TensorError) in backend.stream })
    }

    /// The one that work goes to where none is chosen. Torch's `default_stream`.
    public static func standard(_ device: Device = .cuda(), file: StaticString = #fileID, line: UInt = #line) -> Stream {
      Stream(device, CUDA.value(device, CallSite(file, line)) { (backend) throws(TensorError) in backend.streams.standard })
    }

    /// Waits until all that is in the queue now is done; what went wrong is reported now.
    public func synchronize() { CUDA.attempt("Stream.synchronize") { () throws(TensorError) in try queue?.synchronize() } }

    /// Nothing is left to do. Torch's `query`.
    public var isIdle: Bool {
      var isIdle = true
      CUDA.attempt("Stream.isIdle") { () throws(TensorError) in isIdle = try queue?.isIdle() ?? true }
      return isIdle
    }

    /// What is queued from here on runs after what `event` marks; the caller does not wait. Torch's `wait_event`.
    public func wait(for event: Event) {
      CUDA.attempt("Stream.wait") { () throws(TensorError) in
        if let queue, let mark = event.mark { try queue.wait(for: mark) }
      }
    }

    /// What is queued from here on runs after all that is in `other` now. Torch's `wait_stream`.
    public func wait(for other: Stream) {
      CUDA.attempt("Stream.wait") { () throws(TensorError) in
        guard let queue, let theirs = other.queue, queue !== theirs else { return }
        let event = try GPUEvent(on: theirs.gpu)
        try event.record(on: theirs)
        try queue.wait(for: event)
      }
    }
  }

  /// A mark in a stream: when the stream has come to it, all before it is done. Torch's `torch.cuda.Event`.
  public final class Event: Sendable {
    /// Nil where there is no such GPU.
    let mark: GPUEvent?

    /// - Parameter enableTiming: It notes the time, for ``elapsedTime(to:)``.
    public init(
      _ device: Device = .cuda(), enableTiming: Bool = false, file: StaticString = #fileID, line: UInt = #line
    ) {
      mark = CUDA.value(device, CallSite(file, line)) { (backend) throws(TensorError) in
        try GPUEvent(on: backend.gpu, isTimed: enableTiming)
      }
    }

    /// Puts the mark where the queue of `stream` ends now, of the current one by default.
    public func record(on stream: Stream? = nil) {
      CUDA.attempt("Event.record") { () throws(TensorError) in
        guard let mark else { return }
        let current = try GPUBackend.of(.cuda(mark.gpu.index)).stream
        try mark.record(on: stream?.queue ?? current)
      }
    }

    /// The stream has come to it, or it was never recorded. Torch's `query`.
    public var isDone: Bool {
      var isDone = true
      CUDA.attempt("Event.isDone") { () throws(TensorError) in isDone = try mark?.isDone() ?? true }
      return isDone
    }

    /// Waits until the stream has come to it.
    public func synchronize() { CUDA.attempt("Event.synchronize") { () throws(TensorError) in try mark?.synchronize() } }

    /// Milliseconds on the GPU from here to `end`; both note the time, and have been waited for. Torch's `elapsed_time`.
    public func elapsedTime(to end: Event) -> Double {
      var milliseconds = 0.0
      CUDA.attempt("Event.elapsedTime") { () throws(TensorError) in
        if let mark, let last = end.mark { milliseconds = try last.milliseconds(since: mark) }
      }
      return milliseconds
    }
  }

  /// Runs `body`, whose work on the stream's GPU goes to `stream`. Tensors that are told no device are still made on the current one.
  /// Torch's `with torch.cuda.stream(…)`.
  public static func with<R>(_ stream: Stream, _ body: () throws -> R) rethrows -> R {
    guard let queue = stream.queue else { return try body() }
    return try GPUStreams.with(queue, body)
  }

  /// The asynchronous form of ``with(_:_:)-(_,()->R)``.
  public static func with<R>(
    _ stream: Stream, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> R
  ) async rethrows -> R {
    guard let queue = stream.queue else { return try await body() }
    return try await GPUStreams.with(queue, isolation: isolation, body)
  }

  /// What `body` gives of a GPU; nil where it fails, which is reported.
  static func value<R>(_ device: Device, _ site: CallSite?, _ body: (GPUBackend) throws(TensorError) -> R) -> R? {
    var result: R?
    attempt("cuda", site) { () throws(TensorError) in
      guard !device.isCPU else { throw TensorError(.device, "Expected a cuda device, but got: cpu") }
      result = try body(GPUBackend.of(device))
    }
    return result
  }

  static func attempt(_ name: String, _ site: CallSite? = nil, _ body: () throws(TensorError) -> Void) {
    if Context.current.isFailed { return }
    do throws(TensorError) { try body() } catch { _ = Door.refuse(error, name, Few(), at: site) }
  }
}

extension Tensor {
  /// Says that work queued on `stream`, which is not the one the tensor was made on, uses its memory: when the tensor is gone, what is in
  /// the queue by then is waited for before anybody gets the memory. Torch's `record_stream`.
  public func recordStream(_ stream: CUDA.Stream) {
    if let queue = stream.queue { body.storage.record(on: queue) }
  }
}
