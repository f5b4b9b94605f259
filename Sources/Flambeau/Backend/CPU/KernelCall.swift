import Synchronization

/// A call of a backend function that is neither a program nor a reduction, such as gathering, with its operands and arguments.
protocol KernelTask {
  /// What is read, and what is written, ``results`` among them.
  var operands: [Elements] { get }
  var results: [Elements] { get }
  /// The results are right in any order.
  var isUnordered: Bool { get }
  /// The same with other operands, which are laid out as these.
  func mapOperands(_ f: (Elements) -> Elements) -> Self
  /// All that the launches depend on beside how many operands there are, their dtypes and layouts, where they lie within 16 bytes, and
  /// ``numbers``. Calls that are equal in these are launched by what was made for the first of them.
  associatedtype Attributes: Hashable & Sendable
  var attributes: Attributes { get }
  /// What may differ between calls whose attributes are equal; arguments take these by their places
  /// (``KernelArguments/number(_:_:of:in:)``).
  var numbers: [Number] { get }
  /// Appends the launches that do it on a GPU. `wide`: as if positions needed 64 bits.
  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool)
  /// The product of matrices that it is, if it is one.
  var product: ProductTask? { get }
}

extension KernelTask {
  var product: ProductTask? { nil }
}

extension KernelTask {
  var isUnordered: Bool { false }
  var numbers: [Number] { [] }
}

/// Nothing: how a task's operands lie says all.
struct NoAttributes: Hashable, Sendable {}

/// An object that is equal to itself alone, and is there as long as somebody knows its identity.
struct Identity<Object: AnyObject & Sendable>: Hashable, Sendable {
  let object: Object

  init(_ object: Object) { self.object = object }

  static func == (a: Identity, b: Identity) -> Bool { a.object === b.object }
  func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(object)) }
}

/// What the backend is asked to compute, as data: what tests hold the sources of GPU kernels against.
enum KernelCall {
  case map(Program, ComputeClass, [Elements], Scalars, into: [Elements])
  case rows(RowProgram, ComputeClass, [Elements], Scalars, into: [Elements])
  case reduction(
    Reduction.Kind, ComputeClass, [Elements], map: Program?, dims: [Int], Scalars, finish: Program?, into: Elements)
  case arg(Reduction.Kind, ComputeClass, Elements, dim: Int?, into: Elements)
  case scan(Reduction.Kind, ComputeClass, Elements, dim: Int, isReversed: Bool, into: Elements)
  case task(any KernelTask)

  /// Inputs and outputs.
  var operands: [Elements] {
    switch self {
    case .map(_, _, let inputs, _, let outputs), .rows(_, _, let inputs, _, let outputs): inputs + outputs
    case .reduction(_, _, let inputs, _, _, _, _, let output): inputs + [output]
    case .arg(_, _, let input, _, let output), .scan(_, _, let input, _, _, let output): [input, output]
    case .task(let task): task.operands
    }
  }

  /// The same with other operands, which are laid out as these; `f` gets them in the order of ``operands``.
  func mapOperands(_ f: (Elements) -> Elements) -> KernelCall {
    switch self {
    case .map(let program, let c, let inputs, let scalars, let outputs):
      .map(program, c, inputs.map(f), scalars, into: outputs.map(f))
    case .rows(let program, let c, let inputs, let scalars, let outputs):
      .rows(program, c, inputs.map(f), scalars, into: outputs.map(f))
    case .reduction(let kind, let c, let inputs, let map, let dims, let scalars, let finish, let output):
      .reduction(kind, c, inputs.map(f), map: map, dims: dims, scalars, finish: finish, into: f(output))
    case .arg(let kind, let c, let input, let dim, let output): .arg(kind, c, f(input), dim: dim, into: f(output))
    case .scan(let kind, let c, let input, let dim, let isReversed, let output):
      .scan(kind, c, f(input), dim: dim, isReversed: isReversed, into: f(output))
    case .task(let task): .task(task.mapOperands(f))
    }
  }

  /// Sees a call, and runs it.
  typealias Observer = @Sendable (KernelCall, () -> Void) -> Void

  private static let observes = Atomic(false)
  private static let lock = Lock()
  /// Guarded by the lock.
  nonisolated(unsafe) private static var observer: Observer?

  /// Never in release builds: there the calls' way is as short as without it.
  @inline(__always)
  static var isObserved: Bool {
    #if DEBUG
      observes.load(ordering: .relaxed)
    #else
      false
    #endif
  }

  /// From now on `new` sees all calls of all threads; nil: nobody does.
  static func observe(_ new: Observer?) {
    lock.withLock { observer = new }
    observes.store(new != nil, ordering: .releasing)
  }

  /// Does a task on the CPU by `run`, before an observer's eyes if there is one.
  @inline(__always)
  static func task(_ task: @autoclosure () -> some KernelTask, _ run: () -> Void) {
    if isObserved { observed(.task(task()), run) } else { run() }
  }

  /// Does a task where its operands live: on their GPU, or on the CPU by `run`.
  @inline(__always)
  static func task(
    on device: Device, _ task: @autoclosure () -> some KernelTask, _ run: () -> Void
  ) throws(TensorError) {
    if device.isCPU { self.task(task(), run) } else { try GPUBackend.run(.task(task()), on: device) }
  }

  /// Runs a call before the observer's eyes.
  static func observed(_ call: KernelCall, _ run: () -> Void) {
    guard let observer = lock.withLock({ observer }) else { return run() }
    observer(call, run)
  }
}
