import Foundation

@testable import Flambeau

/// Records the calls that the samples of the operator table make of the backend, a few for each distinct kernel.
final class CallRecorder: @unchecked Sendable {
  @TaskLocal private static var current: CallRecorder?

  private(set) var calls: [RecordedCall] = []
  private(set) var seen = 0
  private var kept: [[String]: Int] = [:]
  private var place = ""
  private let device: DeviceShape
  private let perKernel: Int

  init(_ device: DeviceShape, perKernel: Int = 1) {
    self.device = device
    self.perKernel = perKernel
  }

  /// Runs `body` and records the calls it makes; `place` names them.
  func record(_ place: String, _ body: () -> Void) {
    self.place = place
    CallRecorder.$current.withValue(self, operation: body)
  }

  /// All recorders hear of their calls while `body` runs.
  static func listening<R>(_ body: () throws -> R) rethrows -> R {
    KernelCall.observe { call, run in
      guard let recorder = CallRecorder.current else { return run() }
      recorder.hear(call, run)
    }
    defer { KernelCall.observe(nil) }
    return try body()
  }

  private func hear(_ call: KernelCall, _ run: () -> Void) {
    seen += 1
    let recorded = RecordedCall(call, place: place, on: device)
    let key = recorded.work.launches.map(\.source.name)
    let isWanted = kept[key, default: 0] < perKernel
    // What runs inside belongs to this call.
    CallRecorder.$current.withValue(nil, operation: run)
    if !isWanted { return }
    kept[key, default: 0] += 1
    recorded.keepExpected()
    calls.append(recorded)
  }

  /// The kernels of all calls, each once.
  var sources: [KernelSource] {
    var known: Set<KernelSource> = []
    return calls.flatMap { $0.work.launches.map(\.source) }.filter { known.insert($0).inserted }
  }
}
