import Flambeau
import FlambeauFormats
import FlambeauModels
import FlambeauNN
import Foundation

extension Workload {
  /// Reading MiniLM's 91 MB, and every element of it once: tensors that lie in a mapped file have cost nothing before that.
  static let files: [Workload] = [loading("load_minilm_safetensors"), loading("load_minilm_pth")]

  private static func loading(_ name: String) -> Workload {
    Workload(name, .milliseconds, 1) {
      let file = TemporaryFile("flambeau-bench.\(name.split(separator: "_").last!)")
      let state = BERT(.miniLM).stateDict()
      try! Checkpoint.save(state, to: file.path)
      return { noGrad { _ = try! Checkpoint.load(file.path).reduce(0) { $0 + $1.value.sum().item() } } }
    }
  }
}

/// A path in the folder for temporary files, at which nothing is left.
private final class TemporaryFile: Sendable {
  let path: String

  init(_ name: String) {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("\(getpid())-\(name)").path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}
