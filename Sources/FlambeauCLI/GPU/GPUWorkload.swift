import Flambeau

/// Something that is measured on a GPU, as Benchmarks/gpu/torch_workloads.py measures it in torch: same names and shapes.
struct GPUWorkload: Sendable {
  let name: String
  /// The least a call must move through the GPU's memory, and compute.
  let bytes: Double
  let operations: Double
  /// The host's time counts too: calls that do little.
  let isLaunch: Bool
  /// Makes what is timed. Sizes are divided where `small` is true, to try the workload itself.
  let prepare: @Sendable (_ device: Device, _ small: Bool) -> () -> Void

  init(
    _ name: String, bytes: Double = 0, operations: Double = 0, isLaunch: Bool = false,
    _ prepare: @escaping @Sendable (_ device: Device, _ small: Bool) -> () -> Void
  ) {
    (self.name, self.bytes, self.operations, self.isLaunch, self.prepare) = (name, bytes, operations, isLaunch, prepare)
  }

  /// What the second call is made of.
  func profile(on device: Device, small: Bool) -> Profile {
    let call = prepare(device, small)
    call()
    CUDA.synchronize(device)
    return Flambeau.profile(call)
  }

  /// Milliseconds of a call: the median of seven repetitions between events, of so many calls each that they take a tenth of a second.
  func milliseconds(on device: Device, small: Bool) -> Double {
    let call = prepare(device, small)
    for _ in 0..<(small ? 1 : 3) { call() }
    CUDA.synchronize(device)
    let clock = ContinuousClock()
    let once = clock.measure {
      call()
      CUDA.synchronize(device)
    }.seconds
    let count = small ? 1 : Swift.max(1, Swift.min(2000, Int(0.1 / Swift.max(once, 1e-6))))
    let samples = (0..<(small ? 1 : 7)).map { _ -> Double in
      let (start, end) = (CUDA.Event(device, enableTiming: true), CUDA.Event(device, enableTiming: true))
      start.record()
      let host = clock.measure { for _ in 0..<count { call() } }.seconds * 1e3
      end.record()
      end.synchronize()
      return (isLaunch ? host : start.elapsedTime(to: end)) / Double(count)
    }
    return samples.sorted()[samples.count / 2]
  }
}
