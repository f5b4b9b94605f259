struct Products: Sendable {
  /// Two matrices.
  let mm: Operator<None> = Operator(
    "mm",
    saves: { needs in
      var plan = SavePlan()
      if needs.contains(0) { plan.operands.insert(.operand(1)) }
      if needs.contains(1) { plan.operands.insert(.operand(0)) }
      return plan
    },
    forward: { (operands, _) throws(TensorError) in
      let (a, b) = (operands[0]!.body, operands[1]!.body)
      let (x, y) = (a.layout, b.layout)
      guard x.rank == 2, y.rank == 2 else { throw .shape("both operands must be matrices") }
      guard a.dtype == b.dtype else {
        throw .dtype("expected m1 and m2 to have the same dtype, but got: \(a.dtype) != \(b.dtype)")
      }
      let (m, k, n) = (x.shape.at(0), x.shape.at(1), y.shape.at(1))
      guard y.shape.at(0) == k else {
        throw .shape("mat1 and mat2 shapes cannot be multiplied (\(m)x\(k) and \(y.shape.at(0))x\(n))")
      }
      let result = try Value(Layout([m, n]), a.dtype)
      withExtendedLifetime((a, b)) {
        Gemm(
          m: m, n: n, k: k, a: MatrixOperand(a), b: MatrixOperand(b), c: result.storage.pointer, cType: a.dtype,
          cRowStride: n
        ).run()
      }
      return result
    },
    backward: { (call, gradient) throws(TensorError) in
      Few(
        call.needs(0) ? gradient.mm(try call.operand(1).T) : nil,
        call.needs(1) ? try call.operand(0).T.mm(gradient) : nil)
    })
}

extension MatrixOperand {
  init(_ body: TensorBody) {
    self.init(
      data: body.elements.start, dtype: body.dtype, rowStride: body.layout.strides.at(0),
      columnStride: body.layout.strides.at(1))
  }
}

extension Tensor {
  /// The product of two matrices, [m, k] and [k, n]. Torch's `mm`.
  public func mm(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.products.mm(self, other, None(), at: CallSite(file, line))
  }
}
