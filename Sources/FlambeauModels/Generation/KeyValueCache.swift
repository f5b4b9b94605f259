import Flambeau
import FlambeauNN

/// The keys and values of the tokens that a model has read, in memory that is taken once: to read one more token, a model computes
/// that token's alone.
///
/// It belongs to the task that generates.
public final class KeyValueCache {
  /// The most tokens of a row, padding included.
  public let capacity: Int
  /// The tokens read so far, padding included.
  public private(set) var count = 0
  /// How many of each row's first tokens are padding, which no other token sees; nil if none are.
  private let padding: Tensor?
  let device: Device
  /// [n, heads, capacity, width] for each layer.
  private let layers: [(keys: Tensor, values: Tensor)]

  /// - Parameters:
  ///   - heads: Of keys and values.
  ///   - width: The features of a head.
  ///   - padding: How many tokens of padding each of the `batch` rows begins with; empty for none.
  public init(
    layers: Int, batch: Int, heads: Int, width: Int, capacity: Int, padding: [Int] = [], dtype: DType = .float32,
    device: Device? = nil
  ) {
    self.capacity = capacity
    let device = device ?? .current
    self.device = device
    self.padding = padding.contains { $0 > 0 } ? Tensor(padding, device: device) : nil
    self.layers = (0..<layers).map { _ in
      let shape: Shape = [batch, heads, capacity, width]
      return (.zeros(shape, dtype: dtype, device: device), .zeros(shape, dtype: dtype, device: device))
    }
  }

  /// Forgets all tokens but the first `count`, so that a model goes on from there.
  public func truncate(to count: Int) { self.count = Swift.min(Swift.max(count, 0), self.count) }

  /// Where the next `length` tokens stand and what they see.
  func context(_ length: Int) -> CausalContext {
    let places = Tensor.arange(count, count + length, device: device)
    let isSingle = length == 1
    guard let padding else {
      let isFirst = count == 0
      let mask = isSingle || isFirst ? nil : places.unsqueeze(1) .>= .arange(count + length, device: device)
      return CausalContext(positions: places, mask: mask, isCausal: isFirst && !isSingle, cache: self)
    }
    let skipped = padding.unsqueeze(1)
    let keys = Tensor.arange(count + length, device: device)
    var mask = (keys .>= skipped).unsqueeze(1).unsqueeze(1)
    if !isSingle { mask = mask.logicalAnd(places.unsqueeze(1) .>= keys) }
    return CausalContext(positions: (places - skipped).clamp(min: 0), mask: mask, isCausal: false, cache: self)
  }

  /// The keys and values of all tokens of a layer, with those of the next ones [n, heads, t, width].
  func extended(_ layer: Int, _ keys: Tensor, _ values: Tensor) -> (keys: Tensor, values: Tensor) {
    let (start, length) = (count, keys.shape[2])
    let (allKeys, allValues) = layers[layer]
    noGrad {
      _ = allKeys.narrow(2, start: start, length: length).copy_(keys)
      _ = allValues.narrow(2, start: start, length: length).copy_(values)
    }
    let end = start + length
    return (allKeys.narrow(2, start: 0, length: end), allValues.narrow(2, start: 0, length: end))
  }

  /// The layers have seen so many more tokens.
  func advance(by length: Int) { count += length }
}

/// Where the tokens of a call stand, and which each of them sees.
struct CausalContext {
  /// [t] or [n, t].
  let positions: Tensor
  /// [t, s] or [n, 1, t, s]: true where a token sees another; nil if `isCausal` or all are seen.
  let mask: Tensor?
  /// Token i sees tokens 0 … i.
  let isCausal: Bool
  let cache: KeyValueCache?

  /// `length` tokens that nothing is remembered of.
  init(_ length: Int, on device: Device) {
    self.init(positions: .arange(length, device: device), mask: nil, isCausal: true, cache: nil)
  }

  init(positions: Tensor, mask: Tensor?, isCausal: Bool, cache: KeyValueCache?) {
    (self.positions, self.mask, self.isCausal, self.cache) = (positions, mask, isCausal, cache)
  }

  /// Attention of these tokens' queries [n, heads, t, width] to what a layer has seen. Heads of queries may share those of keys.
  func attend(_ q: Tensor, _ k: Tensor, _ v: Tensor, layer: Int, dropout: Double = 0, sharesHeads: Bool = false) -> Tensor {
    let (keys, values) = cache?.extended(layer, k, v) ?? (k, v)
    return q.scaledDotProductAttention(
      keys, values, attnMask: mask, dropoutP: dropout, isCausal: isCausal, enableGQA: sharesHeads)
  }
}
