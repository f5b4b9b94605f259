import CKernels
import Synchronization

/// Events before and after something that is queued while a profile is taken, for how long a GPU works at it.
struct GPUMark: Sendable {
  let work: String
  /// The thread that queued it, and when, as the profiler counts both.
  let thread: UInt
  let time: UInt64
  private let start: GPUEvent
  private let end: GPUEvent

  /// Profiles that are being taken: where there are none, nobody's context is looked at.
  static let watchers = Atomic(0)

  /// Runs `body`, which queues `work`, between two events if the caller is profiled. Within graphs there are no times.
  static func around(
    _ work: @autoclosure () -> String, on stream: GPUStream, _ body: () throws(TensorError) -> Void
  ) throws(TensorError) {
    guard watchers.load(ordering: .relaxed) > 0, let profiler = Context.current.profiler,
      !stream.isCapturing.load(ordering: .relaxed)
    else { return try body() }
    let (thread, time) = (UInt(bitPattern: fb_thread_identity()), Profiler.now())
    let start = try GPUEvent(on: stream.gpu, isTimed: true)
    let end = try GPUEvent(on: stream.gpu, isTimed: true)
    try start.record(on: stream)
    try body()
    try end.record(on: stream)
    profiler.add(GPUMark(work: work(), thread: thread, time: time, start: start, end: end))
  }

  /// How long it took, once it is done, which this waits for, and how long after `first` it began on the GPU, if both were on one. Nil where
  /// the context was lost.
  func milliseconds(since first: GPUMark) -> (sinceFirst: Double, taken: Double)? {
    guard (try? end.synchronize()) != nil, let taken = try? end.milliseconds(since: start) else { return nil }
    let isSame = first.start.gpu === start.gpu
    return (isSame ? (try? start.milliseconds(since: first.start)) ?? 0 : 0, taken)
  }
}
