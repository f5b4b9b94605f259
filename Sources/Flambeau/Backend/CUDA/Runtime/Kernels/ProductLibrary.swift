import Synchronization

/// cuBLASLt on a GPU: what was once chosen for a product is kept for those like it.
final class ProductLibrary: Sendable {
  private let gpu: GPU
  private let library: CUBLASLt
  private let handle: CUBLASLt.Handle
  private let lock = Lock()
  // Guarded by the lock; nil for what the library does not do.
  private nonisolated(unsafe) var plans: [LibraryProduct: ProductPlan?] = [:]
  private nonisolated(unsafe) var ways: [TaskKey: Way] = [:]
  private static let mostWays = 4096

  /// How tasks that are alike are done.
  private enum Way {
    case plan(ProductPlan)
    /// As another product, whose operands are copied first.
    case padded
    /// As a product, and kernels that finish it.
    case split
    /// Not by the library.
    case other
  }

  /// All that this depends on.
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

  /// Operations for each byte from which products are padded; a library that has no tensor cores to feed needs none.
  private let padsFrom: Double

  init(of gpu: GPU, _ library: CUBLASLt, padsFrom: Double = 128) throws(TensorError) {
    (self.gpu, self.library, self.padsFrom) = (gpu, library, padsFrom)
    var handle: CUBLASLt.Handle = 0
    try gpu.makeCurrent()
    try library.check(library.create(&handle), "cublasLtCreate")
    self.handle = handle
  }

  deinit {
    ways.removeAll()
    plans.removeAll()
    if (try? gpu.makeCurrent()) != nil { _ = library.destroy(handle) }
  }

  /// Whether the library does a product and all that belongs to it in one call.
  func doesWhole(_ task: ProductTask) throws(TensorError) -> Bool {
    if case .plan = try way(of: task) { return true }
    return false
  }

  /// Queues a product, padded where that is faster; false if the library does none like it.
  func run(_ task: ProductTask, with launcher: Launcher, on stream: GPUStream, for operation: String) throws(TensorError) -> Bool
  {
    switch try way(of: task) {
    case .other: return false
    case .padded: return try runPadded(task, with: launcher, on: stream, for: operation)
    case .split:
      let (product, after) = task.split
      guard try run(product, with: launcher, on: stream, for: operation) else { return false }
      for call in after { try launcher.run(call, on: stream, for: operation) }
      return true
    case .plan(let plan):
      try multiply(plan, task, memory: launcher.memory, on: stream, for: operation)
      return true
    }
  }

  private func way(of task: ProductTask) throws(TensorError) -> Way {
    let key = TaskKey(task)
    if let known = lock.withLock({ ways[key] }) { return known }
    let way: Way
    if let padding = ProductPadding(task, least: padsFrom), LibraryProduct(padding.model, allowsTF32: key.allowsTF32) != nil {
      way = .padded
    } else if let plan = try plan(of: task) {
      way = .plan(plan)
    } else {
      way = task.finish == nil ? .other : .split
    }
    let old = lock.withLock {
      let old = ways.count >= ProductLibrary.mostWays ? ways : [:]
      if !old.isEmpty { ways = [:] }
      ways[key] = way
      return old
    }
    // Programs are given back here, not under the lock.
    withExtendedLifetime(old) {}
    return way
  }

  private func runPadded(
    _ task: ProductTask, with launcher: Launcher, on stream: GPUStream, for operation: String
  ) throws(TensorError) -> Bool {
    let padding = ProductPadding(task, least: padsFrom)!
    var held: [GPUMemory] = []
    let (before, product, after) = try padding.tasks { (byteCount) throws(TensorError) in
      held.append(try launcher.memory.allocate(byteCount, on: stream, for: operation))
      return UnsafeMutableRawPointer(bitPattern: UInt(held.last!.address))!
    }
    for copy in before { try launcher.run(.task(copy), on: stream, for: operation) }
    // What the library does not do after all is done by our own kernels, as it is.
    let plan = try plan(of: product)
    if let plan {
      try multiply(plan, product, memory: launcher.memory, on: stream, for: operation)
      if let after { try launcher.run(.task(after), on: stream, for: operation) }
    }
    withExtendedLifetime(held) {}
    return plan != nil
  }

  private func multiply(
    _ plan: ProductPlan, _ task: ProductTask, memory: GPUAllocator, on stream: GPUStream, for operation: String
  ) throws(TensorError) {
    let workspace = try memory.allocate(plan.workspaceByteCount, on: stream, for: operation)
    try gpu.enqueue(on: stream, WorkLabel(work: "cublasLtMatmul", operation: operation)) { () throws(TensorError) in
      try plan.run(task, handle, workspace: workspace, on: stream)
    }
    withExtendedLifetime(workspace) {}
  }

  /// Nil for a product that the library does not do.
  private func plan(of task: ProductTask) throws(TensorError) -> ProductPlan? {
    guard let product = LibraryProduct(task, allowsTF32: CUDA.allowTF32) else { return nil }
    return try plan(product, task)
  }

  private func plan(_ product: LibraryProduct, _ task: ProductTask) throws(TensorError) -> ProductPlan? {
    lock.lock()
    defer { lock.unlock() }
    if let known = plans[product] { return known }
    try gpu.makeCurrent()
    let plan = try ProductPlan(product, library)
    let isDone = try plan.choose(handle, for: task)
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
    if product.epilogue != CUBLASLt.Epilogue.none { try set(CUBLASLt.Product.epilogue, product.epilogue) }
    if let finish = product.finish, finish.hasAuxiliary {
      try set(CUBLASLt.Product.auxiliaryLeading, Int64(finish.auxiliaryLeading))
    }
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

  /// The description's pointers.
  private func point(to task: ProductTask) throws(TensorError) {
    func set(_ attribute: Int32, to elements: Elements?) throws(TensorError) {
      if let elements { try self.set(attribute, UInt64(UInt(bitPattern: elements.address))) }
    }
    if product.hasBias { try set(CUBLASLt.Product.biasPointer, to: task.columnSums ?? task.added) }
    if let finish = product.finish, finish.hasAuxiliary {
      try set(CUBLASLt.Product.auxiliaryPointer, to: task.signs ?? task.finish?.elements)
    }
  }

  /// Lets the library choose how to do products like `task`; false if it has no way.
  func choose(_ handle: CUBLASLt.Handle, for task: ProductTask) throws(TensorError) -> Bool {
    try point(to: task)
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
    // What a release of the library does not know of finishes is done after the product.
    if status == CUBLASLt.notSupported || (status == 0 && count == 0) || (status != 0 && product.finish != nil) { return false }
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
    try point(to: task)
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
