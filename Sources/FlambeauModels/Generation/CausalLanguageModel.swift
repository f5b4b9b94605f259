import Flambeau
import FlambeauNN

/// A model that says which token follows, and can be asked token by token: ``GPT2``, ``LLaMA``.
///
///     let text = model.generate(tokens, GenerationOptions(maxNewTokens: 40, temperature: 0.8, topK: 50, seed: 1))
///     for await token in model.stream(tokens) { … }
public protocol CausalLanguageModel: Layer {
  /// How many tokens the model knows: the last dimension of its logits.
  var vocabSize: Int { get }
  /// The most tokens the model sees.
  var contextLength: Int { get }

  /// Memory for what the model reads.
  ///
  /// - Parameters:
  ///   - batch: The rows of tokens that are read side by side.
  ///   - capacity: The most tokens of a row.
  ///   - padding: How many tokens of padding each row begins with; empty for none.
  func makeCache(batch: Int, capacity: Int, padding: [Int]) -> KeyValueCache

  /// Reads `tokens` [n, t] after those in `cache` and adds them to it. The result is [n, vocabSize], logits of the token that
  /// follows each row. Call it inside `noGrad`.
  func nextLogits(_ tokens: Tensor, _ cache: KeyValueCache) -> Tensor
}

extension CausalLanguageModel {
  /// Refuses tokens for which a cache has no room.
  func checkRoom(_ tokens: Tensor, _ cache: KeyValueCache) -> Tensor? {
    guard tokens.ndim != 2 || cache.count + tokens.shape[1] > cache.capacity else { return nil }
    let problem =
      "tokens should be [n, t] with t at most \(cache.capacity - cache.count), which the cache has room for, but their shape is "
      + "\(tokens.shape)"
    return Door.refuse(TensorError(.shape, problem), in: "nextLogits", tokens)
  }
}

extension GPT2: CausalLanguageModel {
  /// Tokens.
  public var vocabSize: Int { config.vocabSize }
  /// Tokens that the model can look at.
  public var contextLength: Int { config.nPositions }

  /// A cache for `batch` texts of up to `capacity` tokens.
  public func makeCache(batch: Int, capacity: Int, padding: [Int] = []) -> KeyValueCache {
    KeyValueCache(
      layers: config.nLayer, batch: batch, heads: config.nHead, width: config.nEmbd / Swift.max(config.nHead, 1),
      capacity: capacity, padding: padding, dtype: lmHead.weight.dtype, device: lmHead.weight.device)
  }

  /// The logits that follow `tokens`, which come after those in the cache.
  public func nextLogits(_ tokens: Tensor, _ cache: KeyValueCache) -> Tensor {
    if let refused = checkRoom(tokens, cache) { return refused }
    return lmHead(transformer(tokens, cache.context(tokens.shape[1]))).select(dim: 1, index: 0)
  }
}

extension LLaMA: CausalLanguageModel {
  /// Tokens.
  public var vocabSize: Int { config.vocabSize }
  /// Tokens that the model can look at.
  public var contextLength: Int { config.maxPositionEmbeddings }

  /// A cache for `batch` texts of up to `capacity` tokens.
  public func makeCache(batch: Int, capacity: Int, padding: [Int] = []) -> KeyValueCache {
    KeyValueCache(
      layers: config.numHiddenLayers, batch: batch, heads: config.numKeyValueHeads, width: config.headDim, capacity: capacity,
      padding: padding, dtype: lmHead.weight.dtype, device: lmHead.weight.device)
  }

  /// The logits that follow `tokens`, which come after those in the cache.
  public func nextLogits(_ tokens: Tensor, _ cache: KeyValueCache) -> Tensor {
    if let refused = checkRoom(tokens, cache) { return refused }
    return lmHead(model(tokens, cache.context(tokens.shape[1]))).select(dim: 1, index: 0)
  }
}

extension Tensor {
  /// [n, 1, width] of [n, t, width].
  var lastToken: Tensor { narrow(1, start: shape[1] - 1, length: 1) }
}
