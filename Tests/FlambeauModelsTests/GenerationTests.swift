import Flambeau
import FlambeauFormats
import FlambeauNN
import Foundation
import Testing

@testable import FlambeauModels

@Suite struct GenerationTests {
  private static func gpt2(_ context: Int = 64, dtype: DType = .float32) -> GPT2 {
    withGenerator(Generator(seed: 3)) {
      let model = GPT2(GPT2.Config(vocabSize: 50, nPositions: context, nEmbd: 32, nLayer: 2, nHead: 4)).eval()
      // Weights under which logits differ by much.
      for parameter in model.parameters() where parameter.shape.count > 1 { Init.normal_(parameter.tensor, std: 0.3) }
      return model.to(dtype)
    }
  }

  private static func llama() -> LLaMA {
    var config = LLaMA.Config()
    (config.vocabSize, config.hiddenSize, config.intermediateSize, config.numHiddenLayers) = (50, 32, 48, 2)
    (config.numAttentionHeads, config.numKeyValueHeads, config.headDim, config.maxPositionEmbeddings) = (4, 2, 8, 64)
    config.initializerRange = 0.3
    return withGenerator(Generator(seed: 4)) { LLaMA(config).eval() }
  }

  private static let prompt = [3, 14, 15, 9, 2, 6]

  /// A token's logits do not depend on how many tokens are read at a time.
  @Test func cacheChangesNothing() {
    func check(_ model: some CausalLanguageModel) {
      let tokens = Tensor((0..<40).map { ($0 * 7 + 3) % 50 }, shape: [2, 20])
      noGrad {
        let whole = model(tokens)
        for pieces in [[20], [7, 13], [3, 1, 1, 15], Array(repeating: 1, count: 20)] {
          let cache = model.makeCache(batch: 2, capacity: 20, padding: [])
          var start = 0
          for length in pieces {
            let logits = model.nextLogits(tokens.narrow(1, start: start, length: length), cache)
            start += length
            #expect(apart(logits, whole.select(dim: 1, index: start - 1)) < 1e-5, "\(pieces), \(start)")
          }
          #expect(cache.count == 20)
        }
      }
    }
    check(Self.gpt2())
    check(Self.llama())
  }

  @Test func paddingChangesNothing() {
    func check(_ model: some CausalLanguageModel) {
      let prompts = [Self.prompt, [7], [1, 2, 3]]
      let options = GenerationOptions(maxNewTokens: 12)
      #expect(model.generate(batch: prompts, options) == prompts.map { model.generate($0, options) })
    }
    check(Self.gpt2())
    check(Self.llama())
  }

  @Test func greedyTakesTheLikeliest() {
    let model = Self.llama()
    var tokens = Self.prompt
    for _ in 0..<10 {
      let logits = noGrad { model(Tensor(tokens, shape: [1, tokens.count])) }
      tokens.append(logits[0, -1].argmax().item(as: Int.self))
    }
    #expect(model.generate(Self.prompt, GenerationOptions(maxNewTokens: 10)) == Array(tokens.dropFirst(Self.prompt.count)))
  }

  @Test func tasksShareAModel() async {
    let model = Self.llama()
    @Sendable func options(_ seed: Int) -> GenerationOptions {
      GenerationOptions(maxNewTokens: 12, temperature: seed == 0 ? 0 : 1, seed: UInt64(seed))
    }
    let alone = (0..<4).map { model.generate(Self.prompt, options($0)) }
    await withTaskGroup(of: (Int, [Int]).self) { group in
      for seed in 0..<4 {
        group.addTask {
          var tokens: [Int] = []
          for await token in model.stream(Self.prompt, options(seed)) { tokens.append(token) }
          return (seed, tokens)
        }
      }
      for await (seed, tokens) in group { #expect(tokens == alone[seed]) }
    }
  }

  @Test func seedsRepeat() {
    let model = Self.gpt2()
    func draw(_ seed: UInt64) -> [Int] {
      model.generate(Self.prompt, GenerationOptions(maxNewTokens: 20, temperature: 1, seed: seed))
    }
    #expect(draw(1) == draw(1))
    #expect(draw(1) != draw(2))
  }

  @Test func stops() {
    let model = Self.llama()
    let all = model.generate(Self.prompt, GenerationOptions(maxNewTokens: 20))
    let sequence = Array(all[4..<6])
    let cut = model.generate(Self.prompt, GenerationOptions(maxNewTokens: 20, stopSequences: [[99, 98], sequence]))
    let first = (2...all.count).first { Array(all[..<$0].suffix(2)) == sequence }!
    #expect(cut == Array(all.prefix(first)))
    let token = model.generate(Self.prompt, GenerationOptions(maxNewTokens: 20, stopTokens: [all[5]]))
    #expect(token == Array(all.prefix(all.firstIndex(of: all[5])! + 1)))
    // Rows end for themselves.
    let rows = model.generate(batch: [Self.prompt, [5, 6]], GenerationOptions(maxNewTokens: 9, stopTokens: [all[5]]))
    #expect(rows[0] == Array(token.prefix(9)))
    #expect(rows[1] == model.generate([5, 6], GenerationOptions(maxNewTokens: 9, stopTokens: [all[5]])))
    #expect(model.generate(Self.prompt, GenerationOptions(maxNewTokens: 0)).isEmpty)
  }

  @Test func endsWithTheContext() {
    let model = Self.gpt2(12)
    #expect(model.generate(Self.prompt, GenerationOptions(maxNewTokens: 100)).count == 7)
    #expect(model.generate(Array(repeating: 1, count: 12), GenerationOptions(maxNewTokens: 100)).count == 1)
  }

  @Test func halfPrecisionGenerates() {
    let model = Self.gpt2(dtype: .bfloat16)
    let (half, full) = (model.generate(Self.prompt, GenerationOptions(maxNewTokens: 3)), Self.gpt2())
    let logits = noGrad { full(Tensor(Self.prompt, shape: [1, Self.prompt.count]))[0, -1] }
    // Its first token is among the likeliest in full precision.
    #expect(half.count == 3 && logits.topK(3).indices.array(of: Int.self).contains(half[0]))
  }

  @Test func streams() async {
    let (model, options) = (Self.gpt2(), GenerationOptions(maxNewTokens: 15, temperature: 1, seed: 5))
    var streamed: [Int] = []
    for await token in model.stream(Self.prompt, options) { streamed.append(token) }
    #expect(streamed == model.generate(Self.prompt, options))
    let task = Task {
      var count = 0
      for await _ in model.stream(Self.prompt, options) {
        count += 1
        if count == 2 { withUnsafeCurrentTask { $0?.cancel() } }
      }
      return count
    }
    #expect(await task.value == 2)
  }

  @Test func misuseIsRefused() {
    let model = Self.gpt2(8)
    #expect(problem { _ = model.generate([]) }.contains("at least one token"))
    #expect(problem { _ = model.generate([50]) }.contains("the token 50"))
    #expect(problem { _ = model.generate(Array(repeating: 1, count: 9)) }.contains("longer than the model's context of 8"))
    #expect(problem { _ = model.generate([1], GenerationOptions(topP: 0)) }.contains("topP"))
    #expect(problem { _ = model.generate([1], GenerationOptions(temperature: .nan)) }.contains("temperature"))
    let cache = model.makeCache(batch: 1, capacity: 2)
    #expect(problem { _ = model.nextLogits(.zeros([1, 3], dtype: .int64), cache) }.contains("at most 2"))
  }
}

/// Beside Hugging Face's `generate`: the same tokens, drawn by the same random bits.
@Suite(.enabled(if: Torch.hasTransformers)) struct GenerationBesideTransformersTests {
  @Test func filters() throws {
    let answer = try #require(Torch.generations.get()["filters"])
    let found = answer.results
    let rows = (0..<3).map { found["seen"]![$0].array(of: Int.self) }
    let options: [String: GenerationOptions] = [
      "repetition": GenerationOptions(temperature: 1, repetitionPenalty: 1.7),
      "temperature": GenerationOptions(temperature: 0.6), "topK": GenerationOptions(temperature: 1, topK: 7),
      "topP": GenerationOptions(temperature: 1, topP: 0.8), "minP": GenerationOptions(temperature: 1, minP: 0.05),
      "all": GenerationOptions(temperature: 0.9, topK: 20, topP: 0.95, minP: 0.02, repetitionPenalty: 1.2),
    ]
    for (name, options) in options {
      let (mine, theirs) = (options.filtered(found["logits"]!, after: rows), found[name]!)
      #expect((mine .== -.infinity).isEqual(to: theirs .== -.infinity), "\(name), \(answer.seed)")
      #expect(mine.exp().allClose(theirs.exp(), rtol: 1e-5, atol: 1e-7), "\(name), \(answer.seed)")
    }
  }

  @Test func gpt2() throws {
    try check("gpt2") { config, state in
      let model = GPT2(try JSONDecoder().decode(GPT2.Config.self, from: config))
      try model.loadStateDict(state.forGPT2())
      return model
    }
  }

  @Test(arguments: ["llama_grouped", "qwen3"]) func llama(name: String) throws {
    try check(name) { config, state in
      let model = LLaMA(try JSONDecoder().decode(LLaMA.Config.self, from: config))
      try model.loadStateDict(state.forLLaMA())
      return model
    }
  }

  private func check<Model: CausalLanguageModel>(_ name: String, _ make: (Data, StateDict) throws -> Model) throws {
    let network = try #require(Torch.generations.get()[name])
    let found = network.results
    let model = try make(network.config, network.state).eval()
    func numbers(_ key: String) -> [[Int]] { (0..<found[key]!.shape[0]).map { found[key]![$0].array(of: Int.self) } }
    let (prompt, seed) = (numbers("prompt"), network.seed)
    let prompts = zip(numbers("batch"), found["lengths"]!.array(of: Int.self)).map { Array($0.suffix($1)) }
    let count = 30
    #expect(model.generate(batch: prompt, GenerationOptions(maxNewTokens: count)) == numbers("greedy"), seed)
    #expect(
      model.generate(batch: prompt, GenerationOptions(maxNewTokens: count, repetitionPenalty: 1.3)) == numbers("penalised"),
      seed)
    #expect(model.generate(batch: prompts, GenerationOptions(maxNewTokens: count)) == numbers("greedy_batch"), seed)
    let stop = Set(found["stop"]!.array(of: Int.self))
    #expect(
      model.generate(batch: prompt, GenerationOptions(maxNewTokens: count, stopTokens: stop)) == numbers("stopped"), seed)
    let sampled = GenerationOptions(maxNewTokens: count, temperature: 0.8, topK: 30, topP: 0.9, seed: 7)
    #expect(model.generate(batch: prompts, sampled) == numbers("sampled"), seed)
    let widely = GenerationOptions(maxNewTokens: count, temperature: 1.3, minP: 0.03, seed: 8)
    #expect(model.generate(batch: prompt, widely) == numbers("sampled_min_p"), seed)
  }
}
