import Foundation

@testable import Flambeau

/// Records the calls that the samples of the operator table make of the backend, a few for each distinct kernel.
final class CallRecorder: @unchecked Sendable {
  @TaskLocal private static var current: CallRecorder?

  private static let variantInterval = 12

  private(set) var calls: [RecordedCall] = []
  private(set) var seen = 0
  private var kept: [[String]: Int] = [:]
  private var place = ""
  private var keepsAll = false
  private let device: DeviceShape
  private let perKernel: Int

  init(_ device: DeviceShape, perKernel: Int = 1) {
    self.device = device
    self.perKernel = perKernel
  }

  /// Runs `body` and records the calls it makes; `place` names them. `all`: also those whose kernels are known.
  func record(_ place: String, all: Bool = false, _ body: () -> Void) {
    (self.place, keepsAll) = (place, all)
    CallRecorder.$current.withValue(self, operation: body)
  }

  private static let lock = Lock()
  /// Tests that listen at this time; guarded by the lock.
  nonisolated(unsafe) private static var listenerCount = 0

  /// All recorders hear of their calls while `body` runs, whatever other tests begin or end.
  static func listening<R>(_ body: () throws -> R) rethrows -> R {
    lock.withLock {
      listenerCount += 1
      if listenerCount > 1 { return }
      KernelCall.observe { call, run in
        guard let recorder = CallRecorder.current else { return run() }
        recorder.hear(call, run)
      }
    }
    defer {
      lock.withLock {
        listenerCount -= 1
        if listenerCount == 0 { KernelCall.observe(nil) }
      }
    }
    return try body()
  }

  private func hear(_ call: KernelCall, _ run: () -> Void) {
    seen += 1
    let recorded = RecordedCall(call, place: place, on: device)
    let key = recorded.work.launches.map(\.source.name)
    let isWanted = keepsAll || kept[key, default: 0] < perKernel
    var variants: [RecordedCall] = []
    // Positions of 64 bits, and rows walked from end to end: what only operands too large for a test would ask for.
    var isLargeTask = false
    if case .task = call { isLargeTask = keepsAll }
    if isWanted && (isLargeTask || kept.count % CallRecorder.variantInterval == 0) {
      variants.append(RecordedCall(call, place: place + ", as if large", on: device, wide: true, longestHeld: 1))
    }
    // What runs inside belongs to this call.
    CallRecorder.$current.withValue(nil, operation: run)
    if !isWanted { return }
    kept[key, default: 0] += 1
    for kept in [recorded] + variants {
      kept.keepExpected()
      calls.append(kept)
    }
  }

  /// The kernels of all calls, each once.
  var sources: [KernelSource] {
    var known: Set<KernelSource> = []
    return calls.flatMap { $0.work.launches.map(\.source) }.filter { known.insert($0).inserted }
  }
}
