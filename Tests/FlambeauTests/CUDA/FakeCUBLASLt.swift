@testable import Flambeau

/// cuBLASLt on emulated GPUs (Tests/Emulation/cublaslt.cpp), with its own notes.
struct FakeCUBLASLt: FakeLibrary {
  private static let emulated = EmulatedLibrary("cublaslt.cpp", as: "libcublasLt.so")

  let file: NVIDIALibrary
  let library: CUBLASLt

  /// What it queues goes to the streams of `driver`.
  init(_ driver: FakeDriver) throws {
    file = try FakeCUBLASLt.emulated.open()
    library = try CUBLASLt(file)
    try connect(to: driver)
  }

  /// Products queued so far.
  var productCount: Int { count("products") }
  /// What addresses of matrices and distances of their rows were multiples of, in bytes.
  var leastAlignment: Int { count("least_alignment") }

  /// From now on products are known how to do, or none.
  func knows(_ knows: Bool) { tell("knows", knows ? 1 : 0) }

  /// From now on it does no activations besides products.
  func knowsNoActivations() { tell("knows", 2) }

  /// What the last product did to its sums: NVIDIA's `cublasLtEpilogue_t`.
  var lastEpilogue: Int { count("last_epilogue") }

  /// What any product did.
  var epilogues: Set<Int> { Set((0..<256).filter { answer("has_used", Int32($0)) != 0 }) }
}
