import Flambeau
import FlambeauData

extension GPUCheck {
  /// Copies from and to pinned memory that nobody waits for, and a loader that makes batches there.
  static let pinned = GPUCheck(name: "pinned") { device, isBrief in
    .of { report in
      func hold(_ condition: Bool, _ sentence: String) { if !condition { report.failures.append(sentence) } }
      let count = isBrief ? 1 << 10 : 1 << 22
      let stream = CUDA.Stream.current(device)
      let rounds = 8
      for round in 0..<rounds {
        // Memory that is let go of here is nobody else's before the copy out of it has run.
        let there = Tensor.full([count], Double(round)).pinMemory().to(device, nonBlocking: true)
        let other = Tensor.full([count], -1.0).pinMemory()
        let back = (there + 1).to(.cpu, nonBlocking: true)
        hold(other.isPinned && back.isPinned, "a tensor is not pinned")
        stream.synchronize()
        hold(back.isEqual(to: .full([count], Double(round + 1))), "round \(round) brings other elements back")
      }
      let waited = Tensor.arange(count).pinMemory()
      let copy = waited.to(device)
      waited.fill_(7)
      hold(copy.cpu().isEqual(to: .arange(count)), "a copy that is waited for has not been made")
      let data = TensorDataset(Tensor.arange(60).reshape([20, 3]), Tensor.arange(20))
      for (x, y) in DataLoader(data, batchSize: 4, workers: 2, pinMemory: true) {
        hold(x.isPinned && y.isPinned, "a batch is not pinned")
        let (there, label) = (x.to(device, nonBlocking: true), y.to(device, nonBlocking: true))
        hold((there.select(dim: 1, index: 0) - label * 3).abs().sum().item() == 0, "a batch arrives with other elements")
      }
      report.summary = "\(rounds) copies in both directions, and batches of a loader"
    }
  }
}
