import Foundation
import Synchronization
import Testing

@testable import Flambeau

/// Emulated GPUs as `cuda:0` … `cuda:4` of this process, for tensors to live on. Tests run side by side: one that looks at what is queued,
/// reported or live has a GPU of its own, `cuda:2` (``StreamTests``), `cuda:3` (faults) and `cuda:4` (memory that runs out).
enum EmulatedDevice {
  private struct Machine: Sendable {
    let driver: FakeDriver
    let backends: [GPUBackend]
    let products: FakeCUBLASLt
  }

  private static let machine: Machine? = {
    guard FakeDriver.isPossible else { return nil }
    do {
      let driver = try FakeDriver(gpus: 5)
      let compiler = KernelCompiler.clang { ready.withLock { $0 } }
      let products = try FakeCUBLASLt(driver)
      let backends = try (0..<5).map { index in
        let gpu = try GPU(index, of: driver.driver, isSynchronous: false)
        let library = index == 1 ? try ProductLibrary(of: gpu, products.library) : nil
        return GPUBackend(gpu, compiler: .success(compiler), files: KernelFiles(folder: nil), products: library)
      }
      GPUBackend.use(backends)
      LaunchPlans.areChecked = true
      return Machine(driver: driver, backends: backends, products: products)
    } catch {
      Issue.record("no emulated device: \(error)")
      return nil
    }
  }()

  /// Kernels that need not be compiled one by one.
  private static let ready = Mutex<EmulatedKernels?>(nil)

  /// From now on kernels are looked for among these first.
  static func use(_ kernels: EmulatedKernels) { ready.withLock { $0 = kernels } }

  /// They are there. The first who asks starts them.
  static var isThere: Bool { machine != nil }

  static var driver: FakeDriver { machine!.driver }
  static var backends: [GPUBackend] { machine!.backends }
  /// Multiplies on `cuda:1`.
  static var products: FakeCUBLASLt { machine!.products }
}
