/// What makes machine code of CUDA C.
struct KernelCompiler: Sendable {
  /// Differs wherever the code of one source may: its version, its options, the architecture.
  let identity: String
  let compile: @Sendable (KernelSource) throws(TensorError) -> [UInt8]

  /// NVRTC for a GPU.
  static func nvrtc(_ compiler: NVRTC, for gpu: GPU) throws(TensorError) -> KernelCompiler {
    let architecture = try architecture(
      gpu.properties.capability, known: compiler.architectures, nvrtc: compiler.version, driver: gpu.driver.version)
    let options = KernelSource.options(architecture: architecture)
    return KernelCompiler(identity: "NVRTC \(compiler.version.major).\(compiler.version.minor) \(options.joined(separator: " "))")
    {
      (source) throws(TensorError) in
      try compiler.compile(source.whole, name: source.name, options: options)
    }
  }

  /// What to compile for: machine code where the compiler knows the GPU, else code of the newest older architecture that the driver
  /// translates.
  static func architecture(
    _ capability: CUDAVersion, known: [Int], nvrtc: (major: Int, minor: Int), driver: CUDAVersion
  ) throws(TensorError) -> String {
    if nvrtc.major > driver.major {
      throw TensorError(
        .device,
        "NVRTC \(nvrtc.major).\(nvrtc.minor) makes code that NVIDIA's driver, for CUDA \(driver), does not load: "
          + "`pip install nvidia-cuda-nvrtc-cu\(driver.major)` brings one that fits, or renew the driver")
    }
    let wanted = capability.major * 10 + capability.minor
    if known.contains(wanted) { return "sm_\(wanted)" }
    guard let older = known.last(where: { $0 < wanted }) else {
      throw TensorError(
        .device,
        "NVRTC \(nvrtc.major).\(nvrtc.minor) knows no GPU as old as one of capability \(capability): an older one does")
    }
    return "compute_\(older)"
  }
}
