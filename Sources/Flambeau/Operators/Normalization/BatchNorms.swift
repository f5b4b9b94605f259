import CKernels

/// Normalisation of the channels of [n, c, …].
struct BatchNorms: Sendable {
  /// Input, weight and bias, by the batch's own statistics; mean, unbiased variance and 1/√(variance + ε) of every channel
  /// follow the result.
  let batchNorm: Operator<Double> = BatchNorms.row(
    "batch_norm", rectified: false,
    samples: [
      // Torch's gradient reads a strided weight as if it were dense.
      Sample("F.batch_norm(a.t(), None, None, b.contiguous(), c, True)", [.real([3, 5]), .real([3], 0.5...2), .real([3])]) {
        $0[0].T.batchNorm(weight: $0[1], bias: $0[2]).output
      },
      Sample("F.batch_norm(a, None, None, b, None, True, eps=0.01)", [.real([3, 2, 4]), .real([2], 0.5...2)]) {
        $0[0].batchNorm(weight: $0[1], eps: 0.01).output
      },
      Sample("F.batch_norm(a, None, None, None, None, True)", [.real([2, 3, 2, 3])]) { $0[0].batchNorm().output },
    ])

  /// The same and a rectifier, in one pass; what the input is multiplied with follows, too.
  let batchNormRelu: Operator<Double> = BatchNorms.row(
    "batch_norm_relu", rectified: true,
    samples: [
      Sample("F.relu(F.batch_norm(a, None, None, b, c, True))", [.real([3, 2, 4]), .real([2], 0.5...2), .real([2])]) {
        $0[0].batchNormRelu(weight: $0[1], bias: $0[2]).output
      },
      Sample("F.relu(F.batch_norm(a, None, None, None, None, True))", [.real([2, 3, 2, 3])]) { $0[0].batchNormRelu().output },
    ])

  /// x · scale + shift, of the dtype of x; scale and shift may be missing.
  let affine: Operator<None> = Operator<None>(
    "affine", saves: Products.saves,
    plan: { (operands, _) throws(TensorError) in
      let x = operands[0]!.body
      let layout = x.layout.isContiguous ? Layout(x.layout.shape) : x.layout.dense
      return ResultPlan(layout: layout, dtype: x.dtype, compute: x.dtype)
    },
    fill: { (operands, _, plan, result) throws(TensorError) in
      switch (operands[1], operands[2]) {
      case (let scale?, let shift?):
        try Pointwise.run(BatchNorms.affine, Few(operands[0], scale, shift), Scalars(), in: plan.compute, into: result)
      case (let scale?, nil):
        try Pointwise.run(BatchNorms.scaled, Few(operands[0], scale), Scalars(), in: plan.compute, into: result)
      case (nil, let shift):
        try Pointwise.run(BatchNorms.shifted, Few(operands[0], shift), Scalars(), in: plan.compute, into: result)
      }
    },
    backward: { (call, gradient) throws(TensorError) in
      var gradients = Few<Tensor>(count: 3)
      if call.needs(0) {
        let scale = try call.optionalOperand(1)
        gradients[0] = scale.map { (gradient * $0).to(call.dtype(0)) } ?? gradient
      }
      if call.needs(1) { gradients[1] = (gradient * (try call.operand(0))).fitted(to: call.shape(1), call.dtype(1)) }
      if call.needs(2) { gradients[2] = gradient.fitted(to: call.shape(2), call.dtype(2)) }
      return gradients
    },
    samples: [
      Sample("F.batch_norm(a, \(BatchNorms.mean), \(BatchNorms.mean) ** 2, b, c)", BatchNorms.operands) {
        let mean = Tensor(BatchNorms.means).to($0[0].dtype)
        return $0[0].batchNorm(mean: mean, variance: mean * mean, weight: $0[1], bias: $0[2])
      },
      Sample("F.batch_norm(a, \(BatchNorms.mean), \(BatchNorms.mean) ** 2, eps=0.1)", [.real([2, 3, 2, 2])]) {
        let mean = Tensor(BatchNorms.means).to($0[0].dtype)
        return $0[0].batchNorm(mean: mean, variance: mean * mean, eps: 0.1)
      },
    ]
  ).onGPU()

  private static let affine = Program { x, scale, shift in fma(x, scale, shift) }
  private static let scaled = Program { x, scale in x * scale }
  private static let shifted = Program { x, shift in x + shift }

  /// A channel's mean, biased variance and weight, ε and n / (n − 1) → mean, unbiased variance, 1/√(variance + ε), and that times the
  /// weight.
  private static let statistics = [false, true].map { hasWeight in
    Program(inputs: hasWeight ? 3 : 2, scalars: 2) { x, s in
      let scale = 1 / sqrt(x[1] + s[0])
      return [x[0], x[1] * s[1], scale, hasWeight ? scale * x[2] : scale]
    }
  }

  /// Which gradients are wanted, one of them at least.
  fileprivate struct Needs {
    let input: Bool
    let weight: Bool
    let bias: Bool
  }

  /// A channel's mean, 1/√(variance + ε), the sums of the gradient and of it along the distance from the mean, the weight, and how many
  /// elements there are → what gradient and input are multiplied by, and what is added, for the input's gradient; the weight's; the bias's.
  private static let numbers = [false, true].map { hasWeight in
    (1..<8).map { wanted in
      Program(inputs: hasWeight ? 5 : 4, scalars: 1) { x, s in
        let (mean, scale, sum, along) = (x[0], x[1], x[2], x[3])
        let a = hasWeight ? scale * x[4] : scale
        let b = -a * scale * scale * along / s[0]
        let input = [a, b, -a * sum / s[0] - b * mean]
        return (wanted & 1 > 0 ? input : []) + (wanted & 2 > 0 ? [scale * along] : []) + (wanted & 4 > 0 ? [sum] : [])
      }
    }
  }

  private static func numbers(_ needs: Needs, hasWeight: Bool) -> Program {
    numbers[hasWeight ? 1 : 0][(needs.input ? 1 : 0) + (needs.weight ? 2 : 0) + (needs.bias ? 4 : 0) - 1]
  }
}

extension BatchNorms {
  private static func row(_ name: String, rectified: Bool, samples: [Sample]) -> Operator<Double> {
    Operator(
      name, auxiliaryCount: rectified ? 4 : 3,
      saves: { _ in
        rectified
          ? SavePlan(operands: [.operand(0), .operand(1), .operand(2)], result: true, auxiliaries: true)
          : SavePlan(operands: [.operand(0), .operand(1)], auxiliaries: true)
      },
      forward: { (operands, eps) throws(TensorError) in
        let (x, weight, bias) = (operands[0]!.body, operands[1]?.body, operands[2]?.body)
        try BatchNorms.check(x, [("weight", weight), ("bias", bias)])
        let norm = try ChannelNorm(x)
        guard norm.count != 1 else {
          throw .shape("Expected more than 1 value per channel when training, got input size \(x.layout.shape)")
        }
        let (means, variances) = try norm.moments()
        defer { withExtendedLifetime((means, variances)) {} }
        let statistics = x.dtype.computeClass.dtype
        let all = try (0..<4).map { (_) throws(TensorError) in try norm.numbers(statistics) }
        let unbiased = Double(norm.count) / Double(norm.count - 1)
        try Backend.map(
          BatchNorms.statistics[weight == nil ? 0 : 1], in: fb_f64,
          inputs: [means.elements, variances.elements] + [weight].compactMap { $0?.elements },
          scalars: [Number(eps), Number(unbiased)], into: all.map(\.elements))
        var result = try Value(Layout(x.layout.shape, channelsLast: x.keepsChannelsLast), x.dtype, on: x.device)
        try norm.normalize(TensorBody(all[0]), TensorBody(all[3]), bias, rectified: rectified, into: result)
        result.auxiliaries = Array(all.prefix(rectified ? 4 : 3))
        return result
      },
      backward: { (call, gradient) throws(TensorError) in
        let (x, weight) = (try call.operand(0), try call.optionalOperand(1))
        var gradient = gradient
        var rectifier: ChannelNorm.Rectifier?
        if rectified {
          if Context.current.records || x.device.isCPU {
            gradient = try BatchNorms.passing.call(Few(try call.result(), gradient), PointwiseArguments()).sound()
          } else {
            rectifier = ChannelNorm.Rectifier(scale: try call.auxiliary(3).body, shift: try call.optionalOperand(2)?.body)
          }
        }
        if Context.current.records { return BatchNorms.tensorGradients(call, x, weight, gradient) }
        let norm = try ChannelNorm(x.body)
        let (means, scale) = (try call.auxiliary(0).body, try call.auxiliary(2).body)
        let isLast = x.body.keepsChannelsLast
        let slope = isLast ? try gradient.body.body(channelsLast: true) : gradient.body
        let (sums, along) = try norm.slopes(slope, means: means, rectifier)
        defer { withExtendedLifetime((means, scale, sums, along)) {} }
        var gradients = Few<Tensor>(count: 3)
        let needs = BatchNorms.Needs(input: call.needs(0), weight: call.needs(1), bias: call.needs(2))
        let terms = try (0..<(needs.input ? 3 : 0)).map { (_) throws(TensorError) in
          try norm.numbers(x.dtype.computeClass.dtype)
        }
        let parameters = try (1...2).filter(call.needs).map { (i) throws(TensorError) in try norm.numbers(call.dtype(i)) }
        try Backend.map(
          BatchNorms.numbers(needs, hasWeight: weight != nil), in: fb_f64,
          inputs: [means.elements, scale.elements, sums.elements, along.elements] + [weight].compactMap { $0?.body.elements },
          scalars: [Number(norm.count)], into: (terms + parameters).map(\.elements))
        if needs.input {
          let result = try Value(Layout(call.shape(0), channelsLast: isLast), call.dtype(0), on: x.device)
          try norm.combine(slope, terms.map { TensorBody($0) }, means: means, rectifier, into: result)
          gradients[0] = Tensor(TensorBody(result))
        }
        if needs.weight { gradients[1] = Tensor(TensorBody(parameters[0])) }
        if needs.bias { gradients[2] = Tensor(TensorBody(parameters.last!)) }
        return gradients
      },
      samples: samples
    ).onGPU()
  }

  /// What of a gradient passes a rectifier, by its result.
  private static let passing: Operator<PointwiseArguments> = .map(
    "batch_norm_relu_backward", .promoted, Program { y, g in select(le(y, 0), 0, g) })

  private static let means = [0.5, -1.5, 1]
  private static let mean = "torch.tensor(\(means)).to(a.dtype)"
  private static let operands: [SampleOperand] = [.real([4, 3]), .real([3], 0.5...2), .real([3])]

  /// Channels are counted by dimension 1; parameters have one number for each.
  static func check(_ x: TensorBody, _ parameters: [(String, TensorBody?)]) throws(TensorError) {
    let shape = x.layout.shape
    guard shape.count > 1 else { throw .dimensionRange(1, rank: shape.count) }
    for (name, parameter) in parameters {
      guard let parameter, parameter.layout.shape != [shape.at(1)] else { continue }
      throw .shape("\(name) should contain \(shape.at(1)) elements not \(parameter.layout.elementCount)")
    }
    try Normalization.checkElements(x, parameters.map(\.1), "batch_norm")
  }

  private static func tensorGradients(
    _ call: Call<Double>, _ x: Tensor, _ weight: Tensor?, _ gradient: Tensor
  ) -> Few<Tensor> {
    let dims = [0] + Array(2..<x.ndim)
    let each = x.eachChannel
    let all = Normalization.Gradients(
      x, gradient, weight: weight?.reshape(each), dims: dims, eps: call.attributes)
    return Few(
      call.needs(0) ? all.input : nil,
      call.needs(1) ? all.weight.fitted(to: each, call.dtype(1)).reshape(call.shape(1)) : nil,
      call.needs(2) ? all.bias.fitted(to: each, call.dtype(2)).reshape(call.shape(2)) : nil)
  }
}

extension Tensor {
  /// The shape that a vector of the channels of [n, c, *] broadcasts from.
  fileprivate var eachChannel: Shape { Shape([shape.at(1)] + Array(repeating: 1, count: ndim - 2)) }

  /// Every channel of [n, c, *] less its mean over the batch, divided by √(variance + eps), then scaled and moved. Torch's
  /// `batch_norm` with `training=True`.
  ///
  /// - Parameter weight, bias: [c], of this dtype, or float32 for a half input.
  /// - Returns: The output, and the batch's mean and unbiased variance [c], which no gradient flows through: what running
  ///   statistics are updated with.
  public func batchNorm(
    weight: Tensor? = nil, bias: Tensor? = nil, eps: Double = 1e-5, file: StaticString = #fileID, line: UInt = #line
  ) -> (output: Tensor, mean: Tensor, variance: Tensor) {
    let all = ops.batchNorms.batchNorm.callAll(Few(self, weight, bias), eps, at: CallSite(file, line))
    return (all[0], all[1], all[2])
  }

  /// The same, rectified: `relu` of the output, in one pass.
  package func batchNormRelu(
    weight: Tensor? = nil, bias: Tensor? = nil, eps: Double = 1e-5
  ) -> (output: Tensor, mean: Tensor, variance: Tensor) {
    let all = ops.batchNorms.batchNormRelu.callAll(Few(self, weight, bias), eps, at: nil)
    return (all[0], all[1], all[2])
  }

  /// Every channel of [n, c, *] less `mean`, divided by √(variance + eps), then scaled and moved. Torch's `batch_norm` with
  /// `training=False`.
  ///
  /// - Parameters:
  ///   - mean, variance: [c]: running statistics.
  ///   - weight, bias: [c].
  public func batchNorm(
    mean: Tensor, variance: Tensor, weight: Tensor? = nil, bias: Tensor? = nil, eps: Double = 1e-5,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    return checked("batch_norm", at: site) { _ throws(TensorError) in
      for case let operand? in [mean, variance, weight, bias] {
        if let poison = operand.body.poison { return Door.poisoned(by: poison, .current) }
      }
      try BatchNorms.check(
        body,
        [
          ("running_mean", mean.body), ("running_var", variance.body), ("weight", weight?.body), ("bias", bias?.body),
        ])
      let wide = dtype.computeClass.dtype
      let inverse = (variance.to(wide) + eps).rsqrt()
      let scale = weight.map { inverse * $0 } ?? inverse
      let moved = mean.to(wide) * scale
      let shift = bias.map { $0 - moved } ?? -moved
      let each = eachChannel
      return ops.batchNorms.affine.call(Few(self, scale.reshape(each), shift.reshape(each)), None(), at: site)
    }
  }
}
