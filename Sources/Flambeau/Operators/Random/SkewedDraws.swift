struct CauchyArguments: Sendable {
  let median: Double
  let sigma: Double
}

/// Rows that write random numbers of less common distributions over what was there.
struct SkewedDraws: Sendable {
  let cauchy: Operator<CauchyArguments> = Draws.draw(
    "cauchy_",
    Draws.sample("cauchy_()") { $0.cauchy_() }, Draws.sample("cauchy_(1, 0.5)") { $0.cauchy_(median: 1, sigma: 0.5) },
    check: { (dtype, at) throws(TensorError) in
      guard dtype.isFloatingPoint else {
        throw .dtype(
          "Cauchy distribution is a continuous probability distribution. dtype must be a floating point but you specified "
            + "\(dtype.drawName == "long" ? "long int" : dtype.drawName)")
      }
      guard at.sigma > 0 else { throw .argument("cauchy_ expects sigma > 0.0, but found sigma=\(at.sigma)") }
    },
    onGPU: { _, at in .cauchy(median: at.median, sigma: at.sigma) }
  ) { generator, start, dtype, count, _, at in
    generator.fillCauchy(start, dtype, count: count, median: at.median, sigma: at.sigma)
  }

  let logNormal: Operator<NormalArguments> = Draws.draw(
    "log_normal_",
    Draws.sample("log_normal_()") { $0.logNormal_() },
    Draws.sample("log_normal_(0.5, 0.25)") { $0.logNormal_(mean: 0.5, std: 0.25) },
    check: { (dtype, at) throws(TensorError) in
      guard at.std > 0 else { throw .argument("log_normal_ expects std > 0.0, but found std=\(at.std)") }
      guard dtype.isFloatingPoint else {
        throw .dtype("\"log_normal_cpu\" not implemented for '\(dtype.torchScalarName)'")
      }
    },
    onGPU: { _, at in .logNormal(mean: at.mean, std: at.std) }
  ) { generator, start, dtype, count, _, at in
    generator.fillLogNormal(start, dtype, count: count, mean: at.mean, std: at.std)
  }

  /// The attribute is the probability of a success.
  let geometric: Operator<Double> = Draws.draw(
    "geometric_",
    Draws.sample("geometric_(0.3)") { $0.geometric_(0.3) },
    check: { (dtype, p) throws(TensorError) in
      guard p > 0, p < 1 else { throw .argument("geometric_ expects p to be in (0, 1), but got p=\(p)") }
      guard dtype != .bool else { throw .dtype("\"geometric_cpu\" not implemented for 'Bool'") }
    },
    onGPU: { _, p in .geometric(p) }
  ) { generator, start, dtype, count, _, p in generator.fillGeometric(start, dtype, count: count, p: p) }

  let poisson: Operator<None> = Operator(
    "poisson",
    forward: { (operands, _) throws(TensorError) in
      let rates = operands[0]!.body
      guard rates.dtype.isFloatingPoint else {
        throw .dtype("\"poisson_cpu\" not implemented for '\(rates.dtype.torchScalarName)'")
      }
      if !rates.device.isCPU { return try SkewedDraws.poissonOnGPU(rates) }
      let wide = try Value(Layout(rates.layout.shape), .float64)
      let result = try Value(Layout(rates.layout.shape), rates.dtype)
      try rates.elements.copy(to: wide.elements)
      try withExtendedLifetime((wide.storage, result.storage)) { () throws(TensorError) in
        let start = wide.elements.start.assumingMemoryBound(to: Double.self)
        let rates = UnsafeBufferPointer(start: start, count: wide.layout.elementCount)
        guard rates.allSatisfy({ $0 >= 0 }) else { throw .invalidRate }
        Generator.current.fillPoisson(result.elements.start, result.dtype, rates: rates)
      }
      return result
    },
    backward: { (call, gradient) throws(TensorError) in
      Few(.zeros(call.shape(0), dtype: call.dtype(0), device: gradient.device))
    },
    samples: [
      Sample("(torch.manual_seed(7), torch.poisson(a))[1]", [.real([3, 7], 0...9)]) { operands in
        withGenerator(Generator(seed: 7)) { operands[0].poisson() }
      },
      Sample("(torch.manual_seed(7), torch.poisson(a * 30))[1]", [.real([3, 7], 0...3)]) { operands in
        withGenerator(Generator(seed: 7)) { (operands[0] * 30).poisson() }
      },
    ]
  ).onGPU()

  private static func poissonOnGPU(_ rates: TensorBody) throws(TensorError) -> Value {
    try noGrad { (Tensor(rates) .>= 0).all() }.orThrow(.invalidRate, in: "poisson")
    let result = try Value(Layout(rates.layout.shape), rates.dtype, on: rates.device)
    try withExtendedLifetime((rates, result.storage)) { () throws(TensorError) in
      try RandomTask.draw(.poissonOf(rates.elements), into: result.elements)
    }
    return result
  }

  /// Made of other rows.
  let composites: [Sample] = [
    Sample("(torch.manual_seed(7), torch.normal(a.detach(), b.detach()))[1]", [.real([3, 7]), .real([3, 7], 0.5...2)]) {
      operands in
      withGenerator(Generator(seed: 7)) { .normal(mean: operands[0], std: operands[1]) }
    },
    Sample("(torch.manual_seed(7), torch.normal(a.detach(), 0.5))[1]", [.real([3, 7])]) { operands in
      withGenerator(Generator(seed: 7)) { .normal(mean: operands[0], std: 0.5) }
    },
    Sample("(torch.manual_seed(7), torch.normal(1., a.detach()))[1]", [.real([3, 7], 0.5...2)]) { operands in
      withGenerator(Generator(seed: 7)) { .normal(mean: 1, std: operands[0]) }
    },
  ]
}

extension TensorError {
  fileprivate static let invalidRate = argument("invalid Poisson rate, expected rate to be non-negative")
}

extension Tensor {
  /// Numbers with the density of Cauchy's distribution over every element. Floating point only. Torch's `cauchy_`.
  @discardableResult
  public func cauchy_(
    median: Double = 0, sigma: Double = 1, generator: Generator? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    drawing(from: generator) {
      ops.skewedDraws.cauchy.write(Few(self), CauchyArguments(median: median, sigma: sigma), at: CallSite(file, line))
    }
  }

  /// Numbers whose logarithms are normal, of `mean` and `std`, over every element. Floating point only. Torch's
  /// `log_normal_`.
  @discardableResult
  public func logNormal_(
    mean: Double = 1, std: Double = 2, generator: Generator? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    drawing(from: generator) {
      ops.skewedDraws.logNormal.write(Few(self), NormalArguments(mean: mean, std: std), at: CallSite(file, line))
    }
  }

  /// How many trials it takes to the first success, which has the probability `p`, over every element. Torch's
  /// `geometric_`.
  @discardableResult
  public func geometric_(
    _ p: Double, generator: Generator? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    drawing(from: generator) { ops.skewedDraws.geometric.write(Few(self), p, at: CallSite(file, line)) }
  }

  /// How many events happen where each element says how many are expected. Floating point only. Torch's `poisson`.
  public func poisson(
    generator: Generator? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { drawing(from: generator) { ops.skewedDraws.poisson(self, None(), at: CallSite(file, line)) } }

  /// Normal numbers, with a mean and a standard deviation for each; the two broadcast. Torch's `normal`.
  public static func normal(
    mean: Tensor, std: Tensor, generator: Generator? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    mean.checked("normal", at: CallSite(file, line)) { _ throws(TensorError) in
      try (std.detach() .>= 0).all().orThrow(.argument("normal expects all elements of std >= 0.0"), in: "normal")
      let shape = try Shape.broadcast(mean.shape, std.shape)
      let noise = empty(shape, dtype: mean.dtype, device: mean.device).normal_(generator: generator, file: file, line: line)
      return noise.detach().mul_(std.detach()).add_(mean.detach())
    }
  }

  /// The same with numbers.
  public static func normal(
    mean: Tensor, std: Double, generator: Generator? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    empty(mean.shape, dtype: mean.dtype, device: mean.device).normal_(std: std, generator: generator, file: file, line: line)
      .add_(mean.detach())
  }

  /// The same with numbers.
  public static func normal(
    mean: Double, std: Tensor, generator: Generator? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    normal(
      mean: .full(std.shape, mean, dtype: std.dtype, device: std.device), std: std, generator: generator, file: file, line: line)
  }
}
