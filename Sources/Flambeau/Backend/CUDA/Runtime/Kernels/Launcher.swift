/// Launches kernels on a GPU.
struct Launcher: Sendable {
  let memory: GPUAllocator
  let kernels: KernelLibrary
  /// Where NVIDIA's library of products is installed.
  var products: ProductLibrary?
  /// NVIDIA's library of convolutions, where it is installed.
  var convolutions: ConvolutionLibrary?
  /// Of calls that were queued before.
  let plans = LaunchPlans()

  private var gpu: GPU { kernels.gpu }

  /// Queues a call.
  func run(_ call: KernelCall, on stream: GPUStream, for operation: String = "") throws(TensorError) {
    if case .task(let task) = call { return try run(task, on: stream, for: operation) }
    let operands = call.operands
    let plan = try plans.plan(for: call, operands) { () throws(TensorError) in try LaunchPlan(call, kernels) }
    try plan.run(operands, call.scalars, with: self, on: stream, for: operation)
  }

  /// Queues a task: a convolution or a product by NVIDIA's libraries, where they are there and do such ones, anything else by kernels of
  /// our own.
  func run(_ task: any KernelTask, on stream: GPUStream, for operation: String = "") throws(TensorError) {
    if let convolution = task.convolution, let convolutions,
      try convolutions.run(convolution, memory: memory, on: stream, for: operation)
    {
      if let addition = convolution.addition { try run(addition, on: stream, for: operation) }
      return
    }
    if let product = task.product, let products, product.c.layout.elementCount > 0,
      try products.run(product, with: self, on: stream, for: operation)
    {
      return
    }
    try run(KernelCall.task(task).work(on: gpu.properties.shape), on: stream, for: operation)
  }

  /// Queues all launches of `work`; `operation` names them in errors. The memory they share is free for the stream's next work.
  func run(_ work: KernelWork, on stream: GPUStream, for operation: String = "") throws(TensorError) {
    let workspace = try self.workspace(work.workspaceByteCount, on: stream, for: operation)
    for launch in work.launches {
      let label = WorkLabel(work: launch.source.name, operation: operation)
      let fault = launch.arguments.faultOffset == nil ? nil : try gpu.faults.cell(for: label, on: gpu)
      var arguments = launch.arguments.bytes(workspace: workspace?.address ?? 0, fault: fault)
      let kernel = try kernels.kernel(launch.source)
      try kernel.allow(sharedByteCount: launch.sharedByteCount)
      try self.launch(kernel, launch, &arguments, on: stream, label)
    }
    withExtendedLifetime(workspace) {}
  }

  /// Memory that launches share; nil where none is needed: its beginning is left out of use.
  func workspace(_ byteCount: Int, on stream: GPUStream, for operation: String) throws(TensorError) -> GPUMemory? {
    byteCount > KernelWork().workspaceByteCount ? try memory.allocate(byteCount, on: stream, for: operation) : nil
  }

  /// Queues one launch. The driver reads as many bytes as the struct of arguments has, padding included.
  func launch(
    _ kernel: LoadedKernel, _ launch: KernelLaunch, _ bytes: inout [UInt8], on stream: GPUStream, _ label: WorkLabel
  ) throws(TensorError) {
    let (grid, block) = (launch.grid, launch.block)
    try gpu.enqueue(gpu.driver.launch, on: stream, label) { call in
      bytes.withUnsafeMutableBytes { bytes in
        var parameters = bytes.baseAddress
        return call(
          kernel.function, UInt32(grid.x), UInt32(grid.y), 1, UInt32(block.x), UInt32(block.y), 1,
          UInt32(launch.sharedByteCount), stream.handle, &parameters, nil)
      }
    }
  }
}
