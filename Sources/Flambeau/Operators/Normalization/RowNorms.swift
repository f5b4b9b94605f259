import CKernels

struct RowNormArguments: Sendable {
  let normalizedShape: Shape
  let eps: Double
}

/// Normalisation of rows: the last dimensions of the input.
struct RowNorms: Sendable {
  /// Input, weight and bias; mean and 1/√(variance + ε) of each row follow the result.
  let layerNorm: Operator<RowNormArguments> = Operator<RowNormArguments>(
    "layer_norm", auxiliaryCount: 2,
    saves: { _ in SavePlan(operands: [.operand(0), .operand(1), .operand(2)], auxiliaries: true) },
    forward: { (operands, at) throws(TensorError) in
      let (x, weight, bias) = (operands[0]!.body, operands[1]?.body, operands[2]?.body)
      try at.check(x, weight, bias)
      try Normalization.checkElements(x, [weight, bias], "LayerNormKernelImpl")
      let rows = try NormRows(x, at)
      return try rows.forward(
        .layerNorm(weight: weight != nil, bias: bias != nil), [weight, bias], eps: at.eps, numbers: 2)
    },
    backward: { (call, gradient) throws(TensorError) in
      let (x, weight) = (try call.operand(0), try call.optionalOperand(1))
      if Context.current.records { return RowNorms.tensorGradients(call, x, weight, gradient, centred: true) }
      let needsParameters = call.needs(1) || call.needs(2)
      let rows = try NormRows(x.body, call.attributes)
      return try rows.backward(
        .layerNormBackward(weight: weight != nil, parameters: needsParameters),
        [try call.auxiliary(0), try call.auxiliary(1)], gradient, weight,
        parameters: needsParameters ? [call.parameterDType(1), call.parameterDType(2)] : [], call)
    },
    samples: [
      Sample("F.layer_norm(a, (4,))", [.real([3, 4])]) { $0[0].layerNorm([4]) },
      Sample("F.layer_norm(a, (5,), b, c)", [.real([2, 3, 5]), .real([5], 0.5...2), .real([5])]) {
        $0[0].layerNorm([5], weight: $0[1], bias: $0[2])
      },
      Sample("F.layer_norm(a, (3, 4), b, None, 0.01)", [.real([2, 3, 4]), .real([3, 4], 0.5...2)]) {
        $0[0].layerNorm([3, 4], weight: $0[1], eps: 0.01)
      },
      Sample("F.layer_norm(a, (4,), None, b)", [.real([2, 4]), .real([4])]) { $0[0].layerNorm([4], bias: $0[1]) },
    ]
  ).onGPU().cheap()

  /// Input and weight; 1/√(mean of squares + ε) of each row follows the result.
  let rmsNorm: Operator<RowNormArguments> = Operator<RowNormArguments>(
    "rms_norm", auxiliaryCount: 1, saves: { _ in SavePlan(operands: [.operand(0), .operand(1)], auxiliaries: true) },
    forward: { (operands, at) throws(TensorError) in
      let (x, weight) = (operands[0]!.body, operands[1]?.body)
      try at.check(x, weight, nil)
      guard x.dtype.isFloatingPoint else {
        throw .dtype("\"rms_norm\" not implemented for '\(x.dtype.torchScalarName)'")
      }
      return try NormRows(x, at).forward(.rmsNorm(weight: weight != nil), [weight], eps: at.eps, numbers: 1)
    },
    backward: { (call, gradient) throws(TensorError) in
      let (x, weight) = (try call.operand(0), try call.optionalOperand(1))
      if Context.current.records { return RowNorms.tensorGradients(call, x, weight, gradient, centred: false) }
      let rows = try NormRows(x.body, call.attributes)
      return try rows.backward(
        .rmsNormBackward(weight: weight != nil, parameters: call.needs(1)), [try call.auxiliary(0)], gradient, weight,
        parameters: call.needs(1) ? [call.parameterDType(1)] : [], call)
    },
    samples: [
      Sample("F.rms_norm(a, (4,))", [.real([3, 4], 0.5...2)]) { $0[0].rmsNorm([4]) },
      Sample("F.rms_norm(a, (5,), b, 0.01)", [.real([2, 3, 5]), .real([5], 0.5...2)]) {
        $0[0].rmsNorm([5], weight: $0[1], eps: 0.01)
      },
      Sample("F.rms_norm(a, (3, 4), b, 0.1)", [.real([2, 3, 4]), .real([3, 4], 0.5...2)]) {
        $0[0].rmsNorm([3, 4], weight: $0[1], eps: 0.1)
      },
    ]
  ).onGPU().cheap()
}

extension RowNormArguments {
  fileprivate func check(_ x: TensorBody, _ weight: TensorBody?, _ bias: TensorBody?) throws(TensorError) {
    guard normalizedShape.count > 0 else {
      throw .shape(
        "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
          + "normalized_shape = \(normalizedShape)")
    }
    for (name, parameter) in [("weight", weight), ("bias", bias)] {
      guard let parameter, parameter.layout.shape != normalizedShape else { continue }
      throw .shape(
        "Expected \(name) to be of same shape as normalized_shape, but got \(name) of shape \(parameter.layout.shape) and "
          + "normalized_shape = \(normalizedShape)")
    }
    let shape = x.layout.shape
    guard shape.count >= normalizedShape.count, Shape(shape.suffix(normalizedShape.count)) == normalizedShape else {
      throw .shape(
        "Given normalized_shape=\(normalizedShape), expected input with shape [*, "
          + normalizedShape.map(String.init).joined(separator: ", ") + "], but got input of size\(shape)")
    }
  }
}

/// The rows of a tensor: its last dimensions as one.
private struct NormRows {
  let shape: Shape
  private let x: TensorBody
  private let dtype: DType
  private let resultShape: Shape
  private let at: RowNormArguments

  init(_ x: TensorBody, _ at: RowNormArguments) throws(TensorError) {
    self.at = at
    resultShape = x.layout.shape
    dtype = x.dtype
    shape = Shape(Array(resultShape.dropLast(at.normalizedShape.count)) + [at.normalizedShape.elementCount])
    self.x = try x.reshapedBody(shape)
  }

  private var computeClass: ComputeClass { dtype.computeClass }
  private var width: Int { shape.at(shape.count - 1) }

  /// One row for all rows.
  private func stretched(_ parameter: TensorBody) throws(TensorError) -> TensorBody {
    let wide = try parameter.wideBody()
    return TensorBody(Value(wide.storage, wide.layout.viewed(as: [width])!.broadcast(to: shape)!, wide.dtype))
  }

  /// x, parameters and ε to the result and numbers for each row.
  func forward(
    _ program: RowProgram, _ parameters: [TensorBody?], eps: Double, numbers: Int
  ) throws(TensorError) -> Value {
    var inputs = [x]
    for case let parameter? in parameters { inputs.append(try stretched(parameter)) }
    var result = try Value(Layout(shape), dtype, on: x.device)
    for _ in 0..<numbers {
      result.auxiliaries.append(
        try Value(Layout(shape.replacing(shape.count - 1, with: 1)), computeClass.dtype, on: x.device))
    }
    try withExtendedLifetime(inputs) { () throws(TensorError) in
      try Backend.rows(
        program, in: computeClass, inputs: inputs.map(\.elements), scalars: [Number(eps)],
        into: [result.elements] + result.auxiliaries.map(\.elements))
    }
    var shaped = Value(result.storage, Layout(resultShape), dtype)
    shaped.auxiliaries = result.auxiliaries
    return shaped
  }

  /// x, the rows' numbers, the gradient and a weight to the gradients of x and, as sums over rows, of parameters.
  func backward(
    _ program: RowProgram, _ numbers: [Tensor], _ gradient: Tensor, _ weight: Tensor?, parameters: [DType],
    _ call: Call<RowNormArguments>
  ) throws(TensorError) -> Few<Tensor> {
    var inputs = [x]
    for number in numbers {
      let body = number.body
      inputs.append(TensorBody(Value(body.storage, body.layout.broadcast(to: shape)!, body.dtype)))
    }
    inputs.append(try gradient.body.reshapedBody(shape))
    if let weight { inputs.append(try stretched(weight.body)) }
    let result = try Value(Layout(shape), dtype, on: x.device)
    var sums: [Value] = []
    for dtype in parameters { sums.append(try Value(Layout([width]), dtype, on: x.device)) }
    try withExtendedLifetime(inputs) { () throws(TensorError) in
      try Backend.rows(
        program, in: computeClass, inputs: inputs.map(\.elements), into: [result.elements] + sums.map(\.elements))
    }
    var gradients = Few<Tensor>(count: call.operandCount)
    if call.needs(0) { gradients[0] = Tensor(TensorBody(Value(result.storage, Layout(resultShape), dtype))) }
    for (i, sum) in sums.enumerated() where call.needs(i + 1) {
      gradients[i + 1] = Tensor(TensorBody(Value(sum.storage, Layout(at.normalizedShape), sum.dtype)))
    }
    return gradients
  }
}

extension Call<RowNormArguments> {
  /// The dtype of a parameter's gradient; any, for a missing one.
  fileprivate func parameterDType(_ operand: Int) -> DType { needs(operand) ? dtype(operand) : .float32 }
}

extension RowNorms {
  /// The gradients in tensor operations.
  fileprivate static func tensorGradients(
    _ call: Call<RowNormArguments>, _ x: Tensor, _ weight: Tensor?, _ gradient: Tensor, centred: Bool
  ) -> Few<Tensor> {
    let at = call.attributes
    let dims = Array(x.ndim - at.normalizedShape.count..<x.ndim)
    let all = Normalization.Gradients(x, gradient, weight: weight, dims: dims, eps: at.eps, centred: centred)
    var gradients = Few<Tensor>(count: call.operandCount)
    if call.needs(0) { gradients[0] = all.input }
    if call.needs(1) { gradients[1] = all.weight.fitted(to: call.shape(1), call.dtype(1)) }
    if centred && call.needs(2) { gradients[2] = all.bias.fitted(to: call.shape(2), call.dtype(2)) }
    return gradients
  }
}

extension Tensor {
  /// Every row less its mean, divided by √(variance + eps), then scaled by weight and moved by bias. Torch's `layer_norm`.
  ///
  /// - Parameters:
  ///   - normalizedShape: The last sizes of the input: what makes a row.
  ///   - weight, bias: Of `normalizedShape`.
  public func layerNorm(
    _ normalizedShape: Shape, weight: Tensor? = nil, bias: Tensor? = nil, eps: Double = 1e-5,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    ops.rowNorms.layerNorm.call(
      Few(self, weight, bias), RowNormArguments(normalizedShape: normalizedShape, eps: eps), at: CallSite(file, line))
  }

  /// Every row divided by √(mean of its squares + eps), then scaled by weight. Torch's `rms_norm`.
  ///
  /// - Parameters:
  ///   - normalizedShape: The last sizes of the input: what makes a row.
  ///   - weight: Of `normalizedShape`.
  ///   - eps: That of the type the sums are computed in (float32; float64 for float64) by default.
  public func rmsNorm(
    _ normalizedShape: Shape, weight: Tensor? = nil, eps: Double? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    let eps = eps ?? (dtype == .float64 ? Double.ulpOfOne : Double(Float.ulpOfOne))
    return ops.rowNorms.rmsNorm.call(
      Few(self, weight), RowNormArguments(normalizedShape: normalizedShape, eps: eps), at: CallSite(file, line))
  }
}
