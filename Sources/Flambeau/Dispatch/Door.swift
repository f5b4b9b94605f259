import Runtime

/// Where every misuse of an operation ends: the enclosing error scope, or the end of the program.
package enum Door {
  /// Reports `error`. Inside an open `withTensorErrors` scope the scope keeps the first one and this returns;
  /// outside, the program stops with the sentence and the caller's line.
  static func fail(_ error: TensorError, at site: CallSite? = nil) {
    var error = error
    if error.site == nil { error.site = site }
    if let scope = Context.current.openScope {
      scope.record(error)
    } else {
      stop(error)
    }
  }

  /// Ends the program with the sentence of `error`.
  static func stop(_ error: TensorError) -> Never {
    var text = error.description
    if error.site == nil, let caller = callerFromBacktrace() { text += " at \(caller)" }
    fatalError(text)
  }

  /// The first line outside this library on the stack; operators and collection subscripts cannot receive `#line`.
  private static func callerFromBacktrace() -> String? {
    #if os(Linux)
      return (try? Backtrace.capture(limit: 64))?.callerOutsideFlambeau
    #else
      return nil
    #endif
  }
}

#if os(Linux)
  extension Backtrace {
    /// The first line outside this library, as far as the program has debug information.
    var callerOutsideFlambeau: String? {
      let library = String(#filePath.dropLast("/Dispatch/Door.swift".count))
      guard let trace = symbolicated() else { return nil }
      for frame in trace.frames {
        guard let place = frame.symbol?.sourceLocation, place.line > 0 else { continue }
        if !place.path.hasPrefix(library) && !place.path.hasPrefix("/<compiler-generated>") {
          return "\(place.path):\(place.line)"
        }
      }
      return nil
    }
  }
#endif

/// Runs `body` so that misuse of tensors inside it is thrown instead of stopping the program.
///
/// The first error marks the scope as failed. From there on every operation, write, backward pass, random draw and
/// optimizer step in it does nothing, results are poisoned (`item()` is NaN, 0 or false; `shape` is empty), and the
/// scope throws that error at its end: the meaning of `throw` without `try` on every line.
public func withTensorErrors<R>(_ body: () throws -> R) throws -> R {
  let scope = ErrorScope()
  defer { scope.close() }
  let result = Result { try Context.run(Context.current.with(errorScope: scope), body) }
  if let error = scope.error { throw error }
  return try result.get()
}

/// The asynchronous form of ``withTensorErrors(_:)-(()->R)``.
public func withTensorErrors<R>(
  isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> R
) async throws -> R {
  let scope = ErrorScope()
  defer { scope.close() }
  do {
    let result = try await Context.run(Context.current.with(errorScope: scope), isolation: isolation, body)
    if let error = scope.error { throw error }
    return result
  } catch {
    throw scope.error ?? error
  }
}
