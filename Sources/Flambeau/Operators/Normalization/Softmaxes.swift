import CKernels

/// Softmax along a dimension. Each gradient is a row program, whose own gradient is made of tensor operations.
struct Softmaxes: Sendable {
  let softmax: Operator<Int> = Operator<Int>(
    "softmax", saves: { _ in SavePlan(result: true) },
    forward: { (operands, dim) throws(TensorError) in
      let x = operands[0]!.body
      guard x.dtype.isFloatingPoint else { throw Softmaxes.refusal("softmax", x.dtype) }
      return try Softmaxes.run(.softmax, [x], dim)
    },
    backward: { (call, gradient) throws(TensorError) in
      Few(ops.softmaxes.softmaxBackward(gradient, try call.result(), call.attributes))
    },
    samples: [
      Sample("a.softmax(-1)", [.real([3, 4])]) { $0[0].softmax(dim: -1) },
      Sample("a.softmax(1)", [.real([2, 3, 4])]) { $0[0].softmax(dim: 1) },
      Sample("a.softmax(0)", [.real([])]) { $0[0].softmax(dim: 0) },
      Sample("a.softmax(0, dtype=torch.float64)", [.real([4, 2])]) { $0[0].softmax(dim: 0, dtype: .float64) },
    ]
  ).onGPU()

  /// Gradient and softmax to the operand's gradient.
  let softmaxBackward: Operator<Int> = Operator<Int>(
    "softmax_backward", saves: { _ in SavePlan(operands: [.operand(0), .operand(1)]) },
    forward: { (operands, dim) throws(TensorError) in
      try Softmaxes.run(.softmaxBackward, [operands[1]!.body, operands[0]!.body], dim)
    },
    backward: { (call, gradient) throws(TensorError) in
      let (g, y) = (try call.operand(0), try call.operand(1))
      let dim = call.attributes
      var result = Few<Tensor>(count: 2)
      if call.needs(0) { result[0] = ops.softmaxes.softmaxBackward(gradient, y, call.attributes) }
      if call.needs(1) {
        let (along, slope) = ((y * g).sum(dim: dim, keepDim: true), (gradient * y).sum(dim: dim, keepDim: true))
        result[1] = gradient * (g - along) - g * slope
      }
      return result
    }
  ).onGPU()

  let logSoftmax: Operator<Int> = Operator<Int>(
    "log_softmax", saves: { _ in SavePlan(result: true) },
    forward: { (operands, dim) throws(TensorError) in
      let x = operands[0]!.body
      guard x.dtype.isFloatingPoint else { throw Softmaxes.refusal("log_softmax", x.dtype) }
      return try Softmaxes.run(.logSoftmax, [x], dim)
    },
    backward: { (call, gradient) throws(TensorError) in
      Few(ops.softmaxes.logSoftmaxBackward(gradient, try call.result(), call.attributes))
    },
    samples: [
      Sample("a.log_softmax(-1)", [.real([3, 4])]) { $0[0].logSoftmax(dim: -1) },
      Sample("a.log_softmax(0)", [.real([3, 2, 2])]) { $0[0].logSoftmax(dim: 0) },
      Sample("a.log_softmax(1, dtype=torch.float64)", [.real([2, 5])]) { $0[0].logSoftmax(dim: 1, dtype: .float64) },
    ]
  ).onGPU()

  /// Gradient and log-softmax to the operand's gradient.
  let logSoftmaxBackward: Operator<Int> = Operator<Int>(
    "log_softmax_backward", saves: { _ in SavePlan(operands: [.operand(0), .operand(1)]) },
    forward: { (operands, dim) throws(TensorError) in
      try Softmaxes.run(.logSoftmaxBackward, [operands[1]!.body, operands[0]!.body], dim)
    },
    backward: { (call, gradient) throws(TensorError) in
      let (g, y) = (try call.operand(0), try call.operand(1))
      let dim = call.attributes
      let share = gradient * y.exp()
      return Few(
        call.needs(0) ? gradient - share.sum(dim: dim, keepDim: true) : nil,
        call.needs(1) ? -(share * g.sum(dim: dim, keepDim: true)) : nil)
    }
  ).onGPU()
}

extension Softmaxes {
  private static func refusal(_ name: String, _ dtype: DType) -> TensorError {
    .dtype(
      "\"\(name)_lastdim_kernel_impl\" not implemented for '\(dtype.torchScalarName)'. Give dtype: .float32 to convert the "
        + "input.")
  }

  /// A program of rows along `dim`, of inputs and a result of one shape and dtype.
  static func run(_ program: RowProgram, _ inputs: [TensorBody], _ dim: Int) throws(TensorError) -> Value {
    let result = try Value(Layout(inputs[0].layout.shape), inputs[0].dtype, on: inputs[0].device)
    try withExtendedLifetime(inputs) { () throws(TensorError) in
      try Backend.rows(
        program, in: result.dtype.computeClass, inputs: inputs.map { $0.elements.along(dim) },
        into: [result.elements.along(dim)])
    }
    return result
  }
}

extension Elements {
  /// The same elements with dimension `dim` last.
  func along(_ dim: Int) -> Elements {
    let rank = layout.rank
    if rank == 0 || dim == rank - 1 { return self }
    return laid(layout.permuted((0..<rank).filter { $0 != dim } + [dim]))
  }
}

extension Tensor {
  /// Exponentials along `dim`, scaled so that they sum to 1. Torch's `softmax`.
  ///
  /// - Parameter dtype: What the input is converted to first; integers need one.
  public func softmax(
    dim: Int, dtype: DType? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { along(ops.softmaxes.softmax, dim, dtype, CallSite(file, line)) }

  /// The logarithm of the softmax along `dim`. Torch's `log_softmax`.
  ///
  /// - Parameter dtype: What the input is converted to first; integers need one.
  public func logSoftmax(
    dim: Int, dtype: DType? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { along(ops.softmaxes.logSoftmax, dim, dtype, CallSite(file, line)) }

  private func along(_ row: Operator<Int>, _ dim: Int, _ dtype: DType?, _ site: CallSite) -> Tensor {
    checked(row.name, at: site) { layout throws(TensorError) in
      row(dtype.map { to($0) } ?? self, try layout.dimension(dim), at: site)
    }
  }
}
