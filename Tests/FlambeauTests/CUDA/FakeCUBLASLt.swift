import Foundation
import Testing

@testable import Flambeau

/// cuBLASLt on emulated GPUs (Tests/Emulation/cublaslt.cpp), with its own notes.
final class FakeCUBLASLt: Sendable {
  let library: CUBLASLt
  private typealias Count = @convention(c) () -> Int
  private let counting:
    (
      products: Count, objects: Count, misuses: Count, leastAlignment: Count, epilogue: Count,
      hasUsed: @convention(c) (Int32) -> Int32
    )
  private let misuse: @convention(c) (Int) -> UnsafePointer<CChar>
  private let failing: @convention(c) (Int32) -> Void
  private let knowing: (products: @convention(c) (Int32) -> Void, activations: @convention(c) (Int32) -> Void)

  private static let code: Data? = {
    do {
      return try EmulatedKernels.withFolder { folder in
        let text = try String(contentsOfFile: Torch.root + "/Tests/Emulation/cublaslt.cpp", encoding: .utf8)
        return try Data(contentsOf: EmulatedKernels.compile(text, in: folder, "-O1", "-Wall", "-Werror", "-frtti"))
      }
    } catch {
      Issue.record("the emulated cuBLASLt does not compile: \(error)")
      return nil
    }
  }()

  /// What it queues goes to the streams of `driver`.
  init(_ driver: FakeDriver) throws {
    let code = try #require(FakeCUBLASLt.code)
    let file = try EmulatedKernels.withFolder { folder in
      let file = folder.appendingPathComponent("libcublasLt.so")
      try code.write(to: file)
      return try NVIDIALibrary.open(file: file.path)
    }
    let enqueue: UInt = try driver.library.function("fake_enqueue")
    let connect: @convention(c) (UInt) -> Void = try file.function("fake_connect")
    connect(enqueue)
    counting = (
      try file.function("fake_products"), try file.function("fake_live_objects"), try file.function("fake_misuse_count"),
      try file.function("fake_least_alignment"), try file.function("fake_epilogue"),
      try file.function("fake_has_used")
    )
    misuse = try file.function("fake_misuse")
    failing = try file.function("fake_fail")
    knowing = (try file.function("fake_knows"), try file.function("fake_knows_activations"))
    library = try CUBLASLt(file)
  }

  /// Products queued so far.
  var productCount: Int { counting.products() }
  /// What addresses of matrices and distances of their rows were multiples of, in bytes.
  var leastAlignment: Int { counting.leastAlignment() }
  var liveObjectCount: Int { counting.objects() }
  var misuses: [String] { (0..<counting.misuses()).map { String(cString: misuse($0)) } }

  /// The next product fails.
  func fail(_ status: Int32) { failing(status) }

  /// From now on products are known how to do, or none.
  func knows(_ knows: Bool) { knowing.products(knows ? 1 : 0) }

  /// From now on it does activations besides products, or leaves them to others.
  func knowsActivations(_ knows: Bool) { knowing.activations(knows ? 1 : 0) }

  /// What the last product did to its sums: NVIDIA's `cublasLtEpilogue_t`.
  var lastEpilogue: Int { counting.epilogue() }
  /// What any product did.
  var epilogues: Set<Int> { Set((0..<256).filter { counting.hasUsed(Int32($0)) != 0 }) }
}
