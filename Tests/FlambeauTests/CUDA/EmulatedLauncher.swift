@testable import Flambeau

extension KernelCompiler {
  /// clang in NVRTC's place; what is among `ready` need not be compiled.
  static func clang(ready: @escaping @Sendable () -> EmulatedKernels? = { nil }) -> KernelCompiler {
    KernelCompiler(identity: "clang") { (source) throws(TensorError) in
      if let ready = ready(), ready.contains(source) { return Array(ready.path.utf8) + [0] }
      do { return try EmulatedKernels.code(of: source) } catch { throw .argument("\(error)") }
    }
  }
}

extension KernelLibrary {
  /// Emulated kernels, nothing of which is kept on the disk.
  convenience init(emulatedOn gpu: GPU, compiler: KernelCompiler = .clang()) {
    self.init(of: gpu, compiler: compiler, files: KernelFiles(folder: nil))
  }
}
