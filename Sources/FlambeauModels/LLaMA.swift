import Flambeau
import FlambeauNN

/// A causal language model with rotary positions, shared heads of keys, norms by root mean square and gated maps (Touvron et al.,
/// 2023), with the names and shapes of Hugging Face's `LlamaForCausalLM`, `Qwen2ForCausalLM` and `Qwen3ForCausalLM`.
///
/// Input [n, t] of int64 tokens; output [n, t, vocabSize], logits of the tokens that follow. ``StateDict/forLLaMA()`` makes
/// what is published fit.
public final class LLaMA: Layer {
  /// The sizes.
  public let config: Config
  let model: Decoder
  let lmHead: Head

  /// Linear maps and embeddings start normal with the deviation `config.initializerRange`.
  public init(_ config: Config, file: StaticString = #fileID, line: UInt = #line) {
    if let problem = config.problem { Door.fail(TensorError(.argument, problem), in: "LLaMA", file: file, line: line) }
    self.config = config
    model = Decoder(config)
    lmHead = Head(
      config.tieWordEmbeddings ? model.embedTokens.weight : Parameter(.zeros([config.vocabSize, config.hiddenSize])))
    for parameter in parameters() where parameter.shape.count > 1 {
      Init.normal_(parameter.tensor, std: config.initializerRange)
    }
  }

  /// Logits [N, T, vocabSize] of tokens [N, T] (integers).
  public func callAsFunction(_ tokens: Tensor) -> Tensor {
    guard tokens.ndim == 2 else {
      return Door.refuse(TensorError(.shape, "tokens should be [n, t], but their shape is \(tokens.shape)"), in: "LLaMA", tokens)
    }
    return lmHead(model(tokens, CausalContext(tokens.shape[1], on: tokens.device)))
  }

  final class Decoder: Module {
    let embedTokens: Embedding
    let layers: [Block]
    let norm: RMSNorm
    let rotary: RotaryEmbedding

    init(_ config: Config) {
      embedTokens = Embedding(config.vocabSize, config.hiddenSize)
      layers = (0..<config.numHiddenLayers).map { _ in Block(config) }
      norm = RMSNorm(config.hiddenSize, eps: config.rmsNormEps)
      rotary = RotaryEmbedding(width: config.headDim, theta: config.ropeTheta, scaling: config.ropeScaling)
    }

    func callAsFunction(_ tokens: Tensor, _ context: CausalContext) -> Tensor {
      var x = embedTokens(tokens)
      let rotation = rotary.rotation(context.positions, x.dtype)
      for (i, block) in layers.enumerated() { x = block(x, i, rotation, context) }
      context.cache?.advance(by: tokens.shape[1])
      return context.cache == nil ? norm(x) : norm(x.lastToken)
    }
  }

  final class Block: Module {
    let inputLayernorm, postAttentionLayernorm: RMSNorm
    let selfAttn: Attention
    let mlp: MLP

    init(_ config: Config) {
      inputLayernorm = RMSNorm(config.hiddenSize, eps: config.rmsNormEps)
      selfAttn = Attention(config)
      postAttentionLayernorm = RMSNorm(config.hiddenSize, eps: config.rmsNormEps)
      mlp = MLP(config)
    }

    func callAsFunction(
      _ x: Tensor, _ layer: Int, _ rotation: RotaryEmbedding.Rotation, _ context: CausalContext
    ) -> Tensor {
      let x = x + selfAttn(inputLayernorm(x), layer, rotation, context)
      return x + mlp(postAttentionLayernorm(x))
    }
  }

  final class Attention: Module {
    let qProj, kProj, vProj, oProj: Linear
    let qNorm, kNorm: RMSNorm?
    let heads, keyHeads: Int

    init(_ config: Config) {
      (heads, keyHeads) = (config.numAttentionHeads, config.numKeyValueHeads)
      qProj = Linear(config.hiddenSize, heads * config.headDim, bias: config.qkvBias)
      kProj = Linear(config.hiddenSize, keyHeads * config.headDim, bias: config.qkvBias)
      vProj = Linear(config.hiddenSize, keyHeads * config.headDim, bias: config.qkvBias)
      oProj = Linear(heads * config.headDim, config.hiddenSize, bias: config.outputBias)
      qNorm = config.qkNorm ? RMSNorm(config.headDim, eps: config.rmsNormEps) : nil
      kNorm = config.qkNorm ? RMSNorm(config.headDim, eps: config.rmsNormEps) : nil
    }

    func callAsFunction(
      _ x: Tensor, _ layer: Int, _ rotation: RotaryEmbedding.Rotation, _ context: CausalContext
    ) -> Tensor {
      let (q, k) = (qProj(x).splitHeads(heads), kProj(x).splitHeads(keyHeads))
      let y = context.attend(
        rotation(qNorm?(q) ?? q), rotation(kNorm?(k) ?? k), vProj(x).splitHeads(keyHeads), layer: layer,
        sharesHeads: heads != keyHeads)
      return oProj(y.joinHeads())
    }
  }

  final class MLP: Module {
    let gateProj, upProj, downProj: Linear

    init(_ config: Config) {
      gateProj = Linear(config.hiddenSize, config.intermediateSize, bias: config.mlpBias)
      upProj = Linear(config.hiddenSize, config.intermediateSize, bias: config.mlpBias)
      downProj = Linear(config.intermediateSize, config.hiddenSize, bias: config.mlpBias)
    }

    func callAsFunction(_ x: Tensor) -> Tensor { downProj(gateProj(x).silu() * upProj(x)) }
  }

  final class Head: Module {
    let weight: Parameter
    init(_ weight: Parameter) { self.weight = weight }
    func callAsFunction(_ x: Tensor) -> Tensor { x.linear(weight.tensor) }
  }
}

extension StateDict {
  /// A published LLaMA or Qwen under the names of ``LLaMA``: wrappers' prefixes and stored frequencies are left out, and a tied
  /// head gets its name.
  public func forLLaMA() throws(KeyRenaming.Collision) -> StateDict {
    try renamed(.llama).tying([("lm_head.weight", "model.embed_tokens.weight")])
  }
}

extension KeyRenaming {
  /// What differs in published checkpoints of LLaMA and its relatives.
  public static let llama: KeyRenaming = wrappers + [.dropSuffix("rotary_emb.inv_freq")]
}
