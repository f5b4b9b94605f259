import Foundation
import Testing

@testable import Flambeau

/// cuDNN on emulated GPUs (Tests/Emulation/cudnn.cpp), with its own notes.
final class FakeCUDNN: Sendable {
  let library: CUDNN
  private typealias Count = @convention(c) () -> Int
  private let counting: (convolutions: Count, plans: Count, objects: Count, misuses: Count)
  private let misuse: @convention(c) (Int) -> UnsafePointer<CChar>
  private let failing: @convention(c) (Int32) -> Void
  private let knowing: @convention(c) (Int32) -> Void

  private static let code: Data? = {
    do {
      return try EmulatedKernels.withFolder { folder in
        let text = try String(contentsOfFile: Torch.root + "/Tests/Emulation/cudnn.cpp", encoding: .utf8)
        return try Data(contentsOf: EmulatedKernels.compile(text, in: folder, "-O1", "-Wall", "-Werror"))
      }
    } catch {
      Issue.record("the emulated cuDNN does not compile: \(error)")
      return nil
    }
  }()

  /// What it queues goes to the streams of `driver`.
  init(_ driver: FakeDriver) throws {
    let code = try #require(FakeCUDNN.code)
    let file = try EmulatedKernels.withFolder { folder in
      let file = folder.appendingPathComponent("libcudnn.so.9")
      try code.write(to: file)
      return try NVIDIALibrary.open(file: file.path)
    }
    let enqueue: UInt = try driver.library.function("fake_enqueue")
    let connect: @convention(c) (UInt) -> Void = try file.function("fake_connect")
    connect(enqueue)
    counting = (
      try file.function("fake_convolutions"), try file.function("fake_plans"), try file.function("fake_live_objects"),
      try file.function("fake_misuse_count")
    )
    misuse = try file.function("fake_misuse")
    failing = try file.function("fake_fail")
    knowing = try file.function("fake_knows")
    library = try CUDNN(file)
  }

  /// Convolutions queued, and plans finished, so far.
  var convolutionCount: Int { counting.convolutions() }
  var planCount: Int { counting.plans() }
  var liveObjectCount: Int { counting.objects() }
  var misuses: [String] { (0..<counting.misuses()).map { String(cString: misuse($0)) } }

  /// The next convolution fails.
  func fail(_ status: Int32) { failing(status) }

  enum Knowledge: Int32 {
    case nothing, everything, fallback
  }

  /// What it is good for from now on.
  func knows(_ knowledge: Knowledge) { knowing(knowledge.rawValue) }
}
