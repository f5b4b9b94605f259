import Flambeau
import FlambeauData
import FlambeauFormats
import Foundation

extension GPUCheck {
  /// Tensors of a GPU in files, and a data set of them.
  static let files = GPUCheck(name: "files") { request in
    .of { report in
      func hold(_ condition: Bool, _ sentence: String) { if !condition { report.failures.append(sentence) } }
      let numbers = Tensor.arange(60).reshape([20, 3])
      let there = numbers.to(request.device)
      let state: StateDict = ["whole": there, "turned": there.t(), "part": there[3..<7], "half": there.to(.bfloat16)]
      let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(atPath: folder) }
      let endings = ["safetensors", "pt"]
      for ending in endings {
        let read = try Checkpoint.load(try Checkpoint.save(state, to: "\(folder)/state.\(ending)"))
        for (name, tensor) in state {
          hold(read[name]?.isEqual(to: tensor.cpu()) == true, "\(name) comes back as another tensor from a file of \(ending)")
        }
      }
      for (x, y) in DataLoader(TensorDataset(there, there.sum(dim: 1)), batchSize: 8, workers: 1) {
        hold(x.device == request.device && y.device == request.device, "a batch of a GPU's tensors lives elsewhere")
        hold(x.sum(dim: 1).isEqual(to: y), "a batch of a GPU's tensors has other elements")
      }
      report.summary = "checkpoints of \(endings.joined(separator: " and ")), and a loader over tensors of the GPU"
    }
  }
}
