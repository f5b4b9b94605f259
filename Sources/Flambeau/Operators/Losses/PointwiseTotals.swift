/// What becomes of the losses of many elements.
public enum LossReduction: Sendable {
  /// A loss for each.
  case none
  /// Their mean; NaN of none.
  case mean
  /// The sum of all elements (torch: "sum").
  case sum
}

/// What becomes of the parts of a divergence between distributions.
public enum DivergenceReduction: Sendable {
  /// A part for each element.
  case none
  /// The mean over all elements, which is no divergence.
  case mean
  /// The sum of all elements.
  case sum
  /// The sum divided by the size of the first dimension: the mean divergence of a batch (torch: "batchmean").
  case batchMean
}

struct TotalArguments: Sendable {
  var pointwise: PointwiseArguments
  let isMean: Bool
}

/// A pointwise function of several tensors, and its sum or mean over all elements, which takes one read of them.
struct PointwiseTotal: Sendable {
  let each: Operator<PointwiseArguments>
  let total: Operator<TotalArguments>

  /// - Parameters:
  ///   - refusal: The dtypes it does not take, as a sentence or nil.
  ///   - each, samples: Calls without and with a reduction.
  init(
    _ name: String, _ program: Program, refusal: @escaping @Sendable (DType) -> String?, each: Sample, samples: [Sample]
  ) {
    self.each = .map(name, .promoted, program, refusal: refusal, samples: [each])
    let gradients = PointwiseGradients(name, program)
    let divide = Program(inputs: 1, scalars: program.scalarCount + 1) { x, s in x[0] / s[s.count - 1] }
    total = Operator(
      name, saves: gradients.saves,
      forward: { (operands, arguments) throws(TensorError) in
        let dtype = DType.common(operands)
        for operand in operands {
          if let operand, let sentence = refusal(operand.dtype) { throw .dtype(sentence) }
        }
        if arguments.isMean && !dtype.isFloatingPoint { throw Reductions.meanRefusal("Input", dtype) }
        let shape = try Pointwise.broadcastShape(operands)
        var scalars = arguments.pointwise.scalars
        if arguments.isMean { scalars.append(Number(shape.elementCount)) }
        let result = dtype.total
        return try ReductionArguments(dims: Array(0..<shape.count), keepDim: false).reduce(
          .sum, in: result.computeClass, operands.map { $0!.body.elements.broadcast(to: shape) }, map: program,
          scalars: scalars, finish: arguments.isMean ? divide : nil, as: result)
      },
      backward: { (call, gradient) throws(TensorError) in
        var shape = call.shape(0)
        for i in 1..<call.operandCount { shape = try Shape.broadcast(shape, call.shape(i)) }
        let share = call.attributes.isMean ? gradient / Double(shape.elementCount) : gradient
        return try gradients.backward(call, call.attributes.pointwise, share.expand(shape))
      }, samples: samples
    ).onGPU()
  }

  func callAsFunction(
    _ operands: Few<Tensor>, _ reduction: LossReduction, _ scalars: Scalars = Scalars(), at site: CallSite
  ) -> Tensor {
    let arguments = PointwiseArguments(scalars: scalars)
    if reduction == .none { return each.call(operands, arguments, at: site) }
    return total.call(operands, TotalArguments(pointwise: arguments, isMean: reduction == .mean), at: site)
  }
}
