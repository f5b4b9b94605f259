/// Launches kernels on a GPU.
final class Launcher: Sendable {
  let memory: GPUAllocator
  let kernels: KernelLibrary
  /// Where NVIDIA's library of products is installed.
  let products: ProductLibrary?
  /// NVIDIA's library of convolutions, where it is installed.
  let convolutions: ConvolutionLibrary?
  /// Of calls that were queued before.
  let plans = LaunchPlans()
  private let flatPlans = FlatPlans()
  private let gpu: GPU

  init(
    memory: GPUAllocator, kernels: KernelLibrary, products: ProductLibrary? = nil, convolutions: ConvolutionLibrary? = nil
  ) {
    (self.memory, self.kernels, gpu) = (memory, kernels, kernels.gpu)
    (self.products, self.convolutions) = (products, convolutions)
  }

  /// Queues a call: a convolution or a product by NVIDIA's libraries, where they are there and do such ones, anything else by kernels of
  /// our own.
  func run(_ call: KernelCall, on stream: GPUStream, for operation: String = "") throws(TensorError) {
    try run(call, call.operands, on: stream, for: operation)
  }

  /// The same, with the call's operands at hand.
  func run(
    _ call: KernelCall, _ operands: [Elements], on stream: GPUStream, for operation: String
  ) throws(TensorError) {
    if case .task(let task) = call, try runByLibrary(task, on: stream, for: operation) { return }
    let plan = try plans.plan(for: call, operands) { () throws(TensorError) in try LaunchPlan(call, kernels) }
    try plan.run(call, operands, with: self, on: stream, for: operation)
  }

  /// False where no library does it.
  private func runByLibrary(
    _ task: any KernelTask, on stream: GPUStream, for operation: String
  ) throws(TensorError) -> Bool {
    if let convolutions, let convolution = task.convolution,
      try convolutions.run(convolution, memory: memory, on: stream, for: operation)
    {
      if let addition = convolution.addition { try run(addition, on: stream, for: operation) }
      return true
    }
    guard let products, let product = task.product, product.c.layout.elementCount > 0 else { return false }
    return try products.run(product, with: self, on: stream, for: operation)
  }

  /// Queues a program over flat elements.
  func run(_ flat: FlatCall, _ scalars: Scalars, on stream: GPUStream, for operation: String) throws(TensorError) {
    let plan = try flatPlans.plan(for: flat) { () throws(TensorError) in
      let call = flat.call(scalars)
      return try plans.plan(for: call, call.operands) { () throws(TensorError) in try LaunchPlan(call, kernels) }
    }
    try plan.run(
      { flat.address($0) }, { scalars[$0] }, with: self, on: stream, for: operation, model: flat.call(scalars))
  }

  /// Queues all launches of `work`; `operation` names them in errors. The memory they share is free for the stream's next work.
  func run(_ work: KernelWork, on stream: GPUStream, for operation: String = "") throws(TensorError) {
    let workspace = try self.workspace(work.workspaceByteCount, on: stream, for: operation)
    for launch in work.launches {
      let label = WorkLabel(work: launch.source.name, operation: operation)
      let fault = try cell(for: launch.arguments.report?.fault, label)
      var arguments = launch.arguments.bytes(workspace: workspace?.address ?? 0, fault: fault)
      let kernel = try kernels.kernel(launch.source)
      try kernel.allow(sharedByteCount: launch.sharedByteCount)
      try arguments.withUnsafeMutableBytes { bytes in
        Result { () throws(TensorError) in try self.launch(kernel, launch.shape, bytes, on: stream, label) }
      }.get()
    }
    withExtendedLifetime(workspace) {}
  }

  /// Memory that launches share; nil where none is needed: its beginning is left out of use.
  func workspace(_ byteCount: Int, on stream: GPUStream, for operation: String) throws(TensorError) -> GPUMemory? {
    byteCount > KernelWork().workspaceByteCount ? try memory.allocate(byteCount, on: stream, for: operation) : nil
  }

  /// Where a launch reports `fault`, if it reports one.
  func cell(for fault: KernelFault?, _ label: WorkLabel) throws(TensorError) -> KernelFaults.Cell? {
    guard let fault else { return nil }
    return try gpu.faults.cell(for: label, fault, on: gpu)
  }

  /// Queues one launch. The driver reads as many bytes as the struct of arguments has, padding included.
  @inline(__always)
  func launch(
    _ kernel: LoadedKernel, _ shape: LaunchShape, _ bytes: UnsafeMutableRawBufferPointer, on stream: GPUStream, _ label: WorkLabel
  ) throws(TensorError) {
    try gpu.launch(on: stream, label) { call in
      var parameters = bytes.baseAddress
      return call(
        kernel.function, shape.grid.x, shape.grid.y, 1, shape.block.x, shape.block.y, 1, shape.sharedByteCount, stream.handle,
        &parameters, nil)
    }
  }
}
