import CKernels

extension fb_primitive {
  func kernel(in computeClass: ComputeClass) -> fb_map? { Kernels.map(computeClass, self) }

  func exists(in computeClass: ComputeClass) -> Bool { kernel(in: computeClass) != nil }
}
