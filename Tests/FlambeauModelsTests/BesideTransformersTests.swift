import Flambeau
import FlambeauFormats
import FlambeauNN
import Foundation
import Testing

@testable import FlambeauModels

/// Networks with random weights that Hugging Face's transformers made, configured by their config.json, beside what
/// Tests/Judge/transformers_models.py computes with them in double precision.
@Suite(.enabled(if: Torch.hasTransformers)) struct BesideTransformersTests {
  @Test func bert() throws {
    try ask("bert") { (config: BERT.Config, state, results) in
      let model = BERT(config).eval()
      try model.loadStateDict(state.forBERT(model))
      return { model(results["input"]!, mask: results["mask"], types: results["types"]) }
    } check: { hidden, results, seed in
      let expected = results["last_hidden_state"]!
      #expect(apart(hidden, expected) < 1e-4, seed)
    }
  }

  @Test func pooled() throws {
    try ask("bert") { (config: BERT.Config, state, results) in
      let model = BERT(config).eval()
      try model.loadStateDict(state.forBERT(model))
      return { model.pooled(model(results["input"]!, mask: results["mask"], types: results["types"]))! }
    } check: { pooled, results, seed in
      #expect(apart(pooled, results["pooler_output"]!) < 1e-4, seed)
    }
  }

  @Test func maskedLM() throws {
    try ask("bert_mlm") { (config: BERT.Config, state, results) in
      let model = BERTForMaskedLM(config).eval()
      try model.loadStateDict(state.forBERT(model))
      return { model(results["input"]!, mask: results["mask"], types: results["types"]) }
    } check: { logits, results, seed in
      #expect(apart(logits, results["logits"]!) < 1e-4, seed)
    }
  }

  @Test func sequenceClassification() throws {
    try ask("bert_classifier") { (config: BERT.Config, state, results) in
      let model = BERTForSequenceClassification(config, numLabels: 3).eval()
      try model.loadStateDict(state.forBERT(model))
      return { model(results["input"]!, mask: results["mask"], types: results["types"]) }
    } check: { logits, results, seed in
      #expect(apart(logits, results["logits"]!) < 1e-4, seed)
    }
  }

  @Test(arguments: ["llama", "llama_grouped", "llama_linear", "llama_yarn", "qwen2", "qwen3"]) func llama(name: String) throws {
    try ask(name) { (config: LLaMA.Config, state, results) in
      let model = LLaMA(config).eval()
      try model.loadStateDict(state.forLLaMA())
      return { model(results["input"]!) }
    } check: { logits, results, seed in
      #expect(apart(logits, results["logits"]!) < 1e-4, seed)
    }
  }

  @Test(arguments: ["t5", "t5_gated"]) func t5(name: String) throws {
    try ask(name) { (config: T5.Config, state, results) in
      let model = T5(config).eval()
      try model.loadStateDict(state.forT5())
      let mask = results["mask"]!
      return { model.decode(results["outputs"]!, encoded: model.encode(results["input"]!, mask: mask), mask: mask) }
    } check: { logits, results, seed in
      #expect(apart(logits, results["logits"]!) < 1e-4, seed)
    }
  }

  @Test func gpt2() throws {
    try ask("gpt2") { (config: GPT2.Config, state, results) in
      let model = GPT2(config).eval()
      try model.loadStateDict(state.forGPT2())
      return { model(results["input"]!) }
    } check: { logits, results, seed in
      #expect(apart(logits, results["logits"]!) < 1e-4, seed)
    }
  }

  /// A head's checkpoint serves the bare encoder, and the other way round all but the head is found.
  @Test func headsComeAndGo() throws {
    let network = try #require(Torch.transformers.get()["bert_classifier"])
    let config = try JSONDecoder().decode(BERT.Config.self, from: network.config)
    let encoder = BERT(config)
    try encoder.loadStateDict(network.state.forBERT(encoder))
    let classifier = BERTForSequenceClassification(config)
    let keys = try classifier.loadStateDict(encoder.stateDict().forBERT(classifier), strict: false)
    #expect(keys.missingKeys == ["classifier.weight", "classifier.bias"] && keys.unexpectedKeys.isEmpty)
  }

  /// The network with the state it is given, computed without gradients, and what is said of the result.
  private func ask<Config: Decodable>(
    _ name: String, _ make: (Config, StateDict, [String: Tensor]) throws -> () -> Tensor,
    check: (Tensor, [String: Tensor], Comment) throws -> Void
  ) throws {
    let network = try #require(Torch.transformers.get()[name])
    let config = try JSONDecoder().decode(Config.self, from: network.config)
    try check(noGrad(make(config, network.state, network.results)), network.results, network.seed)
  }
}
