/// Runs `body` and reports every operation it calls: how often, on what operands, for how long.
///
/// Each event takes about a microsecond of the body's time and 300 bytes; where nothing is profiled, nothing is spent. Calls are
/// timed on all threads that `body` hands its context to, those of a data loader included. A profile inside another one takes
/// its events out of the outer one. Torch's `profiler.profile`.
///
///     let seen = profile { loss(model(x), y).backward() }
///     print(seen)
///     try Data(seen.chromeTrace.utf8).write(to: URL(filePath: "trace.json"))
public func profile(_ body: () throws -> Void) rethrows -> Profile {
  let profiler = Profiler()
  try Context.run(Context.current.with(profiler: profiler), body)
  return profiler.finish()
}

/// The asynchronous form of ``profile(_:)-(()->Void)``.
public func profile(isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Void) async rethrows -> Profile {
  let profiler = Profiler()
  try await Context.run(Context.current.with(profiler: profiler), isolation: isolation, body)
  return profiler.finish()
}

/// Runs `body`, which a profile shows under `name` around the operations it calls. Torch's `record_function`.
@discardableResult
public func recordFunction<R>(_ name: String, _ body: () throws -> R) rethrows -> R {
  guard let span = Context.current.profiler?.begin(.function(name)) else { return try body() }
  let result = try body()
  span.end()
  return result
}
