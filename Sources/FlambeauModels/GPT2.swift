import Flambeau
import FlambeauNN

/// A language model of causal transformer blocks (Radford et al., 2019), with the names and shapes of Hugging Face's
/// `GPT2LMHeadModel`.
///
/// Input [n, t] of int64 tokens, t at most the context; output [n, t, vocabSize], logits of the tokens that follow. The head
/// shares the token embedding's weight. ``StateDict/forGPT2()`` makes what is published elsewhere fit.
public final class GPT2: Layer {
  /// The sizes of a model.
  public struct Config: Sendable {
    /// Tokens.
    public var vocabSize = 50257
    /// The context: the most tokens the model sees.
    public var nPositions = 1024
    /// Features.
    public var nEmbd = 768
    /// Blocks.
    public var nLayer = 12
    /// Heads.
    public var nHead = 12
    /// The share of embeddings, attention weights and residuals set to 0 while training.
    public var dropout = 0.1
    /// Biases in linear maps and norms.
    public var bias = true
    /// `.tanh` in OpenAI's and Hugging Face's models, `.none` in nanoGPT's.
    public var gelu = GELUApproximation.tanh

    /// A configuration; the defaults are GPT-2 small's.
    public init(
      vocabSize: Int = 50257, nPositions: Int = 1024, nEmbd: Int = 768, nLayer: Int = 12, nHead: Int = 12, dropout: Double = 0.1,
      bias: Bool = true, gelu: GELUApproximation = .tanh
    ) {
      (self.vocabSize, self.nPositions, self.nEmbd) = (vocabSize, nPositions, nEmbd)
      (self.nLayer, self.nHead, self.dropout, self.bias, self.gelu) = (nLayer, nHead, dropout, bias, gelu)
    }

    /// 124 million parameters.
    public static let small = Config()
    /// 350 million.
    public static let medium = Config(nEmbd: 1024, nLayer: 24, nHead: 16)
    /// 774 million.
    public static let large = Config(nEmbd: 1280, nLayer: 36, nHead: 20)
    /// 1,558 million.
    public static let xl = Config(nEmbd: 1600, nLayer: 48, nHead: 25)
  }

  /// The sizes.
  public let config: Config
  let transformer: Transformer
  let lmHead: Head

  /// Linear maps and embeddings start normal with the deviation 0.02, those that end a residual with 0.02/√(2 · layers).
  public init(_ config: Config = .small, file: StaticString = #fileID, line: UInt = #line) {
    if let problem = config.problem { Door.fail(TensorError(.argument, problem), in: "GPT2", file: file, line: line) }
    self.config = config
    transformer = Transformer(config)
    lmHead = Head(transformer.wte.weight)
    for (name, parameter) in namedParameters() where parameter.shape.count > 1 {
      let endsResidual = name.hasSuffix("c_proj.weight")
      Init.normal_(parameter.tensor, std: endsResidual ? 0.02 / Double(2 * config.nLayer).squareRoot() : 0.02)
    }
  }

  /// Logits [N, T, vocabSize] of tokens [N, T] (integers), T at most `nPositions`.
  public func callAsFunction(_ tokens: Tensor) -> Tensor {
    lmHead(transformer(tokens, CausalContext(tokens.ndim == 2 ? tokens.shape[1] : 0, on: tokens.device)))
  }

  final class Transformer: Module {
    let wte, wpe: Embedding
    let drop: Dropout
    let h: [Block]
    let lnF: LayerNorm

    init(_ config: Config) {
      wte = Embedding(config.vocabSize, config.nEmbd)
      wpe = Embedding(config.nPositions, config.nEmbd)
      drop = Dropout(config.dropout)
      h = (0..<config.nLayer).map { _ in Block(config) }
      lnF = LayerNorm(config.nEmbd, bias: config.bias)
    }

    /// With a cache, the last token's alone.
    func callAsFunction(_ tokens: Tensor, _ context: CausalContext) -> Tensor {
      let room = wpe.count - (context.cache?.count ?? 0)
      guard tokens.ndim == 2, tokens.shape[1] <= room else {
        let problem = "tokens should be [n, t] with t at most \(room), but their shape is \(tokens.shape)"
        return Door.refuse(TensorError(.shape, problem), in: "GPT2", tokens)
      }
      var x = drop(wte(tokens) + wpe(context.positions))
      for (i, block) in h.enumerated() { x = block(x, i, context) }
      guard let cache = context.cache else { return lnF(x) }
      cache.advance(by: tokens.shape[1])
      return lnF(x.lastToken)
    }
  }

  final class Block: Module {
    static let stateNames = ["ln1": "ln_1", "ln2": "ln_2"]
    let ln1: LayerNorm
    let attn: Attention
    let ln2: LayerNorm
    let mlp: MLP

    init(_ config: Config) {
      ln1 = LayerNorm(config.nEmbd, bias: config.bias)
      attn = Attention(config)
      ln2 = LayerNorm(config.nEmbd, bias: config.bias)
      mlp = MLP(config)
    }

    func callAsFunction(_ x: Tensor, _ layer: Int, _ context: CausalContext) -> Tensor {
      let x = x + attn(ln1(x), layer, context)
      return x + mlp(ln2(x))
    }
  }

  final class Attention: Module {
    let cAttn, cProj: Conv1D
    let residDropout: Dropout
    let heads: Int
    let dropout: Double
    let mode = Mode()

    init(_ config: Config) {
      cAttn = Conv1D(3 * config.nEmbd, config.nEmbd, bias: config.bias)
      cProj = Conv1D(config.nEmbd, config.nEmbd, bias: config.bias)
      residDropout = Dropout(config.dropout)
      (heads, dropout) = (Swift.max(config.nHead, 1), config.dropout)
    }

    func callAsFunction(_ x: Tensor, _ layer: Int, _ context: CausalContext) -> Tensor {
      let (batch, length, width) = (x.shape[0], x.shape[1], x.shape[2])
      // Slices of the product as it lies, so that its gradient is written as it lies too.
      let parts = cAttn(x).view([batch, length, 3, heads, width / heads]).unbind(dim: 2)
      let (query, key, value) = (parts[0].transpose(1, 2), parts[1].transpose(1, 2), parts[2].transpose(1, 2))
      let y = context.attend(query, key, value, layer: layer, dropout: mode.isTraining ? dropout : 0)
      return residDropout(cProj(y.joinHeads()))
    }
  }

  final class MLP: Layer {
    let cFc, cProj: Conv1D
    let dropout: Dropout
    let gelu: GELUApproximation

    init(_ config: Config) {
      cFc = Conv1D(4 * config.nEmbd, config.nEmbd, bias: config.bias)
      cProj = Conv1D(config.nEmbd, 4 * config.nEmbd, bias: config.bias)
      dropout = Dropout(config.dropout)
      gelu = config.gelu
    }

    func callAsFunction(_ x: Tensor) -> Tensor { dropout(cFc(x, then: gelu == .tanh ? .geluTanh : .gelu, cProj)) }
  }

  /// The token embedding's weight, read the other way.
  final class Head: Layer {
    let weight: Parameter
    init(_ weight: Parameter) { self.weight = weight }
    func callAsFunction(_ x: Tensor) -> Tensor { x.linear(weight.tensor) }
  }
}

/// x · weight + bias over the last dimension, the weight [inputs, outputs]. Hugging Face's `Conv1D`.
public final class Conv1D: Adaptable {
  /// Whether the weight is [inputs, outputs].
  public static let startsWithInputs = true
  /// [inFeatures, outFeatures]: transposed beside ``Linear``.
  public let weight: Parameter
  /// [outFeatures].
  public let bias: Parameter?
  /// Where a ``LoRA`` puts its map.
  public let adapter = AdapterSlot()

  /// The weight starts normal with the deviation 0.02, the bias as zeros.
  public init(_ outputs: Int, _ inputs: Int, bias: Bool = true, dtype: DType = .float32) {
    weight = Parameter(.zeros([inputs, outputs], dtype: dtype))
    self.bias = bias ? Parameter(.zeros([outputs], dtype: dtype)) : nil
    Init.normal_(weight.tensor, std: 0.02)
  }

  /// x @ weight + bias: [..., in] → [..., out].
  public func callAsFunction(_ x: Tensor) -> Tensor {
    let rows = x.reshape([-1, x.shape[-1]])
    let y = bias?.tensor.addmm(rows, weight.tensor) ?? rows.mm(weight.tensor)
    return adapter.added(to: y.view(Shape(x.shape.dropLast() + [weight.shape[1]])), x)
  }

  public var configuration: String { "\(weight.shape[1]), \(weight.shape[0]), bias: \(bias != nil)" }
}

extension StateDict {
  /// A published GPT-2 under the names and in the shapes of ``GPT2``.
  ///
  /// Takes Hugging Face's files, whose names may lack `transformer.` and the tied head and which may hold causal masks, and
  /// nanoGPT's, whose linear weights are [outputs, inputs] and whose names may begin with `_orig_mod.`.
  public func forGPT2() -> StateDict {
    var result = StateDict()
    for (key, value) in self {
      var name = key.hasPrefix("_orig_mod.") ? String(key.dropFirst("_orig_mod.".count)) : key
      if name.hasSuffix(".attn.bias") || name.hasSuffix(".attn.masked_bias") { continue }
      if !name.hasPrefix("transformer.") && !name.hasPrefix("lm_head.") { name = "transformer." + name }
      result[name] = value
    }
    if let tokens = result["transformer.wte.weight"], result["lm_head.weight"] == nil { result["lm_head.weight"] = tokens }
    // The first block's widening map tells the two layouts apart.
    if let wide = result["transformer.h.0.mlp.c_fc.weight"], wide.ndim == 2, wide.shape[0] > wide.shape[1] {
      for (key, value) in result where value.ndim == 2 && key.hasSuffix(".weight") && key.contains(".c_") {
        result[key] = value.T
      }
    }
    return result
  }
}
