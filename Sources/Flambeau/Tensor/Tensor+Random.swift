// Random numbers: torch's bits for a seed. They come from `generator`, or from the current one: that of ``withGenerator(_:_:)``
// or the default, which ``manualSeed(_:)`` seeds. On a GPU they are Philox's, from seeds that the generator gives: the same on every GPU.

extension Tensor {
  /// Uniform numbers in [0, 1). Floating point only. Torch's `rand`.
  public static func rand(
    _ shape: Shape, dtype: DType = .float32, device: Device? = nil, generator: Generator? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    empty(shape, dtype: dtype, device: device, file: file, line: line).uniform_(generator: generator, file: file, line: line)
  }

  /// Normal numbers of mean 0 and standard deviation 1. Floating point only. Torch's `randn`.
  public static func randn(
    _ shape: Shape, dtype: DType = .float32, device: Device? = nil, generator: Generator? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor { normal(mean: 0, std: 1, shape, dtype: dtype, device: device, generator: generator, file: file, line: line) }

  /// Normal numbers. Floating point only. Torch's `normal`.
  public static func normal(
    mean: Double, std: Double, _ shape: Shape, dtype: DType = .float32, device: Device? = nil, generator: Generator? = nil,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    empty(shape, dtype: dtype, device: device, file: file, line: line)
      .normal_(mean: mean, std: std, generator: generator, file: file, line: line)
  }

  /// Whole numbers of low..<high. Torch's `randint`.
  public static func randint(
    _ low: Int, _ high: Int, _ shape: Shape, dtype: DType = .int64, device: Device? = nil, generator: Generator? = nil,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    empty(shape, dtype: dtype, device: device, file: file, line: line)
      .random_(from: low, to: high, generator: generator, file: file, line: line)
  }

  /// Whole numbers of 0..<high.
  public static func randint(
    _ high: Int, _ shape: Shape, dtype: DType = .int64, device: Device? = nil, generator: Generator? = nil,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { randint(0, high, shape, dtype: dtype, device: device, generator: generator, file: file, line: line) }

  /// 0..<count in random order: torch's numbers on the processor; on a GPU that of random keys. Torch's `randperm`.
  public static func randperm(
    _ count: Int, dtype: DType = .int64, device: Device? = nil, generator: Generator? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    let order = create("randperm", on: device, at: CallSite(file, line)) { (device) throws(TensorError) in
      guard dtype != .bool else { throw .dtype("randperm is not implemented for bool") }
      if count > 0 { _ = try dtype.element(Number(count), .integer) }
      if !device.isCPU {
        let keys = empty([count], dtype: .int64, device: device).random_(generator: generator)
        let order = keys.argsort()
        if let poison = order.body.poison { throw poison }
        return order.body.value
      }
      let value = try Value(checked: [count], .int64)
      withExtendedLifetime(value.storage) {
        (generator ?? .current).fillPermutation(
          value.elements.start.assumingMemoryBound(to: Int64.self), count: count)
      }
      return value
    }
    return order.to(dtype)
  }

  /// Uniform numbers in [0, 1), like this tensor in shape, dtype and order in memory. Torch's `rand_like`.
  public func randLike(
    dtype: DType? = nil, generator: Generator? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    emptyLike(dtype: dtype, file: file, line: line).uniform_(generator: generator, file: file, line: line)
  }

  /// Normal numbers, like this tensor in shape, dtype and order in memory. Torch's `randn_like`.
  public func randnLike(
    dtype: DType? = nil, generator: Generator? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    emptyLike(dtype: dtype, file: file, line: line).normal_(generator: generator, file: file, line: line)
  }

  /// Whole numbers of low..<high, like this tensor in shape, dtype and order in memory. Torch's `randint_like`.
  public func randintLike(
    _ low: Int, _ high: Int, dtype: DType? = nil, generator: Generator? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    emptyLike(dtype: dtype, file: file, line: line)
      .random_(from: low, to: high, generator: generator, file: file, line: line)
  }

  /// Whole numbers of 0..<high, like this tensor in shape, dtype and order in memory.
  public func randintLike(
    _ high: Int, dtype: DType? = nil, generator: Generator? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { randintLike(0, high, dtype: dtype, generator: generator, file: file, line: line) }

  /// 1 with the probability each element is, else 0. Floating point only. Torch's `bernoulli`.
  public func bernoulli(
    generator: Generator? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    if let poison = body.poison { return Door.poisoned(by: poison, .current) }
    return Tensor.empty(shape, dtype: dtype, device: device).bernoulli_(self, generator: generator, file: file, line: line)
  }

  /// `draws` categories, drawn by their weights: a vector's or every row's of a matrix. int64. Torch's `multinomial`.
  ///
  /// Weights are not negative, and need not sum up to 1. Without `replacement` no category is drawn twice.
  public func multinomial(
    _ draws: Int, replacement: Bool = false, generator: Generator? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    drawing(from: generator) {
      ops.samplings.multinomial(
        self, MultinomialArguments(draws: draws, replacement: replacement), at: CallSite(file, line))
    }
  }
}

extension Tensor {
  /// Uniform numbers in [from, to) over every element. Floating point only. Torch's `uniform_`.
  @discardableResult
  public func uniform_(
    from: Double = 0, to: Double = 1, generator: Generator? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    drawing(from: generator) {
      ops.draws.uniform.write(Few(self), UniformArguments(from: from, to: to), at: CallSite(file, line))
    }
  }

  /// Normal numbers over every element. Floating point only. Torch's `normal_`.
  @discardableResult
  public func normal_(
    mean: Double = 0, std: Double = 1, generator: Generator? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    drawing(from: generator) {
      ops.draws.normal.write(Few(self), NormalArguments(mean: mean, std: std), at: CallSite(file, line))
    }
  }

  /// Numbers with the density rate · exp(−rate · x) over every element. Floating point only. Torch's `exponential_`.
  @discardableResult
  public func exponential_(
    _ rate: Double = 1, generator: Generator? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    drawing(from: generator) { ops.draws.exponential.write(Few(self), rate, at: CallSite(file, line)) }
  }

  /// 1 with the probability `p`, else 0, over every element. Torch's `bernoulli_`.
  @discardableResult
  public func bernoulli_(
    _ p: Double = 0.5, generator: Generator? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    drawing(from: generator) { ops.draws.bernoulli.write(Few(self), p, at: CallSite(file, line)) }
  }

  /// 1 with the probability that the element of `p`, broadcast to this shape, is, else 0. Torch's `bernoulli_`.
  @discardableResult
  public func bernoulli_(
    _ p: Tensor, generator: Generator? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    drawing(from: generator) { ops.samplings.bernoulli.write(Few(self, p), None(), at: CallSite(file, line)) }
  }

  /// Whole numbers over every element: all from 0 on that the dtype holds exactly. Torch's `random_`.
  @discardableResult
  public func random_(
    generator: Generator? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    drawing(from: generator) { ops.draws.integers.write(Few(self), IntegerArguments(), at: CallSite(file, line)) }
  }

  /// Whole numbers of 0..<to over every element. Torch's `random_`.
  @discardableResult
  public func random_(
    _ to: Int, generator: Generator? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { random_(from: 0, to: to, generator: generator, file: file, line: line) }

  /// Whole numbers of from..<to over every element. Torch's `random_`.
  @discardableResult
  public func random_(
    from: Int, to: Int, generator: Generator? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    drawing(from: generator) {
      ops.draws.integers.write(Few(self), IntegerArguments(low: from, high: to), at: CallSite(file, line))
    }
  }

  func drawing(from generator: Generator?, _ draw: () -> Tensor) -> Tensor {
    guard let generator else { return draw() }
    return withGenerator(generator, draw)
  }
}
