import Flambeau

/// Samples in random order, each epoch another. Torch's `RandomSampler`, with torch's bits.
///
/// As torch does, it draws an order from `generator` if there is one; else it draws a seed from the current generator, for a generator
/// that makes the order.
public struct RandomSampler: Sampler {
  /// How many samples there are to draw from.
  public let population: Int
  /// Whether a sample may come more than once, and others never.
  public let replacement: Bool
  /// How many there are in an epoch.
  public let count: Int
  /// Where the order is drawn from; nil for the default.
  public let generator: Generator?
  /// With replacement torch draws so many at once.
  private static let chunk = 32

  /// Positions in `0..<count`.
  ///
  /// - Parameters:
  ///   - replacement: Draw one after another, so that some come more than once and others never; otherwise all come in every `count`.
  ///   - numSamples: How many an epoch has, if not `count`; an error unless it is positive.
  ///   - generator: Where the order comes from, instead of a generator that the current one seeds.
  public init(
    count: Int, replacement: Bool = false, numSamples: Int? = nil, generator: Generator? = nil,
    file: StaticString = #fileID, line: UInt = #line
  ) {
    population = count
    self.replacement = replacement
    self.count = max(numSamples ?? count, 0)
    self.generator = generator
    if let numSamples { checkPositive(numSamples, "RandomSampler", file, line) }
  }

  /// The order of an epoch.
  public func indices() -> [Int] {
    if population < 1 { return [] }
    let random = generator ?? Generator(seed: Generator.current.nextInt64())
    return replacement ? draws(from: random) : permutations(from: random)
  }

  private func permutations(from random: Generator) -> [Int] {
    var order: [Int] = []
    for _ in 0..<count / population { order += random.permutation(population) }
    let rest = count % population
    // By the end of an epoch torch has drawn one more, also if it takes nothing of it.
    if rest > 0 || generator != nil { order += random.permutation(population).prefix(rest) }
    return order
  }

  private func draws(from random: Generator) -> [Int] {
    var indices: [Int64] = Array(repeating: 0, count: count)
    for start in stride(from: 0, to: count, by: Self.chunk) {
      let end = min(start + Self.chunk, count)
      indices[start..<end].withUnsafeMutableBytes {
        random.fillIntegers($0.baseAddress!, .int64, count: end - start, low: 0, high: Int64(population))
      }
    }
    return indices.map(Int.init)
  }
}

/// The given samples in random order, each epoch another. Torch's `SubsetRandomSampler`, with torch's bits.
public struct SubsetRandomSampler: Sampler {
  /// Which samples.
  public let selected: [Int]
  /// Where the order is drawn from; nil for the current generator.
  public let generator: Generator?

  /// - Parameter generator: Where orders come from, instead of the current generator.
  public init(_ indices: some Sequence<Int>, generator: Generator? = nil) {
    selected = Array(indices)
    self.generator = generator
  }

  /// How many there are.
  public var count: Int { selected.count }

  /// The order of an epoch.
  public func indices() -> [Int] { (generator ?? .current).permutation(selected.count).map { selected[$0] } }
}

/// Samples drawn by their weights. Torch's `WeightedRandomSampler`, with torch's bits.
public struct WeightedRandomSampler: Sampler {
  /// float64, a weight for each sample of the data set.
  public let weights: Tensor
  /// How many are drawn in an epoch.
  public let count: Int
  /// Whether a sample may come more than once.
  public let replacement: Bool
  /// Where the order is drawn from; nil for the current generator.
  public let generator: Generator?

  /// - Parameters:
  ///   - weights: None is negative; they need not sum up to 1.
  ///   - numSamples: How many are drawn in an epoch; an error unless it is positive.
  ///   - generator: Where the order comes from, instead of the current generator.
  public init(
    _ weights: [Double], numSamples: Int, replacement: Bool = true, generator: Generator? = nil,
    file: StaticString = #fileID, line: UInt = #line
  ) {
    self.weights = Tensor(weights, device: .cpu)
    count = max(numSamples, 0)
    self.replacement = replacement
    self.generator = generator
    checkPositive(numSamples, "WeightedRandomSampler", file, line)
  }

  /// The order of an epoch. Weights of which nothing can be drawn are an error.
  public func indices() -> [Int] {
    let drawn = weights.multinomial(count, replacement: replacement, generator: generator)
    return Context.current.isFailed ? [] : drawn.array(of: Int.self)
  }
}

private func checkPositive(_ numSamples: Int, _ operation: String, _ file: StaticString, _ line: UInt) {
  if numSamples > 0 || Context.current.isFailed { return }
  let problem = "num_samples should be a positive integer value, but got num_samples=\(numSamples)"
  Door.fail(TensorError(.argument, problem), in: operation, file: file, line: line)
}
