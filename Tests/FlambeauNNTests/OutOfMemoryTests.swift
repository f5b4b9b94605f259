import FlambeauModels
import FlambeauNN
import Foundation
import Testing

@testable import Flambeau

/// Wherever memory runs out in an error scope, what comes after does nothing and the scope ends: nothing stops the program, and nothing
/// goes on for ever. Each is a process of its own, because it is the process's memory that is refused.
@Suite(.timeLimit(.minutes(10))) struct OutOfMemoryTests {
  @Test func operators() async { await #expect(processExitsWith: .success) { everyOperator() } }
  @Test func layers() async { await #expect(processExitsWith: .success) { everyLayer() } }
  @Test func models() async { await #expect(processExitsWith: .success) { everyModel() } }
}

private func everyOperator() {
  for entry in Table.entries {
    for sample in SampleCase.all(entry) {
      if !["float32", "bfloat16", "int64", "layout 1", "broadcast"].contains(sample.variant) { continue }
      failing("\(entry), \(sample.variant)") { differentiate(sample) }
    }
  }
}

/// Twice, where that is possible.
private func differentiate(_ sample: SampleCase) {
  let leaves = zip(sample.operands, sample.requiresGrad).map { $0.detach().requiresGrad_($1) }
  let roots = sample.entry.sample.call(leaves).filter(\.requiresGrad)
  let tracked = leaves.filter(\.requiresGrad)
  if roots.isEmpty || tracked.isEmpty { return }
  let gradients = Tensor.grad(
    of: roots, withRespectTo: tracked, gradients: roots.map { $0.detach().onesLike() }, createGraph: true, allowUnused: true)
  let penalties = gradients.compactMap { $0 }.filter(\.requiresGrad).map { $0.square().sum() }
  if !penalties.isEmpty { Tensor.stack(penalties).sum().backward() }
}

private func everyLayer() {
  for (layer, input) in zip(LayerCase.all, LayerCase.inputs) {
    let errors = failing(layer.torch) {
      let layer = layer.make()
      learn(layer(input.detach().requiresGrad_()))
    }
    #expect(errors > 0, "\(layer.torch)")
  }
}

private func everyModel() {
  for (name, run) in trials() {
    let errors = failing(name, run)
    #expect(errors > 10, "\(name)")
  }
}

/// Runs `body` with its first request for memory refused, alone and with all that follow, then its second, until there are no more; how
/// often an error came of it. Never where `body` is refused anyway, such as for its dtype.
@discardableResult
private func failing(_ what: String, _ body: () -> Void) -> Int {
  // A process that stops says what in: seen where the functions above are called without one of their own.
  FileHandle.standardError.write(Data("\(what)\n".utf8))
  if (try? withTensorErrors(body)) == nil { return 0 }
  defer { Memory.refusal.refuse(nil) }
  var (number, errors, isReached) = (0, 0, true)
  while isReached {
    // Not each of hundreds.
    number += 1 + number / 30
    // The short way of a call that gets none asks by the long way again.
    for requests in [number..<number + 1, number..<Int.max] {
      Memory.refusal.refuse(requests)
      do { try withTensorErrors(body) } catch {
        #expect((error as? TensorError)?.kind == .memory, "\(what), request \(number): \(error)")
        errors += 1
      }
      isReached = Memory.refusal.isReached
    }
  }
  return errors
}

private func tokens(_ shape: Shape) -> Tensor {
  Tensor((0..<shape.elementCount).map { ($0 * 7919 + 13) % 50 }, shape: shape)
}

private func learn(_ output: Tensor) { output.square().mean().backward() }

/// A step of each network, and what language models write.
private func trials() -> [(name: String, run: () -> Void)] {
  let images = Tensor.random([2, 3, 16, 16], in: -1...1)
  let gpt = GPT2(GPT2.Config(vocabSize: 50, nPositions: 16, nEmbd: 16, nLayer: 1, nHead: 2, dropout: 0.1))
  var llamaConfig = LLaMA.Config()
  (llamaConfig.vocabSize, llamaConfig.hiddenSize, llamaConfig.intermediateSize) = (50, 16, 24)
  (llamaConfig.numHiddenLayers, llamaConfig.numAttentionHeads, llamaConfig.numKeyValueHeads, llamaConfig.headDim) = (1, 4, 2, 4)
  let llama = LLaMA(llamaConfig)
  var bertConfig = BERT.Config()
  (bertConfig.vocabSize, bertConfig.hiddenSize, bertConfig.numHiddenLayers) = (50, 16, 1)
  (bertConfig.numAttentionHeads, bertConfig.intermediateSize) = (4, 24)
  let bert = BERT(bertConfig)
  let encoder = SentenceEncoder(bertConfig)
  var t5Config = T5.Config()
  (t5Config.vocabSize, t5Config.dModel, t5Config.dKv, t5Config.dFf, t5Config.numLayers) = (50, 16, 4, 24, 1)
  (t5Config.numDecoderLayers, t5Config.numHeads) = (1, 4)
  let t5 = T5(t5Config)
  var vitConfig = VisionTransformer.Config()
  (vitConfig.imageSize, vitConfig.patchSize, vitConfig.numLayers, vitConfig.numHeads) = (16, 8, 1, 2)
  (vitConfig.hiddenDim, vitConfig.mlpDim, vitConfig.numClasses) = (16, 24, 5)
  let vit = VisionTransformer(vitConfig)
  let adapted = GPT2(GPT2.Config(vocabSize: 50, nPositions: 16, nEmbd: 16, nLayer: 1, nHead: 2, dropout: 0))
  let lora = LoRA(adapted, rank: 2, targets: ["c_attn", "c_proj"])
  let resNet = ResNet.resnet18(numClasses: 5, stem: .cifar)
  let mobileNet = MobileNetV2(numClasses: 5, widthMultiplier: 0.25)
  let uNet = UNet(width: 2)
  let (lstm, gru) = (
    RecurrentLanguageModel(.lstm, vocabSize: 50, width: 8), RecurrentLanguageModel(.gru, vocabSize: 50, width: 8)
  )
  let classifier = SequenceClassifier(.lstm, vocabSize: 50, classes: 3, width: 8, units: 6, bidirectional: true)
  let written = GenerationOptions(maxNewTokens: 4, temperature: 0.8, topK: 5, topP: 0.9, minP: 0.01, repetitionPenalty: 1.1)
  func optimizers(_ parameters: [Parameter]) -> [any Optimizer] {
    [
      SGD(parameters, lr: 0.1, momentum: 0.9), AdamW(parameters), NAdam(parameters), RAdam(parameters), RMSprop(parameters),
      Rprop(parameters), Adagrad(parameters), Adadelta(parameters), ASGD(parameters), Adamax(parameters),
      Muon(parameters.filter { $0.shape.count == 2 }),
    ]
  }
  return [
    ("GPT-2", { learn(gpt(tokens([2, 9]))) }), ("LLaMA", { learn(llama(tokens([2, 9]))) }),
    ("BERT", { learn(bert(tokens([2, 9]), mask: Tensor.ones([2, 9], dtype: .int64))) }),
    ("sentence encoder", { learn(encoder(tokens([2, 9]), mask: Tensor.ones([2, 9], dtype: .int64))) }),
    ("T5", { learn(t5.decode(tokens([2, 5]), encoded: t5.encode(tokens([2, 9])))) }), ("ViT", { learn(vit(images)) }),
    (
      "LoRA",
      {
        lora.unmerge()
        learn(adapted(tokens([2, 9])))
        lora.merge()
        lora.unmerge()
      }
    ),
    ("ResNet", { learn(resNet(images)) }), ("MobileNetV2", { learn(mobileNet(images)) }), ("U-Net", { learn(uNet(images)) }),
    ("LSTM", { learn(lstm(tokens([2, 5])).logits) }), ("GRU", { learn(gru(tokens([2, 5])).logits) }),
    ("classifier", { learn(classifier(tokens([3, 5]), lengths: [5, 2, 4])) }),
    ("what a GPT-2 writes", { _ = gpt.generate([1, 2, 3], written) }),
    ("what a LLaMA writes", { _ = llama.generate(batch: [[1, 2, 3], [4]], written) }),
    (
      "a step of training",
      {
        let scaler = GradScaler()
        for optimizer in optimizers(bert.parameters()) {
          optimizer.zeroGrad()
          scaler.scale(autocast(.float16) { bert(tokens([2, 5])).square().mean() }).backward()
          scaler.unscale_(optimizer)
          clipGradNorm_(bert.parameters(), maxNorm: 1)
          scaler.step(optimizer)
          scaler.update()
        }
      }
    ),
  ]
}
