import CKernels

/// The short way of a pointwise row: a few elements of one dtype that is computed in itself, all flat and of one shape (or one
/// number), make a result laid out as the first operand. Nothing is planned, and nothing is retained on the way.
struct Shortcut: Sendable {
  // The row's program keeps them.
  private let float32: Unmanaged<Plan>?
  private let float64: Unmanaged<Plan>?
  /// For GPUs, and which dtypes.
  fileprivate let program: Program?
  private let dtypes: UInt

  init(_ program: Program, accepts: (DType) -> Bool) {
    let isShort = program.inputCount <= 3 && program.outputs.count == 1
    self.program = isShort ? program : nil
    dtypes = DType.allCases.filter { $0.isFloatingPoint && accepts($0) && program.isRunnable(in: $0.computeClass) }
      .reduce(0) { $0 | 1 << UInt($1.rawValue) }
    func plan(_ dtype: DType) -> Unmanaged<Plan>? {
      guard isShort, accepts(dtype), program.isRunnable(in: dtype.computeClass) else { return nil }
      return .passUnretained(program.plan(in: dtype.computeClass))
    }
    (float32, float64) = (plan(.float32), plan(.float64))
  }

  /// How to run the operands; nil if they must go the long way.
  @inline(__always)
  func plan(_ operands: BorrowedOperands) -> Unmanaged<Plan>? {
    let first = operands.first
    let dtype = first._withUnsafeGuaranteedRef { $0.dtype }
    guard let plan = dtype == .float32 ? float32 : dtype == .float64 ? float64 : nil else { return nil }
    let isWhole = plan._withUnsafeGuaranteedRef { operands.count == $0.inputCount }
    let fits = first._withUnsafeGuaranteedRef { (first: TensorBody) -> Bool in
      first.isFlat && first.layout.offset == 0
        && plan._withUnsafeGuaranteedRef { Quick.takes(first.layout.elementCount, $0) }
        && (operands.count < 2 || operands.second!._withUnsafeGuaranteedRef { $0.isFlat(like: first) })
        && (operands.count < 3 || operands.third!._withUnsafeGuaranteedRef { $0.isFlat(like: first) })
    }
    return isWhole && fits ? plan : nil
  }
}

extension Shortcut {
  /// The operands as they are run on the GPU of the first; nil if they must go the long way, as must halves with numbers, which round
  /// these.
  fileprivate func flat(_ operands: BorrowedOperands, hasNumbers: Bool) -> FlatCall? {
    operands.first._withUnsafeGuaranteedRef { first in
      let (dtype, device) = (first.dtype, first.storage.device)
      guard let program, dtypes >> UInt(dtype.rawValue) & 1 == 1, !(hasNumbers && dtype.isHalf),
        operands.count == program.inputCount, first.layout.elementCount > 0, first.isFlat(on: device),
        operands.second?._withUnsafeGuaranteedRef({ $0.isFlat(on: device) && $0.isAlike(first) }) ?? true,
        operands.third?._withUnsafeGuaranteedRef({ $0.isFlat(on: device) && $0.isAlike(first) }) ?? true
      else { return nil }
      var flat = FlatCall(program, dtype, count: first.layout.elementCount, on: device)
      flat.append(first.start, isNumber: false)
      operands.second?._withUnsafeGuaranteedRef { flat.append($0.start, isNumber: $0.layout.rank == 0) }
      operands.third?._withUnsafeGuaranteedRef { flat.append($0.start, isNumber: $0.layout.rank == 0) }
      return flat
    }
  }
}

/// Up to three operands, alive as long as whoever lent them.
struct BorrowedOperands {
  let count: Int
  let first: Unmanaged<TensorBody>
  let second: Unmanaged<TensorBody>?
  let third: Unmanaged<TensorBody>?

  /// Nil if there are more, or one is missing.
  @inline(__always)
  init?(_ operands: borrowing Few<Tensor>) {
    count = operands.count
    guard count <= 3, let a = operands.first else { return nil }
    first = .passUnretained(a.body)
    second = operands.second.map { .passUnretained($0.body) }
    third = operands.third.map { .passUnretained($0.body) }
    if count > 1 && second == nil || count > 2 && third == nil { return nil }
  }

  /// Those gradients flow to.
  @inline(__always)
  var needs: OperandSet {
    var result: OperandSet = []
    if first._withUnsafeGuaranteedRef({ $0.requiresGrad }) { result.insert(.operand(0)) }
    if second?._withUnsafeGuaranteedRef({ $0.requiresGrad }) ?? false { result.insert(.operand(1)) }
    if third?._withUnsafeGuaranteedRef({ $0.requiresGrad }) ?? false { result.insert(.operand(2)) }
    return result
  }
}

extension TensorBody {
  /// Its elements follow each other in the processor's memory, and it is neither poisoned nor an inference tensor.
  @inline(__always)
  fileprivate var isFlat: Bool { isFlat(on: .cpu) }

  /// The same in the memory of another device.
  @inline(__always)
  fileprivate func isFlat(on device: Device) -> Bool {
    layout.isContiguous && !isInference && !isPoisoned && storage.device == device
  }

  /// The same for an operand beside `first`.
  @inline(__always)
  fileprivate func isFlat(like first: TensorBody) -> Bool { isFlat && isAlike(first) }

  @inline(__always)
  fileprivate func isAlike(_ first: TensorBody) -> Bool {
    dtype == first.dtype && (layout.rank == 0 || layout.shape == first.layout.shape)
  }

  @inline(__always)
  fileprivate var start: UnsafeMutableRawPointer { storage.address + layout.offset * dtype.byteCount }
}

extension Quick {
  @inline(__always)
  fileprivate mutating func take(_ operand: Unmanaged<TensorBody>) {
    operand._withUnsafeGuaranteedRef { take($0.start, isNumber: $0.layout.rank == 0) }
  }
}

extension Operator {
  /// The call by the short way; nil, with nothing done, where it does not lead.
  @inline(__always)
  func callShort(_ shortcut: Shortcut, _ operands: inout Few<Tensor>, _ attributes: Attributes) -> Tensor? {
    guard let lent = BorrowedOperands(operands), let arguments = attributes as? PointwiseArguments else { return nil }
    guard let plan = shortcut.plan(lent) else {
      let isElsewhere = lent.first._withUnsafeGuaranteedRef { !$0.storage.device.isCPU }
      return isElsewhere ? callShortOnGPU(shortcut, lent, operands, attributes, arguments.scalars) : nil
    }
    let context = Context.current
    guard context.isPlainInScope else { return nil }
    let needs = context.gradEnabled && backward != nil ? lent.needs : []
    let saved = needs.isEmpty ? SavePlan() : saves(needs)
    // Without memory, the long way says so.
    guard let storage = operands.soleStorage(like: lent.first, except: saved.operands) ?? lent.freshStorage else { return nil }

    plan._withUnsafeGuaranteedRef {
      var quick = Quick($0, lent.first._withUnsafeGuaranteedRef { $0.layout.elementCount }, at: storage.address)
      quick.take(lent.first)
      if let second = lent.second { quick.take(second) }
      if let third = lent.third { quick.take(third) }
      quick.run(arguments.scalars)
    }
    let body = TensorBody(storage, like: lent.first)
    if !needs.isEmpty {
      do throws(TensorError) {
        let node = try node(operands, attributes, needs, saved)
        if saved.result { node.saveResults(saved, body.value, after: operands.count) }
        body.setNode(node)
      } catch {
        return Door.refuse(error, name, operands, at: nil)
      }
    }
    return Tensor(body)
  }

  /// The same on the GPU of the first operand, of any size: its memory is nobody else's before what is queued now has run.
  @inline(never)
  private func callShortOnGPU(
    _ shortcut: Shortcut, _ lent: BorrowedOperands, _ operands: borrowing Few<Tensor>, _ attributes: Attributes,
    _ scalars: Scalars
  ) -> Tensor? {
    guard runsOnGPU, var flat = shortcut.flat(lent, hasNumbers: scalars.count > 0) else { return nil }
    let context = Context.current
    guard context.isPlainInScope else { return nil }
    let needs = context.gradEnabled && backward != nil ? lent.needs : []
    let saved = needs.isEmpty ? SavePlan() : saves(needs)
    do throws(TensorError) {
      let backend = try GPUBackend.of(flat.device)
      let storage = try backend.storage(flat.count * flat.dtype.byteCount, for: name)
      flat.end(with: storage.address)
      try backend.run(flat, scalars, for: name)
      let layout = lent.first._withUnsafeGuaranteedRef { Layout($0.layout.shape) }
      let body = TensorBody(Value(storage, layout, flat.dtype))
      if !needs.isEmpty {
        let node = try node(operands, attributes, needs, saved)
        if saved.result { node.saveResults(saved, body.value, after: operands.count) }
        body.setNode(node)
      }
      return Tensor(body)
    } catch {
      return Door.refuse(error, name, copy operands, at: nil)
    }
  }
}

extension BorrowedOperands {
  /// Memory for as many elements as the first operand has.
  @inline(__always)
  fileprivate var freshStorage: Storage? {
    try? Storage(byteCount: first._withUnsafeGuaranteedRef { $0.layout.elementCount * $0.dtype.byteCount })
  }
}

extension Few where Element == Tensor {
  /// The storage of an operand that nobody else can see and that lies as `model` does, none of `saved`; all are flat.
  @inline(__always)
  fileprivate mutating func soleStorage(like model: Unmanaged<TensorBody>, except saved: OperandSet) -> Storage? {
    if !saved.contains(0), let storage = first?.soleStorage(like: model) { return storage }
    if !saved.contains(1), let storage = second?.soleStorage(like: model) { return storage }
    if !saved.contains(2), let storage = third?.soleStorage(like: model) { return storage }
    return nil
  }
}

extension Tensor {
  @inline(__always)
  fileprivate mutating func soleStorage(like model: Unmanaged<TensorBody>) -> Storage? {
    guard isKnownUniquelyReferenced(&body), body.unmanagedMeta == nil, isKnownUniquelyReferenced(&body.storage),
      body.storage.isOwned, body.layout.offset == 0,
      body.layout.rank == model._withUnsafeGuaranteedRef({ $0.layout.rank })
    else { return nil }
    return body.storage
  }
}
