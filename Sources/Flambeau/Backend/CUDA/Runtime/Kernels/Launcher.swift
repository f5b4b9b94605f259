/// Launches kernels on a GPU.
struct Launcher: Sendable {
  let memory: GPUAllocator
  let kernels: KernelLibrary
  /// Where NVIDIA's library of products is installed.
  var products: ProductLibrary?

  private var gpu: GPU { kernels.gpu }

  /// Queues a task: a product by NVIDIA's library, where it is there and does such ones, anything else by kernels of our own.
  func run(_ task: any KernelTask, on stream: GPUStream, for operation: String = "") throws(TensorError) {
    if let product = task.product, let products, product.c.layout.elementCount > 0,
      try products.run(product, memory: memory, on: stream, for: operation)
    {
      return
    }
    try run(KernelCall.task(task).work(on: gpu.properties.shape), on: stream, for: operation)
  }

  /// Queues all launches of `work`; `operation` names them in errors. The memory they share is free for the stream's next work.
  func run(_ work: KernelWork, on stream: GPUStream, for operation: String = "") throws(TensorError) {
    // Its beginning is left out of use, so a workspace of that size is none.
    let needsWorkspace = work.workspaceByteCount > KernelWork().workspaceByteCount
    let workspace = needsWorkspace ? try memory.allocate(work.workspaceByteCount, on: stream, for: operation) : nil
    for launch in work.launches {
      let label = WorkLabel(work: launch.source.name, operation: operation)
      let fault = launch.arguments.faultOffset == nil ? nil : try gpu.faults.cell(for: label, on: gpu)
      let arguments = launch.arguments.bytes(workspace: workspace?.address ?? 0, fault: fault)
      try run(launch, arguments, on: stream, label)
    }
    withExtendedLifetime(workspace) {}
  }

  private func run(
    _ launch: KernelLaunch, _ arguments: [UInt8], on stream: GPUStream, _ label: WorkLabel
  ) throws(TensorError) {
    let kernel = try kernels.kernel(launch.source)
    try kernel.allow(sharedByteCount: launch.sharedByteCount)
    // The driver reads as many bytes as the struct has, padding included.
    var bytes = arguments
    while bytes.count % 8 != 0 { bytes.append(0) }
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
