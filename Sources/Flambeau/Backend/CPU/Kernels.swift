import CKernels

/// The kernel table of the instruction set in use: the machine's best, or what `FLAMBEAU_ISA` asks for.
enum Kernels {
}
