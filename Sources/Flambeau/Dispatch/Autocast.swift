/// What an `autocast` scope asks of the calls in it.
final class Autocast: Sendable {
  /// What products and convolutions compute in; nil where an inner scope has switched it off.
  let dtype: DType?
  private let remembersCasts: Bool
  /// Those of the outermost scope, which inner ones share.
  private let casts: CastCache

  init(_ dtype: DType?, remembersCasts: Bool, inside outer: Autocast? = nil) {
    self.dtype = dtype
    self.remembersCasts = remembersCasts
    casts = outer?.casts ?? CastCache()
  }

  /// The same for a body that runs again after its scope has ended.
  var renewed: Autocast { Autocast(dtype, remembersCasts: remembersCasts) }

  /// Lets go of the casts. Whoever outlives the scope casts anew.
  func end() { casts.close() }

  /// The operands as `policy` wants them.
  func cast(_ operands: Few<Tensor>, by policy: AutocastPolicy) throws(TensorError) -> Few<Tensor> {
    guard let dtype = try wanted(by: policy, operands) else { return operands }
    var result = operands
    for i in 0..<operands.count {
      if let operand = operands[i], operand.isCastable, operand.dtype != dtype { result[i] = cast(operand, to: dtype) }
    }
    return result
  }

  private func wanted(by policy: AutocastPolicy, _ operands: Few<Tensor>) throws(TensorError) -> DType? {
    switch policy {
    case .half: return dtype
    case .float32: return .float32
    case .asTheyAre: return nil
    case .widest: break
    }
    var widest = dtype!
    for i in 0..<operands.count {
      guard let operand = operands[i], operand.isCastable else { continue }
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
    let use = CastCache.Use(body, target, isRecorded: Context.current.records)
    if let known = casts[use, of: body] { return known }
    let result = operand.to(target)
    casts[use, of: body] = result
    return result
  }
}

extension Tensor {
  /// Floating point, and not more than `autocast` may take away: float64 is left as it is.
  fileprivate var isCastable: Bool { dtype.isFloatingPoint && dtype != .float64 && !body.isPoisoned }
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
    guard let autocast = context.autocast, autocast.dtype != nil, let policy = autocastPolicy else { return nil }
    return try autocast.cast(operands, by: policy)
  }
}

/// A method that is an operator of torch's and calls several rows: it casts, and they do not.
struct AutocastMethod {
  private let context: Context
  private let policy: AutocastPolicy

  /// Nil outside of `autocast`, and where `name` is not among the operators that cast.
  @inline(__always)
  init?(_ name: @autoclosure () -> String) {
    let context = Context.current
    guard let autocast = context.autocast, autocast.dtype != nil, let policy = AutocastPolicy.named[name()] else {
      return nil
    }
    (self.context, self.policy) = (context, policy)
  }

  /// Runs `body` on operands of the wanted dtypes, with `autocast` off.
  func callAsFunction<R>(
    _ operands: Tensor?..., body: (Few<Tensor>) throws(TensorError) -> R
  ) throws(TensorError) -> R {
    let cast = try context.autocast!.cast(Few(operands), by: policy)
    return try Context.attempt(context.withoutAutocast) { () throws(TensorError) in try body(cast) }
  }
}
