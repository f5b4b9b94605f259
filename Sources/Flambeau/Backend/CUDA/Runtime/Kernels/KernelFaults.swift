/// What kernels met and left alone, such as positions outside of a table: memory of the CPU that they write a number into, and what
/// the numbers stand for. Nothing else is lost by it.
final class KernelFaults: Sendable {
  /// What a launch reports to.
  struct Cell: Sendable {
    let address: UInt64
    /// What it writes; 0 is nothing.
    let number: Int64
  }

  private let lock = Lock()
  // Guarded by the lock. Every kind of launch has one number, which graphs may hold.
  private nonisolated(unsafe) var labels: [WorkLabel] = []
  private nonisolated(unsafe) var numbers: [WorkLabel: Int64] = [:]
  private nonisolated(unsafe) var cell: UnsafeMutablePointer<Int64>?

  /// Pinned, if there is any; freed by the GPU.
  var memory: UnsafeMutableRawPointer? { lock.withLock { cell.map { UnsafeMutableRawPointer($0) } } }

  func cell(for label: WorkLabel, on gpu: GPU) throws(TensorError) -> Cell {
    lock.lock()
    defer { lock.unlock() }
    if cell == nil {
      var pointer: UnsafeMutableRawPointer?
      let portable: UInt32 = 1
      try gpu.run(gpu.driver.allocateHost) { $0(&pointer, 8, portable) }
      cell = pointer!.bindMemory(to: Int64.self, capacity: 1)
      cell!.initialize(to: 0)
    }
    let number = numbers[label] ?? Int64(labels.count + 1)
    if number > labels.count {
      numbers[label] = number
      labels.append(label)
    }
    return Cell(address: UInt64(UInt(bitPattern: cell!)), number: number)
  }

  /// Throws, once, if a launch has reported something.
  func check(on gpu: GPU) throws(TensorError) {
    lock.lock()
    defer { lock.unlock() }
    guard let cell, cell.pointee != 0 else { return }
    let number = Int(cell.pointee)
    cell.pointee = 0
    throw .index(
      "index out of range in \(labels[number - 1]) on \(gpu.name): what belongs to it was left as it was; "
        + "run with FLAMBEAU_CUDA_SYNC=1 to find where")
  }
}
