struct FeedForwardArguments: Sendable {
  let activation: FusedActivation
  /// Weights are [inputs, outputs].
  let startsWithInputs: Bool
}

/// Two linear maps with an activation between them, which is computed while the first product is in cache, as its slope is in the
/// gradient. On a GPU cuBLASLt's epilogues do that where it has them.
struct FeedForwards: Sendable {
  /// Input, weight, bias, weight, bias. What the backward pass reads follows the result: what the activation got, of a rectifier what it
  /// gave; and the signs that cuBLASLt noted, if it did.
  let feedForward: Operator<FeedForwardArguments> = Operator<FeedForwardArguments>(
    "feed_forward", auxiliaryCount: 2,
    saves: { _ in SavePlan(operands: [.operand(0), .operand(1), .operand(2), .operand(3)], auxiliaries: true) },
    forward: { (operands, at) throws(TensorError) in
      let (first, second) = (at.outputsFirst(operands[1]!.body), at.outputsFirst(operands[3]!.body))
      let (bias, lastBias) = (operands[2]?.body, operands[4]?.body)
      try SumsOfProducts.checkLinear(operands[0]!.body, first, bias)
      guard at.activation.program.isRunnable(in: operands[0]!.dtype.computeClass) else {
        throw .dtype("\"\(at.activation)\" not implemented for '\(operands[0]!.dtype.torchScalarName)'")
      }
      let x = try operands[0]!.body.withRowsInOneRun()
      let rows = x.layout.rowsInOneRun!
      func matrix(_ columns: Int) throws(TensorError) -> Value {
        try Value(Layout([rows.shape.at(0), columns]), x.dtype, on: x.device)
      }
      let hidden = try matrix(first.layout.shape.at(0))
      try SumsOfProducts.checkLinear(TensorBody(hidden), second, lastBias)
      let isRecorded = Context.current.records && !operands.needs.isEmpty
      let kept = isRecorded ? at.activation.readsResult ? hidden : try matrix(first.layout.shape.at(0)) : nil
      let signs = try FeedForwards.activated(
        at.activation, x.elements(rows), first, bias, into: hidden, keeping: kept, notesSigns: isRecorded)
      let result = try MatrixProduct.value(
        hidden.elements, second.transposedElements, [rows.shape.at(0), second.layout.shape.at(0)], plus: lastBias)
      withExtendedLifetime((x, operands, hidden)) {}
      let shape = x.layout.shape.replacing(x.layout.rank - 1, with: second.layout.shape.at(0))
      var value = Value(result.storage, Layout(shape), result.dtype)
      let nothing = try Value(Layout([0]), x.dtype)
      value.auxiliaries = [kept ?? nothing, signs ?? nothing]
      return value
    },
    backward: { (call, gradient) throws(TensorError) in
      let at = call.attributes
      let x = try call.operand(0).asRows
      let (first, second) = (at.outputsFirst(try call.operand(1)), try at.outputsFirst(try call.operand(3)).sound())
      let g = try gradient.asRows.sound()
      let isDifferentiated = Context.current.records
      // As tensor operations where this gradient is to have one itself.
      let kept = isDifferentiated ? x.linear(first, try call.optionalOperand(2)) : try call.auxiliary(0)
      let reads = at.activation.readsResult
      let hidden = reads && !isDifferentiated ? kept : at.activation(kept)
      var gradients = Few<Tensor>(count: 5)
      if call.needs(3) { gradients[3] = at.startsWithInputs ? hidden.T.mm(g) : g.T.mm(hidden) }
      if call.needs(4) { gradients[4] = g.fitted(to: call.shape(4), call.dtype(4)) }
      if !(0..<3).contains(where: call.needs) { return gradients }
      let slopes: Tensor
      if isDifferentiated {
        slopes = FeedForwards.slope(at.activation).call(Few(reads ? hidden : kept, g.mm(second)), PointwiseArguments())
      } else {
        let signs = try call.auxiliary(1)
        let wantsSums = call.needs(2) && call.shape(2) == [kept.shape.at(1)] && kept.body.layout.elementCount > 0
        (slopes, gradients[2]) = try FeedForwards.slopes(
          at.activation, g.body, second.body, at: kept.body, signs: signs.body.layout.elementCount == 0 ? nil : signs.body,
          wantsSums: wantsSums)
      }
      if call.needs(0) { gradients[0] = slopes.mm(first).reshape(call.shape(0)) }
      if call.needs(1) { gradients[1] = at.startsWithInputs ? x.T.mm(slopes) : slopes.T.mm(x) }
      if call.needs(2) && gradients[2] == nil { gradients[2] = slopes.fitted(to: call.shape(2), call.dtype(2)) }
      return gradients
    },
    samples: FeedForwards.samples
  ).onGPU()
}

extension FeedForwardArguments {
  /// A weight as [outputs, inputs].
  fileprivate func outputsFirst(_ weight: TensorBody) -> TensorBody {
    guard startsWithInputs, weight.layout.rank == 2 else { return weight }
    return TensorBody(Value(weight.storage, weight.layout.swapped(0, 1), weight.dtype))
  }

  fileprivate func outputsFirst(_ weight: Tensor) -> Tensor { startsWithInputs ? weight.T : weight }
}

extension TensorBody {
  /// Of a matrix.
  fileprivate var transposedElements: Elements { elements(layout.swapped(0, 1)) }
}

extension FeedForwards {
  /// f(x · weightᵀ + bias) into `result`. Returns the signs that cuBLASLt noted of the sums of a rectifier, where it is the one who does it.
  ///
  /// - Parameter kept: Where the sums are left, or `result` itself.
  private static func activated(
    _ activation: FusedActivation, _ x: Elements, _ weight: TensorBody, _ bias: TensorBody?, into result: Value,
    keeping kept: Value?, notesSigns: Bool
  ) throws(TensorError) -> Value? {
    let sums = activation.readsResult ? nil : kept?.elements
    let finish = ProductFinish.activation(activation, keeping: sums)
    if notesSigns && activation == .relu && !x.device.isCPU {
      let (rows, columns) = (result.layout.shape.at(0), result.layout.shape.at(1))
      let signs = try Value(Layout([rows, (columns + 127) / 128 * 16]), .uint8, on: x.device)
      var task = ProductTask(a: x, b: weight.transposedElements, c: result.elements, finish: finish, signs: signs.elements)
      task.add(bias)
      if try GPUBackend.doesWhole(task) {
        try GPUBackend.run(.task(task), on: x.device)
        return signs
      }
    }
    try MatrixProduct.fill(result.elements, x, weight.transposedElements, plus: bias, finish: finish)
    return nil
  }

  /// (gradient · weight) · f′, and what its columns add up to where that costs no pass.
  private static func slopes(
    _ activation: FusedActivation, _ gradient: TensorBody, _ weight: TensorBody, at kept: TensorBody, signs: TensorBody?,
    wantsSums: Bool
  ) throws(TensorError) -> (Tensor, Tensor?) {
    let result = try Value(kept.layout, kept.dtype, on: kept.device)
    let finish = ProductFinish.slope(activation, at: kept.elements)
    defer { withExtendedLifetime((gradient, weight, kept, signs)) {} }
    if kept.device.isCPU {
      try MatrixProduct.fill(result.elements, gradient.elements, weight.elements, finish: finish)
      return (Tensor(TensorBody(result)), nil)
    }
    let sums = wantsSums ? try Value(Layout([kept.layout.shape.at(1)]), kept.dtype, on: kept.device) : nil
    let task = ProductTask(
      a: gradient.elements, b: weight.elements, c: result.elements, finish: finish, columnSums: sums?.elements,
      signs: signs?.elements)
    try GPUBackend.run(.task(task), on: kept.device)
    return (Tensor(TensorBody(result)), sums.map { Tensor(TensorBody($0)) })
  }

  /// What the slope is read off, and the gradient.
  private static func slope(_ activation: FusedActivation) -> Operator<PointwiseArguments> {
    switch activation {
    case .relu: reluSlope
    case .gelu: geluSlope
    case .geluTanh: geluTanhSlope
    }
  }

  private static let reluSlope = Operator.map("relu_backward", .promoted, FusedActivation.relu.slope)
  private static let geluSlope = Operator.map("gelu_backward", .promoted, FusedActivation.gelu.slope)
  private static let geluTanhSlope = Operator.map("gelu_backward", .promoted, FusedActivation.geluTanh.slope)

  private static let samples = [
    Sample(
      "F.linear(F.relu(F.linear(a, b, c)), d, e)",
      [
        .real([5, 3], -0.7...0.7), .real([4, 3], -0.7...0.7), .real([4], -0.7...0.7), .real([2, 4], -0.7...0.7),
        .real([2], -0.7...0.7),
      ]
    ) { $0[0].feedForward($0[1], $0[2], $0[3], $0[4], activation: .relu) },
    Sample(
      "F.linear(F.gelu(F.linear(a, b, c)), d)",
      [.real([2, 3, 5], -0.7...0.7), .real([6, 5], -0.7...0.7), .real([6], -0.7...0.7), .real([4, 6], -0.7...0.7)]
    ) { $0[0].feedForward($0[1], $0[2], $0[3], nil, activation: .gelu) },
    Sample(
      "F.linear(F.gelu(F.linear(a, b.t()), approximate='tanh'), c.t(), d)",
      [.real([3, 5], -0.7...0.7), .real([5, 6], -0.7...0.7), .real([6, 4], -0.7...0.7), .real([4], -0.7...0.7)]
    ) { $0[0].feedForward($0[1], nil, $0[2], $0[3], activation: .geluTanh, startsWithInputs: true) },
    Sample(
      "F.linear(F.gelu(F.linear(a.transpose(0, 1), b, c), approximate='tanh'), d, e)",
      [
        .real([3, 2, 4], -0.7...0.7), .real([20, 4], -0.7...0.7), .real([1], -0.7...0.7), .real([3, 20], -0.7...0.7),
        .real([3], -0.7...0.7),
      ]
    ) { $0[0].transpose(0, 1).feedForward($0[1], $0[2], $0[3], $0[4], activation: .geluTanh) },
    Sample(
      "F.linear(F.relu(F.linear(a, b)), c)", [.real([4], -0.7...0.7), .real([3, 4], -0.7...0.7), .real([2, 3], -0.7...0.7)]
    ) {
      $0[0].feedForward($0[1], nil, $0[2], nil, activation: .relu)
    },
    Sample(
      "F.linear(F.gelu(F.linear(a, b, c)), d, e)",
      [
        .real([40, 24], -0.7...0.7), .real([48, 24], -0.7...0.7), .real([48], -0.7...0.7), .real([16, 48], -0.7...0.7),
        .real([16], -0.7...0.7),
      ]
    ) { $0[0].feedForward($0[1], $0[2], $0[3], $0[4], activation: .gelu) },
  ]
}

extension FusedActivation {
  /// As an operator of its own: `relu()` or `gelu()`.
  public func callAsFunction(_ x: consuming Tensor) -> Tensor {
    switch self {
    case .relu: (consume x).relu()
    case .gelu: (consume x).gelu()
    case .geluTanh: (consume x).gelu(approximate: .tanh)
    }
  }
}

extension Tensor {
  /// `activation(self · weight₁ᵀ + bias₁) · weight₂ᵀ + bias₂` over the last dimension, [*, inputs] to [*, outputs]: what a transformer has
  /// between its attentions. Torch's `linear`, `relu` or `gelu`, and `linear` again.
  ///
  /// On the processor, and on a GPU where cuBLASLt has the activation (relu and gelu by tanh), it costs no pass over memory of its own; in
  /// half types it then sees sums that were not rounded before.
  /// - Parameters:
  ///   - weight1: [hidden, inputs], of this dtype.
  ///   - bias1: [hidden], of this dtype.
  ///   - weight2: [outputs, hidden], of this dtype.
  ///   - bias2: [outputs], of this dtype.
  ///   - startsWithInputs: Weights are [inputs, hidden] and [hidden, outputs].
  public func feedForward(
    _ weight1: Tensor, _ bias1: Tensor? = nil, _ weight2: Tensor, _ bias2: Tensor? = nil, activation: FusedActivation,
    startsWithInputs: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    ops.feedForwards.feedForward.call(
      Few([self, weight1, bias1, weight2, bias2]),
      FeedForwardArguments(activation: activation, startsWithInputs: startsWithInputs), at: CallSite(file, line))
  }
}
