import Flambeau
import FlambeauFormats
import FlambeauNN
import Foundation
import Testing

@testable import FlambeauModels

/// Whole trainings beside torch's: the same weights, batches, schedule and optimizer give the same losses, step by step.
///
/// FLAMBEAU_SAME_STEPS=100 trains for so many steps; by default a few, which take most of this module's time, but nothing else
/// sees forward, backward, clipping, optimizer and schedule work together on networks of a real size.
@Suite(.enabled(if: Torch.isThere), .serialized) struct SameTrainingTests {
  private static let steps = ProcessInfo.processInfo.environment["FLAMBEAU_SAME_STEPS"].flatMap(Int.init)

  /// nanoGPT's "baby GPT" on tinyshakespeare, with its rates, weight decay and clipping.
  @Test func babyGPT() throws {
    guard let text = Torch.shared("data/tinyshakespeare.txt") else { return }
    let steps = Self.steps ?? 6
    try Torch.asking("same_training.py", ["gpt", text, "\(steps)"]) { answer in
      let found = try answer.tensors("results.safetensors")
      let model = GPT2(
        GPT2.Config(
          vocabSize: 65, nPositions: 256, nEmbd: 384, nLayer: 6, nHead: 6, dropout: 0, bias: false, gelu: .none))
      try model.loadStateDict(StateDict(unordered: answer.tensors("state.safetensors")).forGPT2())
      let parameters = model.parameters()
      let optimizer = AdamW(parameters.filter { $0.shape.count > 1 }, lr: 1e-3, betas: (0.9, 0.99), weightDecay: 0.1)
      optimizer.addParamGroup(parameters.filter { $0.shape.count < 2 }) { $0.weightDecay = 0 }
      let losses = (0..<steps).map { step in
        let rows = found["batches"]![step]
        for group in optimizer.paramGroups { group.lr = 1e-3 * Double(step + 1) / 101 }
        let logits = model(rows.narrow(1, start: 0, length: 256))
        let loss = logits.view([-1, 65]).crossEntropy(rows.narrow(1, start: 1, length: 256).reshape([-1]))
        optimizer.zeroGrad()
        loss.backward()
        clipGradNorm_(parameters, maxNorm: 1)
        optimizer.step()
        return loss.item()
      }
      report("baby GPT", losses, found["losses"]!.array(of: Double.self))
    }
  }

  /// ResNet-18 on images of 32 × 32 in ten classes.
  @Test func resNet18() throws {
    let steps = Self.steps.map { Swift.min($0, 50) } ?? 4
    try Torch.asking("same_training.py", ["resnet18", "-", "\(steps)"]) { answer in
      let found = try answer.tensors("results.safetensors")
      let model = ResNet.resnet18(numClasses: 10, stem: .cifar)
      try model.loadStateDict(StateDict(unordered: answer.tensors("state.safetensors")))
      let optimizer = SGD(model.parameters(), lr: 1e-4, momentum: 0.9, weightDecay: 5e-4)
      let usual = allowWinograd
      allowWinograd = false
      defer { allowWinograd = usual }
      let losses = (0..<steps).map { step in
        let loss = model(found["images"]![step]).crossEntropy(found["labels"]![step])
        optimizer.zeroGrad()
        loss.backward()
        optimizer.step()
        return loss.item()
      }
      report("ResNet-18", losses, found["losses"]!.array(of: Double.self))
    }
  }

  private func report(_ name: String, _ mine: [Double], _ theirs: [Double]) {
    let apart = zip(mine, theirs).map { abs($0 - $1) }.max() ?? .infinity
    print("\(name): \(mine.count) losses, from \(mine[0]) to \(mine[mine.count - 1]), at most \(apart) from torch's")
    #expect(mine.count == theirs.count && apart < 1e-3)
  }
}
