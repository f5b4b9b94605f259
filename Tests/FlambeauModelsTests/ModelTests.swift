import Flambeau
import FlambeauNN
import Testing

@testable import FlambeauModels

@Suite struct ModelTests {
  /// Counts that torchvision and Hugging Face state.
  @Test func parameterCounts() {
    func count(_ model: some Module) -> Int { model.parameters().map(\.count).reduce(0, +) }
    #expect(count(ResNet.resnet18()) == 11_689_512)
    #expect(count(ResNet.resnet34()) == 21_797_672)
    #expect(count(ResNet.resnet50()) == 25_557_032)
    #expect(count(GPT2(.small)) == 124_439_808)
  }

  @Test func names() {
    let names = ResNet.resnet50().stateDict().keys
    for name in ["conv1.weight", "layer1.0.downsample.1.running_var", "layer4.2.bn3.num_batches_tracked", "fc.bias"] {
      #expect(names.contains(name))
    }
    let model = GPT2(GPT2.Config(vocabSize: 9, nPositions: 8, nEmbd: 4, nLayer: 1, nHead: 2))
    #expect(
      model.stateDict().keys == [
        "transformer.wte.weight", "transformer.wpe.weight", "transformer.h.0.ln_1.weight", "transformer.h.0.ln_1.bias",
        "transformer.h.0.attn.c_attn.weight", "transformer.h.0.attn.c_attn.bias", "transformer.h.0.attn.c_proj.weight",
        "transformer.h.0.attn.c_proj.bias", "transformer.h.0.ln_2.weight", "transformer.h.0.ln_2.bias",
        "transformer.h.0.mlp.c_fc.weight", "transformer.h.0.mlp.c_fc.bias", "transformer.h.0.mlp.c_proj.weight",
        "transformer.h.0.mlp.c_proj.bias", "transformer.ln_f.weight", "transformer.ln_f.bias", "lm_head.weight",
      ])
    #expect(model.namedParameters().count == 16)
  }

  @Test func cifarStemKeepsTheSize() {
    let model = ResNet.resnet18(numClasses: 10, stem: .cifar)
    #expect(model.conv1(.zeros([1, 3, 32, 32])).shape == [1, 64, 32, 32])
    #expect(model(.zeros([2, 3, 32, 32])).shape == [2, 10])
  }

  @Test func aKnownBodyGetsAnotherHead() throws {
    let (known, model) = (ResNet.resnet18(numClasses: 5, stem: .cifar), ResNet.resnet18(numClasses: 2, stem: .cifar))
    let body = known.stateDict().filter { !$0.key.hasPrefix("fc.") }
    let keys = try model.loadStateDict(StateDict(body.map { ($0.key, $0.value) }), strict: false)
    #expect(keys.missingKeys == ["fc.weight", "fc.bias"] && keys.unexpectedKeys.isEmpty)
    model.requiresGrad_(false) { !$0.hasPrefix("fc.") }
    #expect(model.parameters().filter(\.requiresGrad).map(\.shape) == model.fc.parameters().map(\.shape))
    #expect(model.layer4.parameters()[0].tensor.isEqual(to: known.layer4.parameters()[0].tensor))
  }

  /// A model that memorises a sentence, dropout and all.
  @Test func gpt2Learns() {
    withGenerator(Generator(seed: 1)) {
      let model = GPT2(GPT2.Config(vocabSize: 16, nPositions: 32, nEmbd: 32, nLayer: 2, nHead: 2))
      let text = Tensor((0..<33).map { ($0 * $0 + 3) % 16 })
      let (x, y) = (text.narrow(0, start: 0, length: 32).unsqueeze(0), text.narrow(0, start: 1, length: 32))
      let optimizer = AdamW(model.parameters(), lr: 1e-2)
      var losses: [Double] = []
      for _ in 0..<60 {
        let loss = model(x).squeeze(0).crossEntropy(y)
        optimizer.zeroGrad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
      }
      #expect(losses[0] > 2.5 && losses.suffix(5).allSatisfy { $0 < 0.5 }, "\(losses)")
    }
  }

  @Test func misuseIsRefused() {
    let config = GPT2.Config(vocabSize: 9, nPositions: 8, nEmbd: 4, nLayer: 1, nHead: 2)
    #expect(problem { _ = GPT2(config)(.zeros([1, 9], dtype: .int64)) }.contains("t at most 8, but their shape is [1, 9]"))
    #expect(problem { _ = GPT2(config)(.zeros([3], dtype: .int64)) }.contains("their shape is [3]"))
    #expect(
      problem { _ = GPT2(GPT2.Config(nEmbd: 5, nLayer: 1, nHead: 0))(.zeros([1, 1], dtype: .int64)) }
        .contains("nEmbd (5) must be divisible by nHead (0)"))
    #expect(problem { _ = ResNet.resnet18()(.zeros([1, 1, 64, 64])) }.contains("conv2d"))
  }
}
