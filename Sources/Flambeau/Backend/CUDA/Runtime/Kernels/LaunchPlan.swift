import CKernels

/// What launches a call on a GPU, and all others that differ from it in addresses and scalars alone: kernels that are loaded, and arguments
/// that these are written into.
struct LaunchPlan: Sendable {
  private struct Step: Sendable {
    let launch: KernelLaunch
    let kernel: LoadedKernel
    /// The arguments, and where the addresses of operands go.
    let bytes: [UInt8]
    let addresses: [AddressPlace]
  }

  private struct AddressPlace: Sendable {
    let offset: Int
    let operand: Int
    /// From the operand's first element.
    let distance: Int
  }

  private let steps: [Step]
  private let workspaceByteCount: Int
  /// Their identities are part of the key.
  private let programs: [AnyObject & Sendable]

  /// Made for operands that lie nowhere, so that their addresses are found in the arguments.
  init(_ call: KernelCall, _ kernels: KernelLibrary) throws(TensorError) {
    var count = 0
    let model = call.mapOperands { operand in
      defer { count += 1 }
      let place = LaunchPlan.place(count) + Int(UInt(bitPattern: operand.address) % 16)
      return Elements(
        UnsafeMutableRawPointer(bitPattern: place)!, operand.layout.moved(to: 0), operand.dtype, on: operand.device)
    }
    let work = model.work(on: kernels.gpu.properties.shape)
    let starts = model.operands.map { Int(bitPattern: $0.address) }
    steps = try work.launches.map { (launch) throws(TensorError) in
      let kernel = try kernels.kernel(launch.source)
      try kernel.allow(sharedByteCount: launch.sharedByteCount)
      let addresses = launch.arguments.addressOffsets.map { offset in
        let address = launch.arguments.address(at: offset)
        let operand = (address + LaunchPlan.room / 2) / LaunchPlan.room - 1
        return AddressPlace(offset: offset, operand: operand, distance: address - starts[operand])
      }
      return Step(launch: launch, kernel: kernel, bytes: launch.arguments.padded, addresses: addresses)
    }
    workspaceByteCount = work.launches.isEmpty ? KernelWork().workspaceByteCount : work.workspaceByteCount
    programs = call.programs
  }

  /// The bytes between operands that lie nowhere, more than any has.
  private static let room = 1 << 44
  private static func place(_ operand: Int) -> Int { (operand + 1) * room }

  /// Queues the launches for these operands, in the order of the call's.
  func run(
    _ operands: [Elements], _ scalars: Scalars, with launcher: Launcher, on stream: GPUStream, for operation: String
  ) throws(TensorError) {
    let workspace = try launcher.workspace(workspaceByteCount, on: stream, for: operation)
    for step in steps {
      var bytes = step.bytes
      bytes.withUnsafeMutableBytes { bytes in
        for place in step.addresses {
          let address = Int(bitPattern: operands[place.operand].address) + place.distance
          bytes.storeBytes(of: address, toByteOffset: place.offset, as: Int.self)
        }
        step.launch.arguments.write(scalars, into: bytes)
        if let workspace { step.launch.arguments.write(workspace: workspace.address, into: bytes) }
      }
      let label = WorkLabel(work: step.launch.source.name, operation: operation)
      try launcher.launch(step.kernel, step.launch, &bytes, on: stream, label)
    }
    withExtendedLifetime(workspace) {}
  }
}

/// The plans of a GPU: as many as a program uses again and again, all forgotten when they have become too many.
final class LaunchPlans: Sendable {
  private let most: Int
  private let lock = Lock()
  // Guarded by the lock.
  private nonisolated(unsafe) var plans: [LaunchKey: LaunchPlan] = [:]

  init(most: Int = 4096) { self.most = most }

  var count: Int { lock.withLock { plans.count } }

  func plan(
    for call: KernelCall, _ operands: [Elements], make: () throws(TensorError) -> LaunchPlan
  ) throws(TensorError) -> LaunchPlan {
    let key = LaunchKey(call, operands)
    if let plan = lock.withLock({ plans[key] }) { return plan }
    let plan = try make()
    let old = lock.withLock {
      let old = plans.count >= most ? plans : [:]
      if !old.isEmpty { plans = [:] }
      plans[key] = plan
      return old
    }
    // Programs are given back here, not under the lock.
    withExtendedLifetime(old) {}
    return plan
  }
}

/// All that a call's kernels and their arguments depend on, but addresses and scalars.
private struct LaunchKey: Hashable {
  private enum Work: Hashable {
    case map(ObjectIdentifier, inputs: Int)
    case rows(ObjectIdentifier, inputs: Int)
    case reduction(Reduction.Kind, map: ObjectIdentifier?, dims: [Int], finish: ObjectIdentifier?)
    case arg(Reduction.Kind, dim: Int?)
    case scan(Reduction.Kind, dim: Int, isReversed: Bool)
    case task
  }

  private struct Operand: Hashable {
    let dtype: DType
    let alignment: UInt8
    let elementCount: Int
    let shape: Shape
    let strides: Shape

    init(_ operand: Elements) {
      dtype = operand.dtype
      alignment = UInt8(UInt(bitPattern: operand.address) % 16)
      (elementCount, shape, strides) = (operand.layout.elementCount, operand.layout.shape, operand.layout.strides)
    }

    // Few numbers tell most layouts apart.
    func hash(into hasher: inout Hasher) {
      hasher.combine(elementCount << 8 | Int(dtype.rawValue) << 4 | Int(alignment))
      if let last = strides.last { hasher.combine(last) }
    }
  }

  private let work: Work
  private let computeClass: UInt32
  private let operands: [Operand]

  init(_ call: KernelCall, _ operands: [Elements]) {
    self.operands = operands.map(Operand.init)
    switch call {
    case .map(let program, let computeClass, let inputs, _, _):
      (work, self.computeClass) = (.map(ObjectIdentifier(program), inputs: inputs.count), computeClass.rawValue)
    case .rows(let program, let computeClass, let inputs, _, _):
      (work, self.computeClass) = (.rows(ObjectIdentifier(program), inputs: inputs.count), computeClass.rawValue)
    case .reduction(let kind, let computeClass, _, let map, let dims, _, let finish, _):
      work = .reduction(kind, map: map.map(ObjectIdentifier.init), dims: dims, finish: finish.map(ObjectIdentifier.init))
      self.computeClass = computeClass.rawValue
    case .arg(let kind, let computeClass, _, let dim, _):
      (work, self.computeClass) = (.arg(kind, dim: dim), computeClass.rawValue)
    case .scan(let kind, let computeClass, _, let dim, let isReversed, _):
      (work, self.computeClass) = (.scan(kind, dim: dim, isReversed: isReversed), computeClass.rawValue)
    case .task: (work, computeClass) = (.task, 0)
    }
  }
}

extension KernelCall {
  /// What it runs.
  fileprivate var programs: [AnyObject & Sendable] {
    switch self {
    case .map(let program, _, _, _, _): [program]
    case .rows(let program, _, _, _, _): [program]
    case .reduction(_, _, _, let map, _, _, let finish, _): [map, finish].compactMap { $0 }
    case .arg, .scan, .task: []
    }
  }

  /// The numbers its programs read.
  var scalars: Scalars {
    switch self {
    case .map(_, _, _, let scalars, _), .rows(_, _, _, let scalars, _), .reduction(_, _, _, _, _, let scalars, _, _): scalars
    case .arg, .scan, .task: Scalars()
    }
  }
}
