import CKernels

extension KernelCall {
  /// The launches that do on a GPU what the call does on the CPU. `wide`: as if positions needed 64 bits; `longestHeld`: the longest
  /// row that threads hold in registers.
  func work(on device: DeviceShape, wide: Bool = false, longestHeld: Int = 8192) -> KernelWork {
    var work = KernelWork()
    append(to: &work, on: device, wide: wide, longestHeld: longestHeld)
    return work
  }

  /// Appends them to others.
  func append(to work: inout KernelWork, on device: DeviceShape, wide: Bool = false, longestHeld: Int = 8192) {
    switch self {
    case .map(let program, let computeClass, let inputs, let scalars, let outputs):
      let launch = MapKernel.launch(
        program, in: computeClass, inputs: inputs, scalars: scalars, into: outputs, on: device, wide: wide)
      if let launch { work.launches.append(launch) }
    case .rows(let program, let computeClass, let inputs, let scalars, let outputs):
      RowKernel.append(
        to: &work, program, in: computeClass, inputs: inputs, scalars: scalars, into: outputs, on: device,
        longestHeld: longestHeld)
    case .reduction(let kind, let computeClass, let inputs, let map, let dims, let scalars, let finish, let output):
      ReductionKernel.append(
        to: &work, .value(kind.kernel, finish: finish), in: computeClass, inputs, map: map, dims: dims, scalars: scalars,
        into: output, on: device, wide: wide)
    case .arg(let kind, let computeClass, let input, let dim, let output):
      let dims = dim.map { [$0] } ?? Array(0..<input.layout.rank)
      ReductionKernel.append(
        to: &work, .place(largest: kind == .max), in: computeClass, [input], dims: dims, into: output, on: device, wide: wide)
    case .scan(let kind, let computeClass, let input, let dim, let isReversed, let output):
      let launch = ScanKernel.launch(
        kind, in: computeClass, input, dim: dim, isReversed: isReversed, into: output, on: device, wide: wide)
      if let launch { work.launches.append(launch) }
    case .task(let task): task.append(to: &work, on: device, wide: wide)
    }
  }
}
