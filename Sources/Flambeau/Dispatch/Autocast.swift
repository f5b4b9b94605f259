/// What an `autocast` scope asks of the calls in it.
final class Autocast: Sendable {
  /// What products and convolutions compute in; nil where an inner scope has switched it off.
  let dtype: DType?
  private let remembersCasts: Bool
  /// The kind of device whose list is asked for calls on the processor, but for tests the processor's.
  private let listed: Device.Kind
  /// Those of the outermost scope, which inner ones share.
  private let casts: CastCache

  init(_ dtype: DType?, remembersCasts: Bool, listed: Device.Kind = .cpu, inside outer: Autocast? = nil) {
    self.dtype = dtype
    self.remembersCasts = remembersCasts
    self.listed = listed
    casts = outer?.casts ?? CastCache()
  }

  /// The same for a body that runs again after its scope has ended.
  var renewed: Autocast { Autocast(dtype, remembersCasts: remembersCasts, listed: listed) }

  /// Lets go of the casts. Whoever outlives the scope casts anew.
  func end() { casts.close() }

  /// What it does to a call on `device`; nil where it leaves it alone.
  func policy(_ policies: AutocastPolicies, on device: Device) -> AutocastPolicy? {
    dtype == nil ? nil : policies[device.isCPU ? listed : device.kind]
  }

  /// The operands of a call on `device` as `policy` wants them. Those that live elsewhere stay.
  func cast(_ operands: Few<Tensor>, by policy: AutocastPolicy, on device: Device) throws(TensorError) -> Few<Tensor> {
    guard let dtype = try wanted(by: policy, operands, on: device) else { return operands }
    var result = operands
    for i in 0..<operands.count {
      if let operand = operands[i], operand.isCastable(on: device), operand.dtype != dtype {
        result[i] = cast(operand, to: dtype)
      }
    }
    return result
  }

  private func wanted(
    by policy: AutocastPolicy, _ operands: Few<Tensor>, on device: Device
  ) throws(TensorError) -> DType? {
    switch policy {
    case .half: return dtype
    case .float32: return .float32
    case .asTheyAre: return nil
    case .refused(let sentence): throw .dtype(sentence)
    case .widest: break
    }
    var widest = dtype!
    for i in 0..<operands.count {
      guard let operand = operands[i], operand.isCastable(on: device) else { continue }
      if operand.dtype == .float32 {
        widest = .float32
      } else if operand.dtype != widest && widest != .float32 {
        throw .dtype("Unexpected floating ScalarType in at::autocast::prioritize")
      }
    }
    return widest
  }

  private func cast(_ operand: Tensor, to target: DType) -> Tensor {
    let body = operand.body
    guard remembersCasts, target == dtype, body.dtype == .float32, body.isLeaf, body.requiresGrad, body.base == nil else {
      return operand.to(target)
    }
    // What a graph casts is there once it is replayed, and is cast again by each replay.
    guard casts.capture === GPUGraph.capture else { return operand.to(target) }
    let use = CastCache.Use(body, target, isRecorded: Context.current.records)
    if let known = casts[use, of: body] { return known }
    let result = operand.to(target)
    casts[use, of: body] = result
    return result
  }
}

extension Tensor {
  /// Floating point, and not more than `autocast` may take away: float64 is left as it is.
  fileprivate func isCastable(on device: Device) -> Bool {
    dtype.isFloatingPoint && dtype != .float64 && !body.isPoisoned && self.device == device
  }
}

/// The casts of leaves, each made once for all calls in the outermost scope.
private final class CastCache: Sendable {
  struct Use: Hashable {
    let body: ObjectIdentifier
    let dtype: DType
    /// One that was made without recording leads no gradient to the leaf.
    let isRecorded: Bool

    init(_ body: TensorBody, _ dtype: DType, isRecorded: Bool) {
      self.body = ObjectIdentifier(body)
      self.dtype = dtype
      self.isRecorded = isRecorded
    }
  }

  private struct Entry {
    /// Kept, so that no other tensor takes its identity.
    let source: TensorBody
    let version: UInt32
    let cast: Tensor
  }

  /// The graph whose making the scope is part of.
  let capture = GPUGraph.capture

  private let lock = Lock()
  /// Guarded by the lock; nil when the scope has ended.
  nonisolated(unsafe) private var entries: [Use: Entry]? = [:]

  /// Nil where there is none, or the leaf has been written to since.
  subscript(use: Use, of source: TensorBody) -> Tensor? {
    get {
      let entry = lock.withLock { entries?[use] }
      return entry?.version == source.writeCount ? entry?.cast : nil
    }
    set {
      guard let newValue else { return }
      let entry = Entry(source: source, version: source.writeCount, cast: newValue)
      let old = lock.withLock { entries?.updateValue(entry, forKey: use) }
      withExtendedLifetime(old) {}
    }
  }

  func close() {
    let old = lock.withLock { entries.take() }
    withExtendedLifetime(old) {}
  }
}

extension TensorBody {
  fileprivate var writeCount: UInt32 { storage.version.load(ordering: .relaxed) }
}

extension Operator {
  /// The call with operands as `autocast` wants them; nil where it leaves them as they are.
  func castOperands(_ operands: Few<Tensor>, _ context: Context) throws(TensorError) -> Few<Tensor>? {
    guard let autocast = context.autocast else { return nil }
    let device = operands.device
    guard let policy = autocast.policy(autocastPolicies, on: device) else { return nil }
    return try autocast.cast(operands, by: policy, on: device)
  }
}

/// A method that is an operator of torch's and calls several rows: it casts, and they do not.
struct AutocastMethod {
  private let context: Context
  private let device: Device
  private let policy: AutocastPolicy

  /// Nil outside of `autocast`, and where `name` is not among the operators that cast on the device of `operand`.
  @inline(__always)
  init?(_ name: @autoclosure () -> String, on operand: Tensor) {
    let context = Context.current
    guard let autocast = context.autocast else { return nil }
    device = operand.device
    guard let policy = autocast.policy(AutocastPolicies(name()), on: device) else { return nil }
    (self.context, self.policy) = (context, policy)
  }

  /// Runs `body` on operands of the wanted dtypes, with `autocast` off.
  func callAsFunction<R>(
    _ operands: Tensor?..., body: (Few<Tensor>) throws(TensorError) -> R
  ) throws(TensorError) -> R {
    let cast = try context.autocast!.cast(Few(operands), by: policy, on: device)
    return try Context.attempt(context.withoutAutocast) { () throws(TensorError) in try body(cast) }
  }

  /// The same for a list.
  func callAsFunction<R>(_ operands: [Tensor], body: ([Tensor]) throws(TensorError) -> R) throws(TensorError) -> R {
    let cast = try context.autocast!.cast(Few(operands), by: policy, on: device)
    return try Context.attempt(context.withoutAutocast) { () throws(TensorError) in
      try body(operands.indices.map { cast[$0]! })
    }
  }
}
