import CKernels

/// The step of an optimizer in a CUDA graph: its numbers (rates, corrections for the steps taken) lie in memory of the graph, and each
/// replay is given its own.
package final class GraphSteps {
  private let device: Device
  private var memory: [GPUMemory] = []
  /// The pass that is replayed next, and where; nil while the graph is made.
  private var replaying: (pass: Int, stream: GPUStream)?

  /// What ``ParameterStep/run(_:operation:)`` belongs to in the current task; nil outside of ``record(_:again:)``.
  static var current: GraphSteps? { box?.steps }
  @TaskLocal private static var box: Box?

  /// Unchecked: a task-local's value stays in its task.
  private struct Box: @unchecked Sendable { let steps: GraphSteps }

  /// Nil where the current task makes no graph.
  package init?() {
    guard let capture = GPUGraph.capture else { return nil }
    device = .cuda(capture.stream.gpu.index)
  }

  /// `first` takes a step that becomes part of the graph that the current task makes, and is not taken now. `again` takes it before each
  /// replay: then only its numbers are looked at. The graph holds both this and `again`.
  package func record(_ first: () -> Void, again: @escaping () -> Void) {
    GraphSteps.$box.withValue(Box(steps: self), operation: first)
    GPUGraph.capture!.beforeReplays { stream in
      self.replaying = (0, stream)
      GraphSteps.$box.withValue(Box(steps: self), operation: again)
    }
  }

  /// Queues the steps, or brings their numbers where those of a replay look for them.
  func take(_ steps: [OptimizerTask.Step], operation: String) throws(TensorError) {
    let numbers = steps.map(\.formula.numbers)
    let width = MemoryLayout<fb_step_numbers>.stride
    if let (pass, stream) = replaying {
      let source = UnsafeMutableBufferPointer<fb_step_numbers>.allocate(capacity: numbers.count)
      defer { source.deallocate() }
      _ = source.initialize(from: numbers)
      replaying = (pass + 1, stream)
      memory[pass].record(on: stream)
      return try stream.copy(source.baseAddress!, to: memory[pass].address, width * numbers.count, for: operation)
    }
    guard steps.allSatisfy({ $0.parameter.device == device }) else {
      throw TensorError(.device, "a graph of \(device) cannot step parameters that live elsewhere")
    }
    // None of the graph's own memory, which its earlier work writes to.
    let backend = try GPUBackend.of(device)
    let table = try backend.memory.allocate(width * numbers.count, on: backend.streams.standard, for: operation)
    memory.append(table)
    let placed = steps.enumerated().map { i, step in
      var step = step
      let address = UnsafeMutableRawPointer(bitPattern: UInt(table.address) + UInt(i * width))!
      step.numbers = Elements(address, Layout([width]), .uint8, on: device)
      return step
    }
    try GPUBackend.run(.task(OptimizerTask(placed)), on: device)
  }
}
