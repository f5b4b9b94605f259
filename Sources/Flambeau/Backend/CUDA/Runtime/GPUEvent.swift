/// A mark in a stream: when the stream has come to it, all before it is done.
final class GPUEvent: Sendable {
  let gpu: GPU
  let handle: Driver.Handle
  private let isTimed: Bool

  /// - Parameter isTimed: Whether it notes the time, which costs a little.
  init(on gpu: GPU, isTimed: Bool = false) throws(TensorError) {
    (self.gpu, self.isTimed) = (gpu, isTimed)
    let disableTiming: UInt32 = 2
    var handle: Driver.Handle = 0
    try gpu.run(gpu.driver.createEvent) { $0(&handle, isTimed ? 0 : disableTiming) }
    self.handle = handle
  }

  deinit { try? gpu.run(gpu.driver.destroyEvent) { $0(handle) } }

  /// Puts the mark where the stream's queue ends now.
  func record(on stream: GPUStream) throws(TensorError) {
    guard stream.gpu === gpu else {
      throw TensorError(
        .device, "Event device cuda:\(gpu.index) does not match recording stream's device cuda:\(stream.gpu.index).")
    }
    try gpu.run(gpu.driver.recordEvent) { $0(handle, stream.handle) }
  }

  /// The stream has come to it, or it was never recorded.
  func isDone() throws(TensorError) -> Bool {
    try gpu.status(gpu.driver.queryEvent, accepting: .notReady) { $0(handle) } == .success
  }

  /// Waits until the stream has come to it.
  func synchronize() throws(TensorError) {
    try wait()
    try gpu.faults.check(on: gpu)
  }

  /// The same for those to whom it is all one what was computed.
  fileprivate func wait() throws(TensorError) { try gpu.run(gpu.driver.synchronizeEvent) { $0(handle) } }

  /// Milliseconds from `start` to here; both are timed and done.
  func milliseconds(since start: GPUEvent) throws(TensorError) -> Double {
    guard isTimed && start.isTimed else {
      throw .argument("Both events must be created with argument 'enableTiming: true'.")
    }
    var milliseconds: Float = 0
    try gpu.run(gpu.driver.elapsedTime) { $0(&milliseconds, start.handle, handle) }
    return Double(milliseconds)
  }
}

/// Things that may be used again once streams have done what used them.
///
/// Not for several threads at a time.
struct StreamWaits<Thing> {
  private struct Wait {
    let thing: Thing
    var events: [GPUEvent]
  }

  private var waits: [Wait] = []
  private var spare: [GPUEvent] = []

  var things: [Thing] { waits.map(\.thing) }
  var isEmpty: Bool { waits.isEmpty }

  /// `thing` waits for what is queued on `streams` now. False where that cannot be recorded, because the context is lost.
  mutating func add(_ thing: Thing, for streams: [GPUStream]) -> Bool {
    var events: [GPUEvent] = []
    for stream in streams {
      guard let event = try? spare.popLast() ?? GPUEvent(on: stream.gpu), (try? event.record(on: stream)) != nil else {
        return false
      }
      events.append(event)
    }
    waits.append(Wait(thing: thing, events: events))
    return true
  }

  /// Takes out what has waited long enough.
  mutating func takeFinished() -> [Thing] {
    if waits.isEmpty { return [] }
    var (finished, waiting): ([Thing], [Wait]) = ([], [])
    for var wait in waits {
      while let event = wait.events.last, (try? event.isDone()) ?? false {
        spare.append(event)
        wait.events.removeLast()
      }
      if wait.events.isEmpty { finished.append(wait.thing) } else { waiting.append(wait) }
    }
    waits = waiting
    return finished
  }

  /// Waits for all.
  mutating func takeAll() throws(TensorError) -> [Thing] {
    for wait in waits { for event in wait.events { try event.wait() } }
    return takeFinished()
  }
}
