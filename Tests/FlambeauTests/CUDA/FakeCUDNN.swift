@testable import Flambeau

/// cuDNN on emulated GPUs (Tests/Emulation/cudnn.cpp), with its own notes.
struct FakeCUDNN: FakeLibrary {
  private static let emulated = EmulatedLibrary("cudnn.cpp", as: "libcudnn.so.9")

  let file: NVIDIALibrary
  let library: CUDNN

  /// What it queues goes to the streams of `driver`.
  init(_ driver: FakeDriver) throws {
    file = try FakeCUDNN.emulated.open()
    library = try CUDNN(file)
    try connect(to: driver)
  }

  /// Convolutions queued, and plans finished, so far.
  var convolutionCount: Int { count("convolutions") }
  var planCount: Int { count("plans") }

  enum Knowledge: Int32 {
    case nothing, everything, fallback
  }

  /// What it is good for from now on.
  func knows(_ knowledge: Knowledge) { tell("knows", knowledge.rawValue) }
}
