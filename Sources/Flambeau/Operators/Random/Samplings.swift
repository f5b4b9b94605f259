/// Draws whose probabilities are tensors.
struct Samplings: Sendable {
  /// Operand 1 are the probabilities of 1.
  let bernoulli: Operator<None> = Operator(
    "bernoulli_",
    plan: { (operands, _) throws(TensorError) in
      let (target, p) = (operands[0]!.body, operands[1]!.body)
      guard p.dtype.isFloatingPoint else {
        throw .dtype("\"bernoulli_tensor_cpu_p_\" not implemented for '\(p.dtype.torchScalarName)'")
      }
      _ = try p.layout.expanded(to: target.layout.shape, p.dtype)
      return ResultPlan(layout: target.layout, dtype: target.dtype, compute: target.dtype)
    },
    fill: { (operands, _, _, result) throws(TensorError) in
      let p = operands[1]!.body
      if !result.device.isCPU { return try Samplings.bernoulliOnGPU(p, into: result) }
      let place = result.layout.isDense ? result.layout : result.layout.dense
      let shape = Layout(shape: place.shape, strides: place.strides, offset: 0)
      let probabilities = try Value(shape, p.dtype == .float64 ? .float64 : .float32)
      try withExtendedLifetime(p) { () throws(TensorError) in
        try p.elements(p.layout.broadcast(to: place.shape)!).copy(to: probabilities.elements)
      }
      try probabilities.checkProbabilities()
      try result.fillDense { target in
        withExtendedLifetime(probabilities.storage) {
          let (start, count) = (probabilities.elements.start, place.elementCount)
          if probabilities.dtype == .float64 {
            Generator.current.fillBernoulli(
              target.start, target.dtype,
              probabilities: UnsafeBufferPointer(start: start.assumingMemoryBound(to: Double.self), count: count))
          } else {
            Generator.current.fillBernoulli(
              target.start, target.dtype,
              probabilities: UnsafeBufferPointer(start: start.assumingMemoryBound(to: Float.self), count: count))
          }
        }
      }
    },
    backward: { (call, gradient) throws(TensorError) in
      Few(nil, call.needs(1) ? .zeros(call.shape(1), dtype: call.dtype(1), device: gradient.device) : nil)
    },
    samples: [
      Sample("(torch.manual_seed(7), a.bernoulli())[1]", [.real([3, 4], 0...1)]) { operands in
        withGenerator(Generator(seed: 7)) { operands[0].bernoulli() }
      },
      Sample("(torch.manual_seed(7), a.clone().bernoulli_(b))[1]", [.real([3, 4]), .real([4], 0...1)]) { operands in
        withGenerator(Generator(seed: 7)) { operands[0].clone().bernoulli_(operands[1]) }
      },
    ]
  ).onGPU()

  let multinomial: Operator<MultinomialArguments> = Operator(
    "multinomial",
    forward: { (operands, at) throws(TensorError) in try Samplings.multinomial(operands[0]!.body, at) },
    samples: [
      Sample("(torch.manual_seed(7), a.multinomial(3))[1]", [.real([2, 5], 0.1...1)]) { operands in
        withGenerator(Generator(seed: 7)) { operands[0].multinomial(3) }
      },
      Sample("(torch.manual_seed(7), a.t().multinomial(1))[1]", [.real([4, 5], 0.1...1)]) { operands in
        withGenerator(Generator(seed: 7)) { operands[0].T.multinomial(1) }
      },
      Sample("(torch.manual_seed(7), a[:, 1:].multinomial(2))[1]", [.real([4, 5], 0.1...1)]) { operands in
        withGenerator(Generator(seed: 7)) { operands[0].narrow(1, start: 1, length: 4).multinomial(2) }
      },
      Sample("(torch.manual_seed(7), a.t().multinomial(9, True))[1]", [.real([3, 2], 0.1...1)]) { operands in
        withGenerator(Generator(seed: 7)) { operands[0].T.multinomial(9, replacement: true) }
      },
      Sample("(torch.manual_seed(7), a.multinomial(20, True))[1]", [.real([5], 0.1...1)]) { operands in
        withGenerator(Generator(seed: 7)) { operands[0].multinomial(20, replacement: true) }
      },
    ]
  ).onGPU()
}

struct MultinomialArguments: Sendable {
  let draws: Int
  let replacement: Bool
}

extension Samplings {
  private static func multinomial(_ p: TensorBody, _ at: MultinomialArguments) throws(TensorError) -> Value {
    let rank = p.layout.rank
    guard rank == 1 || rank == 2 else { throw .shape("prob_dist must be 1 or 2 dim") }
    guard p.dtype.isFloatingPoint else {
      throw .dtype(
        "multinomial only supports floating-point dtypes for input, got: \(p.dtype.torchScalarName)")
    }
    guard at.draws > 0 else { throw .argument("cannot sample n_sample <= 0 samples") }
    let categories = p.layout.shape.at(rank - 1)
    guard at.replacement || at.draws <= categories else {
      throw .argument("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    }
    guard categories <= 1 << 24 else { throw .argument("number of categories cannot exceed 2^24") }
    if !p.device.isCPU { return try multinomialOnGPU(p, at) }
    let result = try Value(checked: p.layout.shape.replacing(rank - 1, with: at.draws), .int64)
    let weights = try Value(Layout(p.layout.shape), p.dtype == .float64 ? .float64 : .float32)
    try p.elements.copy(to: weights.elements)
    let rows = rank == 1 ? 1 : p.layout.shape.at(0)
    try weights.checkWeights(rows: rows, categories: categories)
    let order = p.layout.dense.strides
    let strides = (row: rank == 1 ? 0 : order.at(0), category: order.at(rank - 1))
    withExtendedLifetime((weights.storage, result.storage)) {
      let (out, start) = (result.elements.start.assumingMemoryBound(to: Int64.self), weights.elements.start)
      if weights.dtype == .float64 {
        Generator.current.fillMultinomial(
          out, weights: UnsafePointer(start.assumingMemoryBound(to: Double.self)), rows: rows, categories: categories,
          strides: strides, draws: at.draws, replacement: at.replacement)
      } else {
        Generator.current.fillMultinomial(
          out, weights: UnsafePointer(start.assumingMemoryBound(to: Float.self)), rows: rows, categories: categories,
          strides: strides, draws: at.draws, replacement: at.replacement)
      }
    }
    return result
  }
}

extension Value {
  /// Throws unless every element, float32 or float64, is a probability.
  fileprivate func checkProbabilities() throws(TensorError) {
    for i in 0..<layout.elementCount {
      let p = real(i)
      guard p >= 0, p <= 1 else { throw .invalidProbability(p) }
    }
  }

  /// Throws unless every row of weights, float32 or float64, names a distribution.
  fileprivate func checkWeights(rows: Int, categories: Int) throws(TensorError) {
    for row in 0..<rows {
      var sum = 0.0
      for i in row * categories..<(row + 1) * categories {
        let weight = real(i)
        guard weight >= 0, weight < .infinity else {
          throw .invalidWeights
        }
        sum += weight
      }
      guard sum > 0 else { throw .zeroWeights }
    }
  }

  /// Element `i` of dense float32 or float64 memory.
  private func real(_ i: Int) -> Double {
    dtype == .float64
      ? elements.start.assumingMemoryBound(to: Double.self)[i]
      : Double(elements.start.assumingMemoryBound(to: Float.self)[i])
  }
}

extension TensorError {
  static func invalidProbability(_ p: Double) -> TensorError {
    .argument("\(probabilityRange), but got \(p)")
  }
  static let probabilityRange = "expected every probability to be in [0, 1]"
  static let invalidWeights = argument("probability tensor contains either `inf`, `nan` or element < 0")
  static let zeroWeights = argument("invalid multinomial distribution (sum of probabilities <= 0)")
}
