/// How cuDNN does a convolution: of the ways it knows, the fastest first, the first that can be had.
final class ConvolutionPlan: Sendable {
  private let library: CUDNN
  private let execution: CUDNNDescriptor
  let workspaceByteCount: Int
  /// Configurations of engines that come after this one's.
  private let others: ArraySlice<CUDNNDescriptor>
  private let limits: Limits

  /// What a way may need, and do.
  struct Limits {
    let workspaceByteCount: Int
    /// Operands are not rounded: no tensor cores for float32.
    let isExact: Bool
  }

  /// Nil if the library has no way.
  convenience init?(
    _ convolution: LibraryConvolution, _ library: CUDNN, _ handle: CUDNN.Handle, mostWorkspace: Int
  ) throws(TensorError) {
    guard let graph = try ConvolutionPlan.graph(convolution, library, handle) else { return nil }
    var ways: [CUDNNDescriptor] = []
    for mode in CUDNN.HeuristicMode.allCases {
      let heuristic = try CUDNNDescriptor(.heuristic, of: library)
      try heuristic.set(.heuristicGraph, to: graph)
      try heuristic.set(.heuristicMode, .heuristicMode, mode.rawValue)
      if heuristic.finish() { ways += try heuristic.descriptors(.heuristicResults, .configuration) }
    }
    let isExact = convolution.dtype == .float32 && !convolution.allowsTF32
    try self.init(first: ways[...], library, handle, Limits(workspaceByteCount: mostWorkspace, isExact: isExact))
  }

  /// The first of `ways` that can be had.
  private init?(
    first ways: ArraySlice<CUDNNDescriptor>, _ library: CUDNN, _ handle: CUDNN.Handle, _ limits: Limits
  ) throws(TensorError) {
    for (i, way) in zip(ways.indices, ways) where try ConvolutionPlan.allows(way, limits) {
      let execution = try CUDNNDescriptor(.plan, of: library)
      try execution.set(.planHandle, .handle, handle)
      try execution.set(.planConfiguration, to: way)
      guard execution.finish(), let size = execution.values(.planWorkspaceByteCount, .int64, most: 1, 0 as Int64).first,
        size <= limits.workspaceByteCount
      else { continue }
      (self.library, self.execution, workspaceByteCount) = (library, execution, Int(size))
      (others, self.limits) = (ways[(i + 1)...], limits)
      return
    }
    return nil
  }

  /// The next way that can be had.
  func next(_ handle: CUDNN.Handle) throws(TensorError) -> ConvolutionPlan? {
    try ConvolutionPlan(first: others, library, handle, limits)
  }

  private static func allows(_ way: CUDNNDescriptor, _ limits: Limits) throws(TensorError) -> Bool {
    guard let engine = try way.descriptors(.configurationEngine, .engine, most: 1).first else { return false }
    let notes = engine.values(.engineNotes, .numericalNote, most: 16, -1 as Int32).compactMap(CUDNN.Note.init)
    return !notes.contains(.roundsOperands) && !(limits.isExact && notes.contains(.tensorCores))
  }

  /// Queues it to the handle's stream; how that went.
  func run(_ task: ConvolutionTask, _ handle: CUDNN.Handle, workspace: Driver.Address) throws(TensorError) -> CUDNN.Status {
    // Each call has a pack of its own: a finished description takes no other addresses.
    let pack = try CUDNNDescriptor(.variantPack, of: library)
    let tensors = [task.input, task.weight, task.output]
    try pack.set(CUDNN.Attribute.packIDs.rawValue, .int64, tensors.indices.map(ConvolutionPlan.id))
    try pack.set(CUDNN.Attribute.packPointers.rawValue, .pointer, tensors.map { UInt(bitPattern: $0.address) })
    try pack.set(.packWorkspace, .pointer, workspace)
    try library.check(library.finalize(pack.handle), "cudnnBackendFinalize")
    return library.execute(handle, execution.handle, pack.handle)
  }

  private static func id(_ tensor: Int) -> Int64 { Int64(tensor + 1) }

  // MARK: Descriptions

  /// A graph of the convolution alone; nil if the library refuses it.
  private static func graph(
    _ convolution: LibraryConvolution, _ library: CUDNN, _ handle: CUDNN.Handle
  ) throws(TensorError) -> CUDNNDescriptor? {
    let (kind, names): (CUDNNDescriptor.Kind, CUDNN.Operation) =
      switch convolution.direction {
      case .forward: (.forward, .forward)
      case .inputGradient: (.inputGradient, .inputGradient)
      case .weightGradient: (.weightGradient, .weightGradient)
      }
    let operation = try CUDNNDescriptor(kind, of: library)
    guard let windows = try windows(convolution, library) else { return nil }
    try operation.set(names.convolution, to: windows)
    for (i, name) in [names.input, names.weight, names.output].enumerated() {
      guard let tensor = try tensor(i, convolution, library) else { return nil }
      try operation.set(name, to: tensor)
    }
    if convolution.dtype == .float64 {
      try operation.set(names.alpha, .double, [1.0])
      try operation.set(names.beta, .double, [0.0])
    } else {
      try operation.set(names.alpha, .float, [1 as Float])
      try operation.set(names.beta, .float, [0 as Float])
    }
    let graph = try CUDNNDescriptor(.graph, of: library)
    guard operation.finish() else { return nil }
    try graph.set(.graphHandle, .handle, handle)
    try graph.set(.graphOperations, to: operation)
    return graph.finish() ? graph : nil
  }

  private static func windows(_ convolution: LibraryConvolution, _ library: CUDNN) throws(TensorError) -> CUDNNDescriptor? {
    let g = convolution.geometry
    let windows = try CUDNNDescriptor(.convolution, of: library)
    try windows.set(.convolutionComputeType, .dataType, CUDNN.type(convolution.dtype.computeClass.dtype)!)
    try windows.set(.convolutionMode, .convolutionMode, CUDNN.crossCorrelation)
    try windows.set(.convolutionSpatialRank, .int64, 2 as Int64)
    for (attribute, size) in [
      (.convolutionDilations, g.dilation), (.convolutionStrides, g.stride), (.convolutionPaddingBefore, g.padding),
      (.convolutionPaddingAfter, g.padding),
    ] as [(CUDNN.Attribute, Size2D)] {
      try windows.set(attribute, .int64, Int64(size.height), Int64(size.width))
    }
    return windows.finish() ? windows : nil
  }

  private static func tensor(
    _ i: Int, _ convolution: LibraryConvolution, _ library: CUDNN
  ) throws(TensorError) -> CUDNNDescriptor? {
    let (sizes, strides) = convolution.tensors[i]
    let tensor = try CUDNNDescriptor(.tensor, of: library)
    try tensor.set(.tensorID, .int64, id(i))
    try tensor.set(.tensorDataType, .dataType, CUDNN.type(convolution.dtype)!)
    try tensor.set(.tensorAlignment, .int64, Int64(convolution.alignments[i]))
    try tensor.set(CUDNN.Attribute.tensorSizes.rawValue, .int64, sizes.map(Int64.init))
    try tensor.set(CUDNN.Attribute.tensorStrides.rawValue, .int64, strides.map(Int64.init))
    return tensor.finish() ? tensor : nil
  }
}
