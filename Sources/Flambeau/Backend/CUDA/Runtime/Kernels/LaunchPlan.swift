import CKernels

/// What launches a call on a GPU, and all others that differ from it in addresses and numbers alone: kernels that are loaded, and arguments
/// that these are written into.
final class LaunchPlan: Sendable {
  /// In memory of its own, so that a launch retains and copies no more than it writes.
  private final class Step: Sendable {
    let name: String
    let kernel: LoadedKernel
    let shape: LaunchShape
    let fault: KernelFault?
    /// The arguments, and how they are written; each launch writes into a copy.
    nonisolated(unsafe) let bytes: UnsafeMutableRawBufferPointer
    nonisolated(unsafe) let addresses: UnsafeMutableBufferPointer<AddressPlace>
    nonisolated(unsafe) let numbers: UnsafeMutableBufferPointer<KernelArguments.NumberPlace>
    /// For what is written seldom.
    let arguments: KernelArguments

    init(_ launch: KernelLaunch, _ kernel: LoadedKernel, _ addresses: [AddressPlace]) {
      (name, self.kernel, shape, arguments) = (launch.source.name, kernel, launch.shape, launch.arguments)
      fault = arguments.report?.fault
      let padded = arguments.padded
      bytes = .allocate(byteCount: padded.count, alignment: 16)
      bytes.copyBytes(from: padded)
      self.addresses = .allocate(capacity: addresses.count)
      _ = self.addresses.initialize(from: addresses)
      numbers = .allocate(capacity: arguments.numberPlaces.count)
      _ = numbers.initialize(from: arguments.numberPlaces)
    }

    deinit {
      bytes.deallocate()
      addresses.deallocate()
      numbers.deallocate()
    }
  }

  private struct AddressPlace {
    let offset: Int
    let operand: Int
    /// From the operand's first element.
    let distance: Int
  }

  private let steps: [Step]
  private let workspaceByteCount: Int

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
    // A task may list its operands in another order than it maps them in.
    let starts = model.operands.map { Int(bitPattern: $0.address) }
    let operandAtPlace = Dictionary(starts.enumerated().map { (LaunchPlan.number($1), $0) }) { first, _ in first }
    steps = try work.launches.map { (launch) throws(TensorError) in
      let kernel = try kernels.kernel(launch.source)
      try kernel.allow(sharedByteCount: launch.sharedByteCount)
      let addresses = launch.arguments.addressOffsets.map { offset in
        let address = launch.arguments.address(at: offset)
        let operand = operandAtPlace[LaunchPlan.number(address)]!
        return AddressPlace(offset: offset, operand: operand, distance: address - starts[operand])
      }
      return Step(launch, kernel, addresses)
    }
    workspaceByteCount = work.launches.isEmpty ? KernelWork().workspaceByteCount : work.workspaceByteCount
  }

  /// The bytes between operands that lie nowhere, more than any has.
  private static let room = 1 << 44
  private static func place(_ operand: Int) -> Int { (operand + 1) * room }
  /// Whose place an address is nearest to.
  private static func number(_ address: Int) -> Int { (address + room / 2) / room - 1 }

  /// Queues the launches of a call like the one it was made for.
  func run(
    _ call: KernelCall, _ operands: [Elements], with launcher: Launcher, on stream: GPUStream, for operation: String
  ) throws(TensorError) {
    let numbers = call.numbers
    try run(
      { Int(bitPattern: operands[$0].address) }, { numbers[$0] }, with: launcher, on: stream, for: operation, model: call)
  }

  /// The same of a call whose operands have these addresses, and whose numbers are these.
  @inline(__always)
  func run(
    _ address: (_ operand: Int) -> Int, _ number: (_ place: Int) -> Number, with launcher: Launcher, on stream: GPUStream,
    for operation: String, model call: @autoclosure () -> KernelCall
  ) throws(TensorError) {
    let workspace = try launcher.workspace(workspaceByteCount, on: stream, for: operation)
    for step in steps {
      let label = WorkLabel(work: step.name, operation: operation)
      let fault = try launcher.cell(for: step.fault, label)
      try withUnsafeTemporaryAllocation(byteCount: step.bytes.count, alignment: 16) { (bytes) throws(TensorError) in
        bytes.copyMemory(from: UnsafeRawBufferPointer(step.bytes))
        for place in step.addresses {
          bytes.storeBytes(of: address(place.operand) + place.distance, toByteOffset: place.offset, as: Int.self)
        }
        for place in step.numbers { place.write(number(place.place), into: bytes) }
        if let workspace { step.arguments.write(workspace: workspace.address, into: bytes) }
        if let fault { step.arguments.write(fault, into: bytes) }
        #if DEBUG
          if LaunchPlans.areChecked { check(step, bytes, call(), workspace?.address ?? 0, fault, launcher) }
        #endif
        try launcher.launch(step.kernel, step.shape, bytes, on: stream, label)
      }
    }
    withExtendedLifetime(workspace) {}
  }

  #if DEBUG
    /// A launch is what the call would be launched by without a plan.
    private func check(
      _ step: Step, _ bytes: UnsafeMutableRawBufferPointer, _ call: KernelCall, _ workspace: UInt64,
      _ fault: KernelFaults.Cell?, _ launcher: Launcher
    ) {
      let work = call.work(on: launcher.kernels.gpu.properties.shape)
      precondition(work.launches.count == steps.count, "a kept plan has other launches than \(call)")
      let fresh = work.launches[steps.firstIndex { $0 === step }!]
      precondition(
        step.name == fresh.source.name && step.shape == fresh.shape, "a kept plan has another kernel than \(call)")
      precondition(
        fresh.arguments.bytes(workspace: workspace, fault: fault).elementsEqual(bytes),
        "a kept plan has other arguments for \(fresh.source.name) than \(call)")
      precondition(work.launches.isEmpty || work.workspaceByteCount == workspaceByteCount, "a kept plan has another workspace")
    }
  #endif
}

/// What a call's arguments take by place.
enum CallNumbers {
  case scalars(Scalars)
  case list([Number])

  @inline(__always)
  subscript(place: Int) -> Number {
    switch self {
    case .scalars(let scalars): scalars[place]
    case .list(let numbers): numbers[place]
    }
  }
}

extension KernelCall {
  /// The numbers its programs read, or its task's.
  var numbers: CallNumbers {
    switch self {
    case .map(_, _, _, let scalars, _), .rows(_, _, _, let scalars, _), .reduction(_, _, _, _, _, let scalars, _, _):
      .scalars(scalars)
    case .arg, .scan: .list([])
    case .task(let task): .list(task.numbers)
    }
  }
}
