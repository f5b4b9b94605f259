import CKernels
import Synchronization

/// The plans of a GPU: as many as a program uses again and again, all forgotten when they have become too many.
final class LaunchPlans: Sendable {
  private let most: Int
  private let lock = Lock()
  // Guarded by the lock: a ``Shelf`` for each kind of call, and how many plans there are on them.
  private nonisolated(unsafe) var shelves: [ObjectIdentifier: AnyObject] = [:]
  private nonisolated(unsafe) var total = 0

  /// The plans of calls whose attributes are of one type.
  private final class Shelf<Attributes: Hashable> {
    struct Key: Hashable {
      let attributes: Attributes
      let operands: OperandKey
    }

    var plans: [Key: LaunchPlan] = [:]
  }

  init(most: Int = 4096) { self.most = most }

  var count: Int { lock.withLock { total } }

  /// The plan of calls like `call`, made by `make` for the first of them.
  func plan(
    for call: KernelCall, _ operands: [Elements], make: () throws(TensorError) -> LaunchPlan
  ) throws(TensorError) -> LaunchPlan {
    if case .task(let task) = call { return try plan(for: task, operands, make) }
    return try plan(call.program, of: ProgramCall.self, OperandKey(operands), make)
  }

  private func plan<Task: KernelTask>(
    for task: Task, _ operands: [Elements], _ make: () throws(TensorError) -> LaunchPlan
  ) throws(TensorError) -> LaunchPlan {
    try plan(task.attributes, of: Task.self, OperandKey(operands), make)
  }

  /// The plan of calls of one kind that are equal in `attributes` and `operands`.
  func plan<Attributes: Hashable>(
    _ attributes: Attributes, of kind: Any.Type, _ operands: OperandKey, _ make: () throws(TensorError) -> LaunchPlan
  ) throws(TensorError) -> LaunchPlan {
    let key = Shelf<Attributes>.Key(attributes: attributes, operands: operands)
    func shelf() -> Shelf<Attributes> {
      if let shelf = shelves[ObjectIdentifier(kind)] { return unsafeDowncast(shelf, to: Shelf<Attributes>.self) }
      let shelf = Shelf<Attributes>()
      shelves[ObjectIdentifier(kind)] = shelf
      return shelf
    }
    if let plan = lock.withLock({ shelf().plans[key] }) { return plan }
    let plan = try make()
    let old = lock.withLock {
      let old = total >= most ? shelves : [:]
      if !old.isEmpty { (shelves, total) = ([:], 0) }
      if shelf().plans.updateValue(plan, forKey: key) == nil { total += 1 }
      return old
    }
    // Programs are given back here, not under the lock.
    withExtendedLifetime(old) {}
    return plan
  }

  private static let checks = Atomic(false)

  /// Debug builds hold every launch by a plan against what the call would be launched by without.
  static var areChecked: Bool {
    get { checks.load(ordering: .relaxed) }
    set { checks.store(newValue, ordering: .relaxed) }
  }
}

/// How operands lie: all that kernels depend on of them but addresses. Words of which equal ones mean the same.
struct OperandKey: Hashable {
  private let words: ContiguousArray<UInt>
  private let hash: UInt

  /// - Parameter place: What counts of an address: a number below 256.
  init(_ operands: [Elements], place: (_ address: UInt) -> UInt = { $0 % 16 }) {
    var words = ContiguousArray<UInt>()
    words.reserveCapacity(8 * operands.count)
    for operand in operands {
      let (shape, strides) = (operand.layout.shape, operand.layout.strides)
      let isRowMajor = OperandKey.isRowMajor(shape, strides)
      let place = place(UInt(bitPattern: operand.address))
      words.append(OperandKey.first(operand.dtype, place, rank: shape.count, isRowMajor))
      for i in 0..<shape.count { words.append(UInt(bitPattern: shape.at(i))) }
      if !isRowMajor { for i in 0..<shape.count { words.append(UInt(bitPattern: strides.at(i))) } }
    }
    self.init(words)
  }

  /// Of operands that were appended one by one.
  init(_ words: ContiguousArray<UInt>) {
    self.words = words
    hash = words.withUnsafeBufferPointer { words in
      var hash: UInt = 0
      for word in words {
        hash = (hash ^ word) &* 0x9e37_79b9_7f4a_7c15
        hash ^= hash >> 32
      }
      return hash
    }
  }

  /// What an operand of `count` elements without gaps adds.
  @inline(__always)
  static func append(_ count: Int, _ dtype: DType, at place: UInt, to words: inout ContiguousArray<UInt>) {
    words.append(first(dtype, place, rank: 1, true))
    words.append(UInt(bitPattern: count))
  }

  @inline(__always)
  private static func first(_ dtype: DType, _ place: UInt, rank: Int, _ isRowMajor: Bool) -> UInt {
    UInt(dtype.rawValue) | (isRowMajor ? 0x80 : 0) | place << 8 | UInt(rank) << 16
  }

  /// The strides are those that the shape alone has, where there is one position only too.
  private static func isRowMajor(_ shape: Shape, _ strides: Shape) -> Bool {
    var step = 1
    var i = shape.count - 1
    while i >= 0 {
      if strides.at(i) != step { return false }
      step *= Swift.max(shape.at(i), 1)
      i -= 1
    }
    return true
  }

  func hash(into hasher: inout Hasher) { hasher.combine(hash) }
}

/// What tells calls of programs apart, beside operands and scalars.
private struct ProgramCall: Hashable {
  enum Work: Hashable {
    case map(Identity<Program>, inputs: Int)
    case rows(Identity<RowProgram>, inputs: Int)
    case reduction(Reduction.Kind, map: Identity<Program>?, dims: [Int], finish: Identity<Program>?)
    case arg(Reduction.Kind, dim: Int?)
    case scan(Reduction.Kind, dim: Int, isReversed: Bool)
  }

  let work: Work
  let computeClass: UInt32

  init(_ work: Work, _ computeClass: ComputeClass) { (self.work, self.computeClass) = (work, computeClass.rawValue) }
}

extension KernelCall {
  /// Of a call that is no task.
  fileprivate var program: ProgramCall {
    switch self {
    case .map(let program, let computeClass, let inputs, _, _):
      ProgramCall(.map(Identity(program), inputs: inputs.count), computeClass)
    case .rows(let program, let computeClass, let inputs, _, _):
      ProgramCall(.rows(Identity(program), inputs: inputs.count), computeClass)
    case .reduction(let kind, let computeClass, _, let map, let dims, _, let finish, _):
      ProgramCall(.reduction(kind, map: map.map(Identity.init), dims: dims, finish: finish.map(Identity.init)), computeClass)
    case .arg(let kind, let computeClass, _, let dim, _): ProgramCall(.arg(kind, dim: dim), computeClass)
    case .scan(let kind, let computeClass, _, let dim, let isReversed, _):
      ProgramCall(.scan(kind, dim: dim, isReversed: isReversed), computeClass)
    case .task: fatalError("a task has attributes")
    }
  }
}
