import Synchronization

/// What the current task has switched on or off. An operation reads it once.
///
/// Immutable; a scope installs a changed copy for the time of its body. Worker threads install their caller's.
package final class Context: Sendable {
  let gradEnabled: Bool
  let inference: Bool
  let errorScope: ErrorScope?
  /// The generator random draws use; nil for the device's own.
  let generator: Generator?
  /// What recorded calls are put through; nil for nothing.
  let watch: GraphWatch?
  /// What calls are reported to; nil where nothing is profiled.
  let profiler: Profiler?
  /// What operands are cast to; nil outside of `autocast`.
  let autocast: Autocast?
  /// Where tensors are made that are told no device.
  let device: Device
  /// No error scope, no inference mode, no watch, no profiler and no casts: what the short way of a call asks for.
  let isPlain: Bool

  init(
    gradEnabled: Bool = true, inference: Bool = false, errorScope: ErrorScope? = nil, generator: Generator? = nil,
    watch: GraphWatch? = nil, profiler: Profiler? = nil, autocast: Autocast? = nil, device: Device = .cpu
  ) {
    self.gradEnabled = gradEnabled
    self.inference = inference
    self.errorScope = errorScope
    self.generator = generator
    self.watch = watch
    self.profiler = profiler
    self.autocast = autocast
    self.device = device
    isPlain = errorScope == nil && !inference && watch == nil && profiler == nil && autocast == nil
  }

  @TaskLocal package static var current = Context()

  /// What a program starts with, for what outlives the scope that asks for it.
  package static var initial: Context { Context() }

  func with(
    gradEnabled: Bool? = nil, inference: Bool? = nil, errorScope: ErrorScope? = nil, generator: Generator? = nil,
    watch: GraphWatch? = nil, profiler: Profiler? = nil, autocast: Autocast? = nil, device: Device? = nil
  ) -> Context {
    Context(
      gradEnabled: gradEnabled ?? self.gradEnabled, inference: inference ?? self.inference,
      errorScope: errorScope ?? self.errorScope, generator: generator ?? self.generator, watch: watch ?? self.watch,
      profiler: profiler ?? self.profiler, autocast: autocast ?? self.autocast, device: device ?? self.device)
  }

  /// The same, recording or not, with calls put through nothing.
  func recording(_ isRecording: Bool) -> Context {
    Context(
      gradEnabled: isRecording, inference: inference, errorScope: errorScope, generator: generator, profiler: profiler,
      autocast: autocast, device: device)
  }

  /// The same, with operands as they are.
  var withoutAutocast: Context {
    autocast == nil
      ? self
      : Context(
        gradEnabled: gradEnabled, inference: inference, errorScope: errorScope, generator: generator, watch: watch,
        profiler: profiler, device: device)
  }

  /// Runs `body` with `context` as the current one.
  package static func run<R>(_ context: Context, _ body: () throws -> R) rethrows -> R {
    try $current.withValue(context, operation: body)
  }

  /// The same of a body that throws a ``TensorError``.
  static func attempt<R>(_ context: Context, _ body: () throws(TensorError) -> R) throws(TensorError) -> R {
    try $current.withValue(context) { Result(catching: body) }.get()
  }

  static func run<R>(
    _ context: Context, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> R
  ) async rethrows -> R {
    try await $current.withValue(context, operation: body, isolation: isolation)
  }

  /// What ``isPlain`` asks for, but for an error scope, which has not failed.
  @inline(__always)
  var isPlainInScope: Bool {
    isPlain || !inference && watch == nil && profiler == nil && autocast == nil && !isFailed
  }

  /// The scope that errors go to; nil outside one, or when it has ended.
  var openScope: ErrorScope? {
    guard let errorScope, errorScope.isOpen else { return nil }
    return errorScope
  }

  /// Inside an error scope that has failed: nothing is computed, written or drawn any more.
  package var isFailed: Bool { openScope?.hasFailed ?? false }

  /// What the error scope has failed with; nil if it has not.
  var failure: TensorError? { openScope?.error }
}

/// The first error of a `withTensorErrors` body.
final class ErrorScope: Sendable {
  private enum Phase { static let open = 0, failed = 1, closed = 2 }
  private let phase = Atomic<Int>(Phase.open)
  private let lock = Lock()
  /// Guarded by the lock.
  nonisolated(unsafe) private var first: TensorError?

  var isOpen: Bool { phase.load(ordering: .acquiring) != Phase.closed }
  var hasFailed: Bool { phase.load(ordering: .acquiring) == Phase.failed }
  var error: TensorError? { lock.withLock { first } }

  func record(_ error: TensorError) {
    lock.withLock { if first == nil { first = error } }
    _ = phase.compareExchange(expected: Phase.open, desired: Phase.failed, ordering: .acquiringAndReleasing)
  }

  func close() { phase.store(Phase.closed, ordering: .releasing) }
}
