import Runtime

/// What is done with every call that is recorded, besides recording it.
struct GraphWatch: Sendable {
  var hooks: SavedTensorHooks?
  /// Anomaly mode: calls remember where they were made, and their derivatives are looked at.
  var isAnomalyMode = false

  #if os(Linux)
    /// Read once: to read them takes longer than the trace, and is not safe while another thread closes one.
    private static let images = ImageMap.capture()
  #endif

  /// Packs what `node` saves, and notes where it was made.
  func record(_ node: Node) throws(TensorError) {
    let record = CallRecord()
    if let hooks { try record.pack(&node.saved, hooks) }
    #if os(Linux)
      if isAnomalyMode { record.trace = try? Backtrace.capture(limit: 64, images: GraphWatch.images) }
    #endif
    node.record = record
  }

  /// Throws if a gradient that `node` gave holds NaN.
  func check(_ gradients: Few<Tensor>, of node: Node) throws(TensorError) {
    guard isAnomalyMode else { return }
    for i in 0..<gradients.count {
      guard let gradient = gradients[i], noGrad({ gradient.isNaN().any().item(as: Bool.self) }) else { continue }
      throw .autograd("Function '\(node.name)Backward' returned nan values in its \(i)th output.")
    }
  }
}

/// What a watched call left behind.
///
/// Unchecked: written while the call is recorded, and then by whoever visits its node.
final class CallRecord: @unchecked Sendable {
  /// By slot of the node's saved values; nil where nothing was saved.
  private(set) var packed: [PackedTensor?]?
  #if os(Linux)
    var trace: Backtrace?
  #endif

  func pack(_ saved: inout SavedValues, _ hooks: SavedTensorHooks) throws(TensorError) {
    var packed: [PackedTensor?] = []
    for i in 0..<saved.count {
      packed.append(try saved[i].map { value throws(TensorError) in try value.packed(hooks) })
      saved[i] = nil
    }
    self.packed = packed
  }

  func release() { packed = nil }

  /// `error` with the line that made the call.
  func locating(_ error: TensorError) -> TensorError {
    #if os(Linux)
      guard let caller = trace?.callerOutsideFlambeau else { return error }
      return error.adding(" The call was made at \(caller).")
    #else
      return error
    #endif
  }
}

/// Runs `body` so that a backward pass that makes NaN stops and names the call it came from, with its line where the
/// program has debug information. Slow: for finding such a call. Torch's `detect_anomaly`.
///
/// Both the calls and the backward pass have to be inside.
@discardableResult
public func detectAnomaly<R>(_ body: () throws -> R) rethrows -> R {
  let context = Context.current
  let watch = GraphWatch(hooks: context.watch?.hooks, isAnomalyMode: true)
  return try Context.run(context.with(watch: watch), body)
}
