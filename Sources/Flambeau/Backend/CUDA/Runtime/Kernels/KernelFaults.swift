/// What a launch says of what it met and left alone.
enum KernelFault: Hashable, Sendable {
  /// A position outside of a table.
  case index
  /// Elements that an operator has no meaning for: an error of this kind, in this sentence.
  case requirement(TensorError.Kind, String)

  /// - Parameter name: The GPU's.
  fileprivate func error(_ label: WorkLabel, on name: String) -> TensorError {
    let advice = "run with FLAMBEAU_CUDA_SYNC=1 to find where"
    switch self {
    case .index:
      return .index("index out of range in \(label) on \(name): what belongs to it was left as it was; \(advice)")
    case .requirement(let kind, let sentence):
      return TensorError(kind, "\(sentence) (found on \(name) when waited for; \(advice))", operation: label.operation)
    }
  }
}

/// What kernels met and left alone, such as positions outside of a table: memory of the CPU that they write a number into, and what
/// the numbers stand for. Nothing else is lost by it.
final class KernelFaults: Sendable {
  /// What a launch reports to.
  struct Cell: Sendable {
    let address: UInt64
    /// What it writes; 0 is nothing.
    let number: Int64
  }

  private struct Report: Hashable, Sendable {
    let label: WorkLabel
    let fault: KernelFault
  }

  private let lock = Lock()
  // Guarded by the lock. Every kind of report has one number, which graphs may hold.
  private nonisolated(unsafe) var reports: [Report] = []
  private nonisolated(unsafe) var numbers: [Report: Int64] = [:]
  private nonisolated(unsafe) var cell: UnsafeMutablePointer<Int64>?

  /// Pinned, if there is any; freed by the GPU.
  var memory: UnsafeMutableRawPointer? { lock.withLock { cell.map { UnsafeMutableRawPointer($0) } } }

  func cell(for label: WorkLabel, _ fault: KernelFault, on gpu: GPU) throws(TensorError) -> Cell {
    lock.lock()
    defer { lock.unlock() }
    if cell == nil {
      var pointer: UnsafeMutableRawPointer?
      let portable: UInt32 = 1
      try gpu.run(gpu.driver.allocateHost) { $0(&pointer, 8, portable) }
      cell = pointer!.bindMemory(to: Int64.self, capacity: 1)
      cell!.initialize(to: 0)
    }
    let report = Report(label: label, fault: fault)
    let number = numbers[report] ?? Int64(reports.count + 1)
    if number > reports.count {
      numbers[report] = number
      reports.append(report)
    }
    return Cell(address: UInt64(UInt(bitPattern: cell!)), number: number)
  }

  /// Throws, once, if a launch has reported something.
  func check(on gpu: GPU) throws(TensorError) {
    lock.lock()
    defer { lock.unlock() }
    guard let cell, cell.pointee != 0 else { return }
    let report = reports[Int(cell.pointee) - 1]
    cell.pointee = 0
    throw report.fault.error(report.label, on: gpu.name)
  }
}
