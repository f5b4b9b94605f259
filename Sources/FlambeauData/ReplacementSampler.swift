import Flambeau

/// `count` indices of `population` samples, drawn one after another so that some come more than once and others never. Torch's
/// `RandomSampler` with `replacement=True`, with torch's bits.
public struct ReplacementSampler: Sampler {
  /// How many samples there are to draw from.
  public let population: Int
  /// How many there are.
  public let count: Int
  /// Where the order is drawn from; nil for the default.
  public let generator: Generator?
  /// Torch draws so many at once.
  private static let chunk = 32

  /// - Parameter generator: Where the indices come from, instead of a generator that the current one seeds.
  public init(population: Int, count: Int, generator: Generator? = nil) {
    self.population = population
    self.count = count
    self.generator = generator
  }

  /// The order of an epoch.
  public func indices() -> [Int] {
    if population < 1 { return [] }
    let generator = generator ?? Generator(seed: Generator.current.nextInt64())
    var indices: [Int64] = Array(repeating: 0, count: count)
    for start in stride(from: 0, to: count, by: Self.chunk) {
      let end = min(start + Self.chunk, count)
      indices[start..<end].withUnsafeMutableBytes {
        generator.fillIntegers($0.baseAddress!, .int64, count: end - start, low: 0, high: Int64(population))
      }
    }
    return indices.map(Int.init)
  }
}
