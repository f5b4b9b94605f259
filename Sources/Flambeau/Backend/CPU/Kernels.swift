import CKernels

enum Kernels {
  nonisolated(unsafe) static let table: UnsafePointer<fb_table> = fb_kernels(fb_best_isa())!
}
