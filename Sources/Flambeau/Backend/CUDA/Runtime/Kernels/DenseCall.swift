/// A task over dense arrays, as few words of each, for tasks of many: what `task` gives is only made where no plan is kept.
struct DenseCall<Task: KernelTask> {
  let attributes: Task.Attributes
  let numbers: [Number]
  let task: () -> Task
  fileprivate var words = ContiguousArray<UInt>()
  fileprivate var addresses = ContiguousArray<Int>()

  init(_ attributes: Task.Attributes, _ numbers: [Number], task: @escaping () -> Task) {
    (self.attributes, self.numbers, self.task) = (attributes, numbers, task)
  }

  /// The next of the task's operands.
  @inline(__always)
  mutating func append(_ array: DenseArray) {
    addresses.append(Int(bitPattern: array.start))
    OperandKey.append(array.count, array.dtype, at: UInt(bitPattern: array.start) % 16, to: &words)
  }
}

extension Launcher {
  /// Queues a task over dense arrays.
  func run<Task: KernelTask>(_ dense: DenseCall<Task>, on stream: GPUStream, for operation: String) throws(TensorError) {
    let plan = try plans.plan(dense.attributes, of: Task.self, OperandKey(dense.words)) { () throws(TensorError) in
      try LaunchPlan(.task(dense.task()), kernels)
    }
    try plan.run(
      { dense.addresses[$0] }, { dense.numbers[$0] }, with: self, on: stream, for: operation, model: .task(dense.task()))
  }
}
