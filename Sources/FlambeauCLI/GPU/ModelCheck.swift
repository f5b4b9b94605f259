import Flambeau
import FlambeauModels
import FlambeauNN

/// A network with a loss, small enough for a look at every gradient.
private struct Trial: Sendable {
  let name: String
  /// The loss and all gradients, with the network's numbers and inputs at `place`.
  let outcome: @Sendable (_ place: Place) -> [Tensor]

  /// - Parameter loss: Of the network and inputs that it makes at the place.
  init<Network: Module>(
    _ name: String, _ make: @escaping @Sendable () -> Network, _ loss: @escaping @Sendable (Network, Place) -> Tensor
  ) {
    self.name = name
    outcome = { place in
      let network = withGenerator(Generator(seed: 5)) { make() }
      network.to(place.device)
      network.to(place.dtype)
      let loss = loss(network, place)
      loss.backward()
      return [loss.detach().cpu()] + network.parameters().compactMap { $0.grad?.cpu() }
    }
  }
}

/// Where numbers are, and of what dtype.
private struct Place: Sendable {
  let device: Device
  let dtype: DType
}

private func tokens(_ shape: Shape, _ kinds: Int, _ place: Place) -> Tensor {
  Tensor((0..<shape.elementCount).map { ($0 * 7919 + 13) % kinds }, shape: shape, device: place.device)
}

private func images(_ shape: Shape, _ place: Place) -> Tensor {
  Tensor.randn(shape, generator: Generator(seed: 8)).to(place.device).to(place.dtype)
}

/// The loss of guessing classes 0, 1, 2 … by the last dimension.
private func loss(_ logits: Tensor, _ place: Place) -> Tensor {
  let kinds = logits.shape[-1]
  let flat = logits.reshape([-1, kinds])
  return flat.crossEntropy(tokens([flat.shape[0]], kinds, place))
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
  /// Losses and gradients of networks. In float64 there is no excuse; in float32 sums in another order turn a unit that is about 0 on or
  /// off, which changes single gradients, but hardly what all of them make.
  static let models = GPUCheck(name: "models") { request in
    var report = Report(summary: "")
    let chosen = request.isBrief ? [trials[0]] : trials
    let measures: [(dtype: DType, name: String, bound: Double, distance: (Tensor, Tensor) -> Double)] = [
      (.float64, "the largest", 1e-10, { ($0 - $1).abs().max().item() / Swift.max($1.abs().max().item(), 1e-3) }),
      (.float32, "the norm", 4e-3, { ($0 - $1).norm().item() / Swift.max($1.norm().item(), 1e-3) }),
    ]
    var found: [String] = []
    for measure in measures {
      var worst = 0.0
      for trial in chosen {
        do {
          let mine = try withTensorErrors { trial.outcome(Place(device: request.device, dtype: measure.dtype)) }
          let expected = trial.outcome(Place(device: .cpu, dtype: measure.dtype))
          for (i, (a, b)) in zip(mine, expected).enumerated() {
            let off = measure.distance(a, b)
            worst = Swift.max(worst, off)
            if !(off < measure.bound) {
              report.failures.append(
                "\(trial.name), \(measure.dtype): tensor \(i) \(b.shape) is off by \(off.rounded(to: 2)) of \(measure.name)")
            }
          }
        } catch {
          report.failures.append("\(trial.name), \(measure.dtype): \(error)")
        }
      }
      found.append("\(measure.dtype) within \(worst.rounded(to: 2)) of \(measure.name)")
    }
    report.summary = "\(chosen.map(\.name).joined(separator: ", ")): losses and gradients: \(found.joined(separator: ", "))"
    return report
  }
}
