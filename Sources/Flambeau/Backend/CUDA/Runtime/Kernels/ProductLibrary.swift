import Synchronization

/// cuBLASLt on a GPU: what was once chosen for a product is kept for those like it.
final class ProductLibrary: Sendable {
  private let gpu: GPU
  private let library: CUBLASLt
  private let handle: CUBLASLt.Handle
  private let lock = Lock()
  // Guarded by the lock; nil for what the library does not do.
  private nonisolated(unsafe) var plans: [LibraryProduct: ProductPlan?] = [:]
  private nonisolated(unsafe) var plansOfTasks: [TaskKey: ProductPlan?] = [:]
  private static let mostTasks = 4096

  /// All that a task's ``LibraryProduct`` depends on.
  private struct TaskKey: Hashable {
    let attributes: ProductTask.Attributes
    let operands: OperandKey
    let allowsTF32: Bool

    init(_ task: ProductTask) {
      attributes = task.attributes
      operands = OperandKey(task.operands) { UInt(Swift.min($0.trailingZeroBitCount, 8)) }
      allowsTF32 = CUDA.allowTF32
    }
  }

  init(of gpu: GPU, _ library: CUBLASLt) throws(TensorError) {
    (self.gpu, self.library) = (gpu, library)
    var handle: CUBLASLt.Handle = 0
    try gpu.makeCurrent()
    try library.check(library.create(&handle), "cublasLtCreate")
    self.handle = handle
  }

  deinit {
    plansOfTasks.removeAll()
    plans.removeAll()
    if (try? gpu.makeCurrent()) != nil { _ = library.destroy(handle) }
  }

  /// Queues a product; false if the library does none like it.
  func run(
    _ task: ProductTask, memory: GPUAllocator, on stream: GPUStream, for operation: String
  ) throws(TensorError) -> Bool {
    guard let plan = try plan(task) else { return false }
    let workspace = try memory.allocate(plan.workspaceByteCount, on: stream, for: operation)
    try gpu.enqueue(on: stream, WorkLabel(work: "cublasLtMatmul", operation: operation)) { () throws(TensorError) in
      try plan.run(task, handle, workspace: workspace, on: stream)
    }
    withExtendedLifetime(workspace) {}
    return true
  }

  private func plan(_ task: ProductTask) throws(TensorError) -> ProductPlan? {
    let key = TaskKey(task)
    if let known = lock.withLock({ plansOfTasks[key] }) { return known }
    let product = LibraryProduct(task, allowsTF32: key.allowsTF32)
    let plan = try product.flatMap { (product) throws(TensorError) in try self.plan(product, task) }
    let old = lock.withLock {
      let old = plansOfTasks.count >= ProductLibrary.mostTasks ? plansOfTasks : [:]
      if !old.isEmpty { plansOfTasks = [:] }
      plansOfTasks[key] = .some(plan)
      return old
    }
    // Programs are given back here, not under the lock.
    withExtendedLifetime(old) {}
    return plan
  }

  private func plan(_ product: LibraryProduct, _ task: ProductTask) throws(TensorError) -> ProductPlan? {
    lock.lock()
    defer { lock.unlock() }
    if let known = plans[product] { return known }
    try gpu.makeCurrent()
    let plan = try ProductPlan(product, library)
    let isDone = try plan.choose(handle, bias: product.hasBias ? task.added : nil)
    plans[product] = .some(isDone ? plan : nil)
    return isDone ? plan : nil
  }
}

/// The library's descriptions of a product, and the algorithm it chose.
private final class ProductPlan: Sendable {
  /// What the library may work in, as NVIDIA advises for H100; smaller GPUs need less and are not harmed.
  private static let mostWorkspace = 32 << 20
  private static let algorithmByteCount = 64

  private let product: LibraryProduct
  private let library: CUBLASLt
  private let lock = Lock()
  // Guarded by the lock once there are several threads, since the bias is part of the description.
  private nonisolated(unsafe) var description: CUBLASLt.Handle = 0
  private nonisolated(unsafe) var layouts: [CUBLASLt.Handle] = []
  /// Written once, when chosen.
  private nonisolated(unsafe) var algorithm: [UInt8] = []
  nonisolated(unsafe) private(set) var workspaceByteCount = 0

  init(_ product: LibraryProduct, _ library: CUBLASLt) throws(TensorError) {
    (self.product, self.library) = (product, library)
    let (compute, scale) = CUBLASLt.compute(product.dtype, allowsTF32: product.allowsTF32)
    try library.check(library.createProduct(&description, compute, scale), "cublasLtMatmulDescCreate")
    if product.a.isTransposed { try set(CUBLASLt.Product.transposesA, CUBLASLt.transposed) }
    if product.b.isTransposed { try set(CUBLASLt.Product.transposesB, CUBLASLt.transposed) }
    if product.hasBias { try set(CUBLASLt.Product.epilogue, CUBLASLt.addsBias) }
    for matrix in [product.a, product.b, product.c, product.d] { try append(matrix) }
  }

  deinit {
    for layout in layouts { _ = library.destroyLayout(layout) }
    if description != 0 { _ = library.destroyProduct(description) }
  }

  private func append(_ matrix: LibraryProduct.Matrix) throws(TensorError) {
    var layout: CUBLASLt.Handle = 0
    try library.check(
      library.createLayout(
        &layout, CUBLASLt.type(product.dtype)!, UInt64(matrix.rows), UInt64(matrix.columns), Int64(matrix.leading)),
      "cublasLtMatrixLayoutCreate")
    layouts.append(layout)
    if product.batchCount == 1 { return }
    var (count, step) = (Int32(product.batchCount), Int64(matrix.step))
    try library.check(library.setLayout(layout, CUBLASLt.Layout.batchCount, &count, 4), "cublasLtMatrixLayoutSetAttribute")
    try library.check(library.setLayout(layout, CUBLASLt.Layout.batchStride, &step, 8), "cublasLtMatrixLayoutSetAttribute")
  }

  private func set<Value: BitwiseCopyable>(_ attribute: Int32, _ value: Value) throws(TensorError) {
    var value = value
    try library.check(
      library.setProduct(description, attribute, &value, MemoryLayout<Value>.size), "cublasLtMatmulDescSetAttribute")
  }

  /// Lets the library choose; false if it has no way.
  func choose(_ handle: CUBLASLt.Handle, bias: Elements?) throws(TensorError) -> Bool {
    if let bias { try set(CUBLASLt.Product.biasPointer, UInt64(UInt(bitPattern: bias.address))) }
    var preference: CUBLASLt.Handle = 0
    try library.check(library.createPreference(&preference), "cublasLtMatmulPreferenceCreate")
    defer { _ = library.destroyPreference(preference) }
    var most = UInt64(ProductPlan.mostWorkspace)
    var status = library.setPreference(preference, CUBLASLt.Preference.workspaceByteCount, &most, 8)
    for (attribute, matrix) in zip(CUBLASLt.Preference.alignments, [product.a, product.b, product.c, product.d]) {
      var alignment = UInt32(matrix.alignment)
      if status == 0 { status = library.setPreference(preference, attribute, &alignment, 4) }
    }
    try library.check(status, "cublasLtMatmulPreferenceSetAttribute")
    // An algorithm, the workspace's size at 64, a status at 72, and what is of no use here.
    var result = [UInt8](repeating: 0, count: 96)
    var count: Int32 = 0
    status = result.withUnsafeMutableBytes {
      library.choose(
        handle, description, layouts[0], layouts[1], layouts[2], layouts[3], preference, 1, $0.baseAddress!, &count)
    }
    if status == CUBLASLt.notSupported || (status == 0 && count == 0) { return false }
    try library.check(status, "cublasLtMatmulAlgoGetHeuristic")
    let (size, state) = result.withUnsafeBytes {
      ($0.load(fromByteOffset: 64, as: UInt64.self), $0.load(fromByteOffset: 72, as: Int32.self))
    }
    if state != 0 { return false }
    algorithm = Array(result.prefix(ProductPlan.algorithmByteCount))
    workspaceByteCount = Int(size)
    return true
  }

  func run(
    _ task: ProductTask, _ handle: CUBLASLt.Handle, workspace: GPUMemory, on stream: GPUStream
  ) throws(TensorError) {
    lock.lock()
    defer { lock.unlock() }
    let hasAddend = task.added != nil && task.beta != 0
    if product.hasBias { try set(CUBLASLt.Product.biasPointer, UInt64(UInt(bitPattern: task.added!.address))) }
    let beta = hasAddend && !product.hasBias ? task.beta : 0
    let (wide, narrow) = ([task.alpha, beta], [Float(task.alpha), Float(beta)])
    func address(_ elements: Elements) -> Driver.Address { UInt64(UInt(bitPattern: elements.address)) }
    func multiply(_ factors: UnsafeRawBufferPointer) -> CUBLASLt.Status {
      let (alpha, beta) = (factors.baseAddress!, factors.baseAddress! + factors.count / 2)
      let added = hasAddend && !product.hasBias ? task.added! : task.c
      return algorithm.withUnsafeBytes {
        library.multiply(
          handle, description, alpha, address(task.b), layouts[0], address(task.a), layouts[1], beta, address(added), layouts[2],
          address(task.c), layouts[3], $0.baseAddress!, workspace.address, workspaceByteCount, stream.handle)
      }
    }
    let status = product.dtype == .float64 ? wide.withUnsafeBytes(multiply) : narrow.withUnsafeBytes(multiply)
    try library.check(status, "cublasLtMatmul")
  }
}
