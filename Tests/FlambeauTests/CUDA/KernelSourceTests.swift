import CKernels
import Foundation
import Testing

@testable import Flambeau

/// The CUDA sources of all that the operator table's samples ask of the backend, forward and backward, in every dtype and layout:
/// run on emulated threads beside the CPU, and compiled by NVRTC.
@Suite(.serialized) struct KernelSourceTests {
  private static let device = DeviceShape(multiprocessorCount: 2, sharedByteCount: 48 << 10)

  static let recorder: CallRecorder = {
    let recorder = CallRecorder(device)
    let start = Date()
    CallRecorder.listening {
      for (index, entry) in Table.entries.enumerated() {
        for sample in SampleCase.all(entry) {
          recorder.record("\(entry), \(sample.variant)") { run(sample) }
        }
      }
      for large in LargeCall.all { recorder.record(large.name, all: true, large.run) }
      for call in TrainingCalls.all() { recorder.record("training", all: true, call) }
    }
    print("\(recorder.seen) calls of the backend, \(recorder.sources.count) kernels, \(Date().timeIntervalSince(start)) s")
    return recorder
  }()

  /// Of all recorded calls.
  static let kernels = Result { try EmulatedKernels(recorder.sources, alike: true) }

  private static func run(_ sample: SampleCase) {
    _ = try? withTensorErrors {
      let leaves = zip(sample.operands, sample.requiresGrad).map { $0.detach().requiresGrad_($1) }
      let outputs = sample.entry.sample.call(leaves)
      let (tracked, roots) = (leaves.filter(\.requiresGrad), outputs.filter(\.requiresGrad))
      if tracked.isEmpty || roots.isEmpty { return }
      let weights = roots.map { Cotangent.first($0.shape, $0.dtype) }
      _ = Tensor.grad(of: roots, withRespectTo: tracked, gradients: weights, allowUnused: true)
    }
  }

  @Test(.enabled(if: EmulatedKernels.compiler != nil, "no clang++"))
  func everyKernelComputesWhatTheCPUDoes() throws {
    let recorder = Self.recorder
    let places = Set(recorder.calls.map(\.place))
    #expect(places.count > 1000 && LargeCall.all.allSatisfy { places.contains($0.name) })
    var start = Date()
    let kernels = try Self.kernels.get()
    print("clang: \(Date().timeIntervalSince(start)) s")
    start = Date()
    var differences: [String] = []
    for call in recorder.calls {
      if let difference = call.difference(kernels) { differences.append("\(call.place): \(difference)") }
    }
    let tasks = recorder.calls.count { if case .task = $0.call { true } else { false } }
    print("\(recorder.calls.count) calls, \(tasks) of them tasks, on emulated threads: \(Date().timeIntervalSince(start)) s")
    #expect(differences.isEmpty, "\(differences.count) differ:\n\(differences.prefix(40).joined(separator: "\n"))")
  }
}
