import Flambeau
import FlambeauModels
import FlambeauNN

/// A network with a loss, small enough for a look at every gradient.
private struct Trial: Sendable {
  let name: String
  /// The loss and all gradients, with the network's numbers and inputs on `device`.
  let outcome: @Sendable (_ device: Device) -> [Tensor]

  /// - Parameter loss: Of the network and inputs that it makes on the device.
  init<Network: Module>(
    _ name: String, _ make: @escaping @Sendable () -> Network, _ loss: @escaping @Sendable (Network, Device) -> Tensor
  ) {
    self.name = name
    outcome = { device in
      let network = withGenerator(Generator(seed: 5)) { make() }
      network.to(device)
      let loss = loss(network, device)
      loss.backward()
      return [loss.detach().cpu()] + network.parameters().compactMap { $0.grad?.cpu() }
    }
  }
}

private func tokens(_ shape: Shape, _ kinds: Int, _ device: Device) -> Tensor {
  Tensor((0..<shape.elementCount).map { ($0 * 7919 + 13) % kinds }, shape: shape, device: device)
}

private func images(_ shape: Shape, _ device: Device) -> Tensor {
  Tensor.randn(shape, generator: Generator(seed: 8)).to(device)
}

/// The loss of guessing classes 0, 1, 2 … by the last dimension.
private func loss(_ logits: Tensor, _ device: Device) -> Tensor {
  let kinds = logits.shape[-1]
  let flat = logits.reshape([-1, kinds])
  return flat.crossEntropy(tokens([flat.shape[0]], kinds, device))
}

private let trials = [
  Trial("GPT-2", { GPT2(GPT2.Config(vocabSize: 50, nPositions: 32, nEmbd: 32, nLayer: 2, nHead: 4, dropout: 0)) }) {
    loss($0(tokens([2, 17], 50, $1)), $1)
  },
  Trial(
    "LLaMA",
    {
      var config = LLaMA.Config()
      (config.vocabSize, config.hiddenSize, config.intermediateSize, config.numHiddenLayers) = (50, 32, 64, 2)
      (config.numAttentionHeads, config.numKeyValueHeads, config.headDim) = (4, 2, 8)
      return LLaMA(config)
    }
  ) { loss($0(tokens([2, 17], 50, $1)), $1) },
  Trial(
    "BERT",
    {
      var config = BERT.Config()
      (config.vocabSize, config.hiddenSize, config.numHiddenLayers, config.numAttentionHeads) = (50, 32, 2, 4)
      (config.intermediateSize, config.hiddenDropoutProb, config.attentionProbsDropoutProb) = (64, 0, 0)
      return BERT(config, pooling: false)
    }
  ) { loss($0(tokens([2, 17], 50, $1)), $1) },
  Trial(
    "ViT",
    {
      var config = VisionTransformer.Config()
      (config.imageSize, config.patchSize, config.numLayers, config.numHeads) = (16, 4, 2, 4)
      (config.hiddenDim, config.mlpDim, config.numClasses) = (32, 64, 10)
      return VisionTransformer(config)
    }
  ) { loss($0(images([3, 3, 16, 16], $1)), $1) },
  Trial("ResNet-18", { ResNet.resnet18(numClasses: 10, stem: .cifar) }) { loss($0(images([4, 3, 16, 16], $1)), $1) },
  Trial("U-Net", { UNet(width: 4) }) { $0(images([1, 3, 32, 32], $1)).square().mean() },
  Trial("LSTM", { RecurrentLanguageModel(.lstm, vocabSize: 50, width: 24, dropout: 0) }) {
    loss($0(tokens([9, 3], 50, $1)).logits, $1)
  },
]

extension GPUCheck {
  /// Losses and gradients of networks.
  static let models = GPUCheck(name: "models") { device, isBrief in
    var report = Report(summary: "")
    var worst = 0.0
    let chosen = isBrief ? [trials[0]] : trials
    for trial in chosen {
      do {
        let (mine, expected) = (try withTensorErrors { trial.outcome(device) }, trial.outcome(.cpu))
        for (i, (a, b)) in zip(mine, expected).enumerated() {
          // Of what a tensor has at most: sums are in another order.
          let size = Swift.max(b.abs().max().item(), 1e-3)
          let off = (a - b).abs().max().item() / size
          worst = Swift.max(worst, off)
          if !(off < 2e-3) {
            report.failures.append("\(trial.name): tensor \(i) \(b.shape) is off by \(off.rounded(to: 2)) of its size")
          }
        }
      } catch {
        report.failures.append("\(trial.name): \(error)")
      }
    }
    report.summary = "\(chosen.map(\.name).joined(separator: ", ")): losses and gradients within \(worst.rounded(to: 2))"
    return report
  }
}
