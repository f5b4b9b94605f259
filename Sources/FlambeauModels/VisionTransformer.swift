import Flambeau
import FlambeauNN

/// A transformer that reads an image as a row of patches (Dosovitskiy et al., 2021), with torchvision's names: its checkpoints
/// load as they are.
///
/// Input [n, 3, imageSize, imageSize], normalised as the checkpoint wants it; output [n, numClasses], logits.
public final class VisionTransformer: Layer {
  /// The sizes of a model.
  public struct Config: Sendable, Hashable {
    /// Rows and columns of an image.
    public var imageSize = 224
    /// Rows and columns of a patch.
    public var patchSize = 16
    /// Layers.
    public var numLayers = 12
    /// Heads.
    public var numHeads = 12
    /// Features.
    public var hiddenDim = 768
    /// Features inside the feed-forward part.
    public var mlpDim = 3072
    /// The share of embeddings and of what is added to residuals that is set to 0 while training.
    public var dropout = 0.0
    /// Dropout of attention weights.
    public var attentionDropout = 0.0
    /// Classes.
    public var numClasses = 1000

    /// ViT-B/16.
    public init() {}

    /// Torchvision's `vit_b_16`: 87 million parameters.
    public static let b16 = Config()
    /// Torchvision's `vit_b_32`.
    public static let b32: Config = {
      var config = Config()
      config.patchSize = 32
      return config
    }()
    /// Torchvision's `vit_l_16`: 304 million parameters.
    public static let l16: Config = {
      var config = Config()
      (config.numLayers, config.numHeads, config.hiddenDim, config.mlpDim) = (24, 16, 1024, 4096)
      return config
    }()
  }

  /// The sizes.
  public let config: Config
  let classToken: Parameter
  let convProj: Conv2d
  let encoder: Encoder
  let heads: Heads

  /// A network with fresh weights; the default is ViT-B/16.
  public init(_ config: Config = .b16, file: StaticString = #fileID, line: UInt = #line) {
    if config.patchSize <= 0 || config.imageSize % config.patchSize != 0 {
      let problem = "imageSize (\(config.imageSize)) must be divisible by patchSize (\(config.patchSize))"
      Door.fail(TensorError(.argument, problem), in: "VisionTransformer", file: file, line: line)
    }
    self.config = config
    classToken = Parameter(.zeros([1, 1, config.hiddenDim]))
    convProj = Conv2d(3, config.hiddenDim, Size2D(config.patchSize), stride: Size2D(config.patchSize))
    encoder = Encoder(config)
    heads = Heads(config)
    Init.truncNormal_(convProj.weight.tensor, std: 1 / Double(3 * config.patchSize * config.patchSize).squareRoot())
    if let bias = convProj.bias { Init.zeros_(bias.tensor) }
  }

  /// Logits [N, classes] of images [N, 3, side, side].
  public func callAsFunction(_ x: Tensor) -> Tensor {
    guard x.ndim == 4, x.shape[2] == config.imageSize, x.shape[3] == config.imageSize else {
      let problem = "images should be [n, 3, \(config.imageSize), \(config.imageSize)], but their shape is \(x.shape)"
      return Door.refuse(TensorError(.shape, problem), in: "VisionTransformer", x)
    }
    let patches = convProj(x).flatten(startDim: 2).transpose(1, 2)
    let first = classToken.tensor.expand([x.shape[0], 1, config.hiddenDim])
    return heads.head(encoder(.cat([first, patches], dim: 1)).select(dim: 1, index: 0))
  }

  final class Encoder: Layer {
    let posEmbedding: Parameter
    let dropout: Dropout
    /// By torchvision's names, `encoder_layer_0`, ….
    let layers: [String: Block]
    let ln: LayerNorm
    private let order: [String]

    init(_ config: Config) {
      let patches = config.imageSize / Swift.max(config.patchSize, 1)
      posEmbedding = Parameter(.zeros([1, patches * patches + 1, config.hiddenDim]))
      dropout = Dropout(config.dropout)
      order = (0..<config.numLayers).map { "encoder_layer_\($0)" }
      layers = Dictionary(uniqueKeysWithValues: order.map { ($0, Block(config)) })
      ln = LayerNorm(config.hiddenDim, eps: 1e-6)
      Init.normal_(posEmbedding.tensor, std: 0.02)
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
      ln(order.reduce(dropout(x + posEmbedding.tensor)) { x, name in layers[name]!(x) })
    }
  }

  final class Block: Layer {
    static let stateNames = ["ln1": "ln_1", "ln2": "ln_2"]
    let ln1: LayerNorm
    let selfAttention: MultiheadAttention
    let dropout: Dropout
    let ln2: LayerNorm
    let mlp: Sequential

    init(_ config: Config) {
      ln1 = LayerNorm(config.hiddenDim, eps: 1e-6)
      selfAttention = MultiheadAttention(
        config.hiddenDim, config.numHeads, dropout: config.attentionDropout, batchFirst: true)
      dropout = Dropout(config.dropout)
      ln2 = LayerNorm(config.hiddenDim, eps: 1e-6)
      let (wide, narrow) = (Linear(config.hiddenDim, config.mlpDim), Linear(config.mlpDim, config.hiddenDim))
      mlp = Sequential(wide, GELU(), Dropout(config.dropout), narrow, Dropout(config.dropout))
      for linear in [wide, narrow] {
        Init.xavierUniform_(linear.weight.tensor)
        if let bias = linear.bias { Init.normal_(bias.tensor, std: 1e-6) }
      }
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
      let y = ln1(x)
      let attended = x + dropout(selfAttention(y, y, y, needWeights: false).output)
      return attended + mlp(ln2(attended))
    }
  }

  final class Heads: Module {
    let head: Linear

    init(_ config: Config) {
      head = Linear(config.hiddenDim, config.numClasses)
      Init.zeros_(head.weight.tensor)
      if let bias = head.bias { Init.zeros_(bias.tensor) }
    }
  }
}
