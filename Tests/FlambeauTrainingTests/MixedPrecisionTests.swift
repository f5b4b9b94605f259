import Flambeau
import FlambeauData
import FlambeauFormats
import FlambeauModels
import FlambeauNN
import FlambeauTraining
import Foundation
import TestSupport
import Testing

/// Trains three networks in float32 and under `autocast`, from the same numbers: slow, because what mixed precision promises is that
/// whole trainings end where they would have ended.
@Suite(.serialized) struct MixedPrecisionTests {
  enum Precision: CaseIterable { case float32, bfloat16, float16 }

  /// The mean loss of the last fifth of the steps.
  private static func loss(
    _ precision: Precision, _ model: any Layer, lr: Double, steps: Int, batch: (Int) -> (x: Tensor, y: Tensor)
  ) -> Double {
    let optimizer = AdamW(model.parameters(), lr: lr)
    let scaler = GradScaler(enabled: precision == .float16)
    var last = Mean()
    for step in 0..<steps {
      let (x, y) = batch(step)
      optimizer.zeroGrad()
      let loss = autocast(precision == .float16 ? .float16 : .bfloat16, enabled: precision != .float32) {
        let logits = model(x)
        return logits.reshape([-1, logits.shape[-1]]).crossEntropy(y.reshape([-1]))
      }
      scaler.scale(loss).backward()
      scaler.step(optimizer)
      scaler.update()
      if step >= steps * 4 / 5 { last.update(loss.item()) }
    }
    #expect(model.parameters().allSatisfy { $0.dtype == .float32 && $0.grad?.dtype == .float32 })
    return last.compute()
  }

  private func endsWhereFloat32Does(
    _ make: () -> any Layer, lr: Double, steps: Int, batch: (Int) -> (x: Tensor, y: Tensor)
  ) {
    // One training alone ends per cent away from another one that rounds as well, such as by Winograd's convolutions.
    let losses = Precision.allCases.map { precision in
      var mean = Mean()
      for seed in 3..<9 {
        mean.update(withGenerator(Generator(seed: seed)) { Self.loss(precision, make(), lr: lr, steps: steps, batch: batch) })
      }
      return mean.compute()
    }
    print("mixed precision: \(losses)")
    #expect(losses[1] <= 1.02 * losses[0], "bfloat16: \(losses)")
    #expect(losses[2] <= 1.02 * losses[0], "float16: \(losses)")
  }

  private func digits(_ step: Int) -> (x: Tensor, y: Tensor) {
    let order = Tensor.randperm(Digits.train.count, generator: Generator(seed: UInt64(step)))
    let (images, labels) = try! Digits.train.batch(
      at: order.narrow(0, start: 0, length: 64).array(of: Int64.self).map { Int($0) })!
    return (images.to(.float32) / Double(Digits.whitest), labels)
  }

  @Test func anMLP() {
    endsWhereFloat32Does(
      { Sequential(Flatten(), Linear(64, 64), ReLU(), Linear(64, 64), GELU(), Linear(64, 10)) }, lr: 2e-3, steps: 200,
      batch: digits)
  }

  @Test func aConvolutionalNetwork() {
    endsWhereFloat32Does(
      {
        Sequential(
          Conv2d(1, 16, 3, padding: 1), BatchNorm2d(16), ReLU(), Conv2d(16, 32, 3, padding: 1), BatchNorm2d(32), ReLU(),
          MaxPool2d(2), Flatten(), Linear(512, 64), ReLU(), Linear(64, 10))
      }, lr: 1e-3, steps: 150, batch: digits)
  }

  @Test func aCharacterGPT() throws {
    let readme = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../README.md")
    let bytes = Array(try Data(contentsOf: readme)).map { Int64($0 % 128) }
    let text = Tensor(bytes, shape: [bytes.count])
    endsWhereFloat32Does(
      { GPT2(GPT2.Config(vocabSize: 128, nPositions: 64, nEmbd: 64, nLayer: 2, nHead: 4, dropout: 0)) }, lr: 2e-3, steps: 200
    ) { step in
      let starts = Tensor.randint(0, bytes.count - 65, [16], generator: Generator(seed: UInt64(step))).array(of: Int64.self).map {
        Int($0)
      }
      func windows(_ offset: Int) -> Tensor { .stack(starts.map { text.narrow(0, start: $0 + offset, length: 64) }) }
      return (windows(0), windows(1))
    }
  }

  @Test(.enabled(if: Python.hasTorch)) func scalersMoveBetweenTorchAndHere() throws {
    try withFolder { folder in
      let scaler = GradScaler(initScale: 1024, growthFactor: 3, backoffFactor: 0.25, growthInterval: 5)
      let weight = Parameter(.ones([2]))
      let optimizer = SGD([weight], lr: 0.1)
      for _ in 0..<3 {
        scaler.scale(weight.tensor.sum()).backward()
        scaler.step(optimizer)
        scaler.update()
      }
      let file = try Checkpointer(folder, ["scaler": .scaler(scaler)]).save(step: 1, metadata: 0)
      struct Answer: Decodable {
        let state: [String: Double]
        let after: Double
      }
      let answer: Answer = try Python.ask(
        """
        import torch
        saved = torch.load(data["file"])
        scaler = torch.amp.GradScaler("cpu")
        scaler.load_state_dict(saved["scaler"])
        state = dict(scaler.state_dict())
        weight = torch.nn.Parameter(torch.ones(2))
        optimizer = torch.optim.SGD([weight], lr=0.1)
        for _ in range(2):
            scaler.scale(weight.sum()).backward()
            scaler.step(optimizer)
            scaler.update()
        saved["scaler"] = scaler.state_dict()
        torch.save(saved, data["file"])
        print(json.dumps({"state": state, "after": scaler.get_scale()}))
        """, ["file": file])
      #expect(answer.state == scaler.stateDict() && scaler.stateDict()["_growth_tracker"] == 3)
      let other = GradScaler()
      #expect(try Checkpointer(folder, ["scaler": .scaler(other)]).resume(as: Int.self) != nil)
      #expect(other.getScale() == 3072 && answer.after == 3072)
      #expect(
        other.stateDict()
          == ["scale": 3072, "growth_factor": 3, "backoff_factor": 0.25, "growth_interval": 5, "_growth_tracker": 0])
    }
  }
}
