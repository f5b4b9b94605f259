import CKernels

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Collects what is called while ``profile(_:)`` runs its body.
final class Profiler: Sendable {
  /// What is timed. Names are written when the body is over.
  enum Label: Sendable {
    case call(AnyOperator)
    case write(AnyOperator)
    case gradient(AnyOperator)
    case function(String)

    var name: String {
      switch self {
      case .call(let row): row.name
      case .write(let row): row.name.hasSuffix("_") ? row.name : row.name + "_"
      case .gradient(let row): row.nodeName + "Backward"
      case .function(let name): name
      }
    }
  }

  struct Operand: Sendable, Hashable {
    let dtype: DType
    let shape: Shape
  }

  struct Record: Sendable {
    let label: Label
    let operands: [Operand]
    let thread: UInt
    /// Nanoseconds of the system's clock.
    let start: UInt64
    let end: UInt64
    let byteCount: Int
    /// Multiplications and additions counted meanwhile, those of calls inside included.
    let operations: Double
  }

  let start = Profiler.now()
  private let lock = Lock()
  // Guarded by the lock.
  nonisolated(unsafe) private var records: [Record] = []
  nonisolated(unsafe) private var marks: [GPUMark] = []

  init() { GPUMark.watchers.add(1, ordering: .relaxed) }
  deinit { GPUMark.watchers.subtract(1, ordering: .relaxed) }

  func begin(_ label: Label) -> Span { Span(self, label, [], 0) }

  /// The operands are looked at, not kept: a temporary's memory is still its result's to take.
  @inline(never)
  func begin(_ label: Label, _ operands: borrowing Few<Tensor>) -> Span {
    var described: [Operand] = []
    described.reserveCapacity(operands.count)
    var bytes = 0
    for i in 0..<operands.count {
      guard let body = operands[i]?.body else { continue }
      described.append(Operand(dtype: body.dtype, shape: body.layout.shape))
      bytes += body.layout.distinctCount * body.dtype.byteCount
    }
    return Span(self, label, described, bytes)
  }

  fileprivate func add(_ record: Record) { lock.withLock { records.append(record) } }

  func add(_ mark: GPUMark) { lock.withLock { marks.append(mark) } }

  /// Waits for what is marked.
  func finish() -> Profile {
    let end = Profiler.now()
    let (records, marks) = (lock.withLock { self.records }, lock.withLock { self.marks })
    return Profile(records, marks, from: start, to: end)
  }

  static func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }

  /// A call that has begun. One that is never ended, because it failed, is not reported.
  final class Span {
    private let profiler: Profiler
    private let label: Label
    private let operands: [Operand]
    private let byteCount: Int
    private let operations = fb_operations_counted()
    private let start = Profiler.now()

    fileprivate init(_ profiler: Profiler, _ label: Label, _ operands: [Operand], _ byteCount: Int) {
      self.profiler = profiler
      self.label = label
      self.operands = operands
      self.byteCount = byteCount
    }

    func end() { end(byteCount: 0) }

    /// A view moves nothing.
    @inline(never)
    func end(with value: Value) {
      var bytes = value.isView ? 0 : byteCount
      if !value.isView {
        bytes += value.layout.elementCount * value.dtype.byteCount
        for other in value.auxiliaries { bytes += other.layout.elementCount * other.dtype.byteCount }
      }
      end(byteCount: bytes)
    }

    func end(byteCount: Int) {
      let end = Profiler.now()
      profiler.add(
        Record(
          label: label, operands: operands, thread: UInt(bitPattern: fb_thread_identity()), start: start, end: end,
          byteCount: byteCount, operations: fb_operations_counted() - operations))
    }
  }
}

extension Layout {
  /// The elements, those a dimension is stretched over counted once.
  fileprivate var distinctCount: Int {
    if isContiguous { return elementCount }
    var product = 1
    for i in 0..<rank where strides.at(i) != 0 { product *= shape.at(i) }
    return elementCount == 0 ? 0 : product
  }
}
