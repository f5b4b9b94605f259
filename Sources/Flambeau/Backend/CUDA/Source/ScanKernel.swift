import CKernels

/// Running sums and products as kernels. float32 accumulates in float64.
enum ScanKernel {
  /// See ``Scan/run(_:in:_:dim:isReversed:into:)``.
  static func launch(
    _ kind: Reduction.Kind, in computeClass: ComputeClass, _ input: Elements, dim: Int, isReversed: Bool, into output: Elements,
    on device: DeviceShape, wide: Bool = false
  ) -> KernelLaunch? {
    let total = computeClass == fb_i64 ? "int64_t" : "double"
    let steps = LineKernel.Steps(
      state: "Lanes<\(total)>", fold: kind.kernel.deviceFold,
      read: "return State((\(total))element<C, \(input.dtype.deviceName)>(a.p1, at1 + i * a.step1).v);",
      write: "      put<C, \(output.dtype.deviceName)>(a.p0, at0 + i * a.step0, V((C)total.v));\n")
    return LineKernel(name: "scan", steps: steps, operands: [output, input]).launch(
      along: dim, of: input, in: computeClass, isReversed: isReversed, on: device, wide: wide)
  }
}
