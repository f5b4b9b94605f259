import Flambeau
import FlambeauFormats
import FlambeauNN
import Foundation
import Testing

@testable import FlambeauModels

/// Networks with random weights that torch made, beside what Tests/Judge/models.py computes with them in double precision.
@Suite(.enabled(if: Torch.isThere)) struct BesideTorchTests {
  @Test(arguments: ["resnet18", "resnet34", "resnet50"]) func resNet(name: String) throws {
    let make: [String: () -> ResNet] = [
      "resnet18": { .resnet18(numClasses: 10) }, "resnet34": { .resnet34(numClasses: 10) },
      "resnet50": { .resnet50(numClasses: 10) },
    ]
    try expectSame(name, make[name]!())
  }

  @Test func gpt2() throws {
    try expectSame(
      "gpt2", GPT2(GPT2.Config(vocabSize: 65, nPositions: 160, nEmbd: 48, nLayer: 3, nHead: 4, dropout: 0)))
  }

  @Test func mobileNetV2() throws { try expectSame("mobilenet_v2", MobileNetV2(numClasses: 10, dropout: 0)) }

  @Test func visionTransformer() throws {
    var config = VisionTransformer.Config()
    (config.imageSize, config.numLayers, config.numHeads) = (64, 3, 4)
    (config.hiddenDim, config.mlpDim, config.numClasses) = (48, 80, 10)
    try expectSame("vit", VisionTransformer(config))
  }

  @Test func uNet() throws {
    let model = UNet(classes: 3, width: 8)
    try expectSame("unet", model) { model($0).permute([0, 2, 3, 1]) }
  }

  @Test(arguments: [RecurrentKind.lstm, .gru]) func recurrentLanguageModel(kind: RecurrentKind) throws {
    let model = RecurrentLanguageModel(kind, vocabSize: 65, width: 24, dropout: 0, tied: kind == .gru)
    try expectSame("\(kind)_lm", model) { model($0).logits }
  }

  @Test(arguments: [RecurrentKind.lstm, .gru]) func sequenceClassifier(kind: RecurrentKind) throws {
    let model = SequenceClassifier(kind, vocabSize: 65, classes: 5, width: 20, units: 24, dropout: 0)
    try expectSame("\(kind)_classifier", model) { model($0, lengths: [9, 30, 1, 17]) }
  }

  private func expectSame(_ name: String, _ model: some Layer) throws { try expectSame(name, model) { model($0) } }

  /// Twice: in float64, where nothing but the arithmetic's order differs, and in float32. There, an activation within
  /// rounding of 0 now and then falls on its other side, in torch too, which changes a few gradients by much: they are held
  /// by the norm of what differs.
  private func expectSame(_ name: String, _ model: some Module, _ run: (Tensor) -> Tensor) throws {
    let network = try #require(Torch.networks.get()[name])
    let (state, results) = (network.state, network.results)
    #expect(model.stateDict().keys.sorted() == state.keys.sorted())
    for (dtype, tolerance, slopeTolerance) in [(DType.float64, 1e-9, 1e-9), (.float32, 2e-4, 0.05)] {
      model.to(dtype)
      try model.loadStateDict(StateDict(state.map { ($0.key, $0.value) }))
      let input = results["input"]!
      let x = input.dtype.isFloatingPoint ? input.to(dtype) : input
      func check(_ tensor: Tensor, _ key: String, norm: (Tensor) -> Tensor = { $0.abs().max() }, within tolerance: Double)
        throws
      {
        let expected = try #require(results[key], "\(key)").to(.float64)
        let apart = norm(tensor.detach().to(.float64) - expected).item()
        let size = Swift.max(norm(expected).item(), 1e-3)
        #expect(apart <= tolerance * size, "\(key), \(dtype), seed \(results["seed"]!.item())")
      }
      model.eval()
      try check(noGrad { run(x) }, "evaluated", within: tolerance)
      model.train()
      model.zeroGrad()
      let output = run(x)
      let loss = output.reshape([-1, output.shape[-1]]).crossEntropy(results["target"]!)
      loss.backward()
      try check(output, "output", within: tolerance)
      try check(loss, "loss", within: tolerance)
      for (name, parameter) in model.namedParameters() {
        try check(
          try #require(parameter.grad), "grad.\(name)", norm: { $0.square().sum().sqrt() }, within: slopeTolerance)
      }
      for (name, buffer) in model.namedBuffers() { try check(buffer.tensor, "after.\(name)", within: tolerance) }
    }
  }

  @Test func publishedLayoutsOfGPT2Fit() throws {
    let config = GPT2.Config(vocabSize: 65, nPositions: 160, nEmbd: 48, nLayer: 3, nHead: 4, dropout: 0)
    let network = try #require(Torch.networks.get()["gpt2"])
    let (state, results) = (network.state, network.results)
    func isLinear(_ key: String, _ value: Tensor) -> Bool { value.ndim == 2 && key.contains(".c_") }
    let nanoGPT = StateDict(state.map { ("_orig_mod." + $0.key, isLinear($0.key, $0.value) ? $0.value.T : $0.value) })
    var huggingFace = StateDict(
      state.filter { $0.key != "lm_head.weight" }.map { (String($0.key.dropFirst("transformer.".count)), $0.value) })
    huggingFace["h.0.attn.bias"] = .ones([1, 1, 160, 160], dtype: .bool)
    for published in [nanoGPT, huggingFace] {
      let model = GPT2(config).eval()
      try model.loadStateDict(published.forGPT2())
      let logits = noGrad { model(results["input"]!) }
      #expect(logits.to(.float64).allClose(results["evaluated"]!, rtol: 1e-3, atol: 1e-3))
    }
  }
}
