/// What is added to a product: beta · input + alpha · a b.
struct SumArguments: Sendable {
  var beta = 1.0
  var alpha = 1.0
}

/// A product and what is added to it, in one pass over the result.
struct SumsOfProducts: Sendable {
  let addmm: Operator<SumArguments> = Operator<SumArguments>(
    "addmm", saves: { Products.saves($0, 1, 2) },
    forward: { (operands, at) throws(TensorError) in
      let (input, a, b) = (operands[0]!.body, operands[1]!.body, operands[2]!.body)
      guard a.layout.rank == 2 else { throw .shape("mat1 must be a matrix, got \(a.layout.rank)-D tensor") }
      guard b.layout.rank == 2 else { throw .shape("mat2 must be a matrix, got \(b.layout.rank)-D tensor") }
      try Products.checkInner(a.layout.shape, b.layout.shape)
      guard a.dtype == b.dtype, input.dtype == b.dtype else {
        let (what, dtype) = input.dtype != b.dtype ? ("self", input.dtype) : ("mat1", a.dtype)
        throw .dtype(
          "\(what) and mat2 must have the same dtype, but got \(dtype.torchScalarName) and \(b.dtype.torchScalarName)")
      }
      try Products.checkMultiplies(a.dtype, "addmm_impl_cpu_")
      let shape: Shape = [a.layout.shape.at(0), b.layout.shape.at(1)]
      try SumsOfProducts.checkExpands(input.layout.shape, to: shape)
      return try MatrixProduct.value(a.elements, b.elements, shape, plus: input, alpha: at.alpha, beta: at.beta)
    },
    backward: { (call, gradient) throws(TensorError) in
      let scaled = call.attributes.alpha == 1 ? gradient : gradient * call.attributes.alpha
      return Few(
        SumsOfProducts.inputGradient(call, gradient), call.needs(1) ? scaled.mm(try call.operand(2).T) : nil,
        call.needs(2) ? try call.operand(1).T.mm(scaled) : nil)
    },
    samples: [
      Sample("torch.addmm(a, b, c)", [.real([4]), .real([2, 3]), .real([3, 4])]) { $0[0].addmm($0[1], $0[2]) },
      Sample("torch.addmm(a, b, c, beta=2, alpha=-3)", [.real([2, 4]), .real([2, 3]), .real([3, 4])]) {
        $0[0].addmm($0[1], $0[2], beta: 2, alpha: -3)
      },
      Sample("torch.addmm(a, b, c, beta=0)", [.real([2, 1]), .real([2, 3]), .real([3, 4])]) {
        $0[0].addmm($0[1], $0[2], beta: 0)
      },
      Sample("a.clone().addmm_(b, c)", [.real([2, 4]), .real([2, 3]), .real([3, 4])]) { $0[0].clone().addmm_($0[1], $0[2]) },
      Sample("torch.addmm(a, b, c.t())", [.real([24]), .real([20, 16]), .real([24, 16])]) { $0[0].addmm($0[1], $0[2].T) },
    ]
  ).onGPU()

  let addmv: Operator<SumArguments> = Operator<SumArguments>(
    "addmv", saves: { Products.saves($0, 1, 2) },
    forward: { (operands, at) throws(TensorError) in
      let (input, a, x) = (operands[0]!.body, operands[1]!.body, operands[2]!.body)
      try Products.checkMatrixVector(a, x, plus: input)
      return try Products.matrixVector(a, x, plus: input, alpha: at.alpha, beta: at.beta)
    },
    backward: { (call, gradient) throws(TensorError) in
      let scaled = call.attributes.alpha == 1 ? gradient : gradient * call.attributes.alpha
      return Few(
        SumsOfProducts.inputGradient(call, gradient), call.needs(1) ? scaled.outer(try call.operand(2)) : nil,
        call.needs(2) ? try call.operand(1).T.mv(scaled) : nil)
    },
    samples: [
      Sample("torch.addmv(a, b, c)", [.real([2]), .real([2, 3]), .real([3])]) { $0[0].addmv($0[1], $0[2]) },
      Sample("torch.addmv(a, b, c, beta=3, alpha=2)", [.real([1]), .real([2, 3]), .real([3])]) {
        $0[0].addmv($0[1], $0[2], beta: 3, alpha: 2)
      },
      Sample("a.clone().addmv_(b, c)", [.real([2]), .real([2, 3]), .real([3])]) { $0[0].clone().addmv_($0[1], $0[2]) },
    ]
  ).onGPU()

  let baddbmm: Operator<SumArguments> = Operator<SumArguments>(
    "baddbmm", saves: { Products.saves($0, 1, 2) },
    forward: { (operands, at) throws(TensorError) in
      let (input, a, b) = (operands[0]!.body, operands[1]!.body, operands[2]!.body)
      guard a.layout.rank == 3 else { throw .shape("batch1 must be a 3D tensor") }
      try Products.checkBatches(a.layout.shape, b.layout.shape)
      guard input.dtype == a.dtype, a.dtype == b.dtype else {
        let names = [input, a, b].map(\.dtype.torchElementName)
        throw .dtype("Input dtypes must be the same, got: input \(names[0]), batch1: \(names[1]), batch2: \(names[2])")
      }
      let shape = try Products.batchedShape(a, b)
      try SumsOfProducts.checkExpands(input.layout.shape, to: shape)
      return try MatrixProduct.value(a.elements, b.elements, shape, plus: input, alpha: at.alpha, beta: at.beta)
    },
    backward: { (call, gradient) throws(TensorError) in
      let scaled = call.attributes.alpha == 1 ? gradient : gradient * call.attributes.alpha
      return Few(
        SumsOfProducts.inputGradient(call, gradient),
        call.needs(1) ? scaled.bmm(try call.operand(2).matricesTransposed) : nil,
        call.needs(2) ? try call.operand(1).matricesTransposed.bmm(scaled) : nil)
    },
    samples: [
      Sample("torch.baddbmm(a, b, c)", [.real([4]), .real([2, 2, 3]), .real([2, 3, 4])]) { $0[0].baddbmm($0[1], $0[2]) },
      Sample("torch.baddbmm(a, b, c, beta=2, alpha=-3)", [.real([2, 1, 4]), .real([2, 2, 3]), .real([2, 3, 4])]) {
        $0[0].baddbmm($0[1], $0[2], beta: 2, alpha: -3)
      },
      Sample("a.clone().baddbmm_(b, c)", [.real([2, 2, 4]), .real([2, 2, 3]), .real([2, 3, 4])]) {
        $0[0].clone().baddbmm_($0[1], $0[2])
      },
    ]
  ).onGPU()

  /// x Wᵀ + b over the last dimension.
  let linear: Operator<None> = Operator<None>(
    "linear", saves: Products.saves,
    forward: { (operands, _) throws(TensorError) in
      let (w, bias) = (operands[1]!.body, operands[2]?.body)
      try SumsOfProducts.checkLinear(operands[0]!.body, w, bias)
      // Rows that are no one run of memory are gathered: the weight is packed once instead of once for each batch.
      let x = try operands[0]!.body.withRowsInOneRun()
      let shape = x.layout.shape
      let outputs = w.layout.shape.at(0)
      let value = try MatrixProduct.value(
        x.elements(x.layout.rowsInOneRun!),
        w.elements(w.layout.swapped(0, 1)), [shape.rowCount, outputs], plus: bias)
      withExtendedLifetime((x, operands)) {}
      return Value(value.storage, Layout(shape.replacing(shape.count - 1, with: outputs)), value.dtype)
    },
    backward: { (call, gradient) throws(TensorError) in
      Few(
        call.needs(0) ? gradient.matmul(try call.operand(1)) : nil,
        call.needs(1) ? gradient.asRows.T.mm(try call.operand(0).asRows) : nil,
        call.needs(2) ? gradient.fitted(to: call.shape(2), call.dtype(2)) : nil)
    },
    samples: [
      Sample("F.linear(a, b, c)", [.real([2, 3]), .real([4, 3]), .real([4])]) { $0[0].linear($0[1], $0[2]) },
      Sample("F.linear(a, b)", [.real([2, 5, 3]), .real([4, 3])]) { $0[0].linear($0[1]) },
      Sample("F.linear(a, b, c)", [.real([3]), .real([4, 3]), .real([4])]) { $0[0].linear($0[1], $0[2]) },
      Sample("F.linear(a.transpose(0, 1), b, c)", [.real([3, 2, 4]), .real([5, 4]), .real([5])]) {
        $0[0].transpose(0, 1).linear($0[1], $0[2])
      },
      Sample("F.linear(a, b, c)", [.real([20, 16]), .real([24, 16]), .real([24])]) { $0[0].linear($0[1], $0[2]) },
      Sample("F.linear(a, b, c)", [.real([3, 4]), .real([2, 4]), .real([1])]) { $0[0].linear($0[1], $0[2]) },
    ]
  ).onGPU()
}

extension SumsOfProducts {
  private static func inputGradient(_ call: Call<SumArguments>, _ gradient: Tensor) -> Tensor? {
    guard call.needs(0) else { return nil }
    let beta = call.attributes.beta
    return (beta == 1 ? gradient : gradient * beta).fitted(to: call.shape(0), call.dtype(0))
  }

  /// Torch's `expand` of what is added.
  static func checkExpands(_ shape: Shape, to target: Shape) throws(TensorError) {
    guard shape.count <= target.count else {
      throw .shape(
        "the number of sizes provided (\(target.count)) must be greater or equal to the number of dimensions in the tensor "
          + "(\(shape.count))")
    }
    for i in 0..<shape.count where shape.at(i) != 1 {
      let at = target.count - shape.count + i
      if shape.at(i) != target.at(at) {
        throw .shape(
          "The expanded size of the tensor (\(target.at(at))) must match the existing size (\(shape.at(i))) at "
            + "non-singleton dimension \(at).  Target sizes: \(target).  Tensor sizes: \(shape)")
      }
    }
  }

  static func checkLinear(_ x: TensorBody, _ w: TensorBody, _ bias: TensorBody?) throws(TensorError) {
    let shape = x.layout.shape
    guard shape.count > 0, w.layout.rank > 0 else {
      throw .shape(
        "both arguments to linear need to be at least 1D, but they are \(shape.count)D and \(w.layout.rank)D")
    }
    guard w.layout.rank == 2 else {
      throw .shape("the weight must be a matrix [outputs, inputs], but it has the shape \(w.layout.shape)")
    }
    try Products.checkInner(shape, w.layout.swapped(0, 1).shape)
    guard x.dtype == w.dtype else {
      throw .dtype(
        "expected m1 and m2 to have the same dtype, but got: \(x.dtype.torchElementName) != \(w.dtype.torchElementName)")
    }
    guard bias == nil || bias!.dtype == w.dtype else {
      throw .dtype(
        "self and mat2 must have the same dtype, but got \(bias!.dtype.torchScalarName) and \(w.dtype.torchScalarName)")
    }
    try Products.checkMultiplies(x.dtype, "addmm_impl_cpu_")
    if let bias { try checkExpands(bias.layout.shape, to: [shape.rowCount, w.layout.shape.at(0)]) }
  }
}

extension Layout {
  /// All dimensions but the last as one, where that needs no copy.
  var rowsInOneRun: Layout? { viewed(as: [shape.rowCount, shape.at(rank - 1)]) }
}

extension TensorBody {
  /// The elements, copied only if all dimensions but the last are no single one in memory.
  func withRowsInOneRun() throws(TensorError) -> TensorBody {
    if layout.rowsInOneRun != nil { return self }
    let copy = try Value(Layout(layout.shape), dtype, on: device)
    try elements.copy(to: copy.elements)
    return TensorBody(copy)
  }
}

extension Tensor {
  /// beta · self + alpha · a b for matrices a and b; self is broadcast. Torch's `addmm`.
  public func addmm(
    _ a: Tensor, _ b: Tensor, beta: Double = 1, alpha: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    ops.sumsOfProducts.addmm(self, a, b, SumArguments(beta: beta, alpha: alpha), at: CallSite(file, line))
  }

  /// beta · self + alpha · a b, in place. Torch's `addmm_`.
  @discardableResult
  public func addmm_(
    _ a: Tensor, _ b: Tensor, beta: Double = 1, alpha: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    ops.sumsOfProducts.addmm.write(Few(self, a, b), SumArguments(beta: beta, alpha: alpha), at: CallSite(file, line))
  }

  /// beta · self + alpha · a x for a matrix a and a vector x; self is broadcast. Torch's `addmv`.
  public func addmv(
    _ a: Tensor, _ x: Tensor, beta: Double = 1, alpha: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    ops.sumsOfProducts.addmv(self, a, x, SumArguments(beta: beta, alpha: alpha), at: CallSite(file, line))
  }

  /// beta · self + alpha · a x, in place. Torch's `addmv_`.
  @discardableResult
  public func addmv_(
    _ a: Tensor, _ x: Tensor, beta: Double = 1, alpha: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    ops.sumsOfProducts.addmv.write(Few(self, a, x), SumArguments(beta: beta, alpha: alpha), at: CallSite(file, line))
  }

  /// beta · self + alpha · a b for batches of matrices [n, …, …]; self is broadcast. Torch's `baddbmm`.
  public func baddbmm(
    _ a: Tensor, _ b: Tensor, beta: Double = 1, alpha: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    ops.sumsOfProducts.baddbmm(self, a, b, SumArguments(beta: beta, alpha: alpha), at: CallSite(file, line))
  }

  /// beta · self + alpha · a b, in place. Torch's `baddbmm_`.
  @discardableResult
  public func baddbmm_(
    _ a: Tensor, _ b: Tensor, beta: Double = 1, alpha: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    ops.sumsOfProducts.baddbmm.write(Few(self, a, b), SumArguments(beta: beta, alpha: alpha), at: CallSite(file, line))
  }

  /// self · weightᵀ + bias over the last dimension: [*, inputs] to [*, outputs]. Torch's `linear`.
  ///
  /// - Parameters:
  ///   - weight: [outputs, inputs], of this dtype.
  ///   - bias: [outputs], of this dtype.
  public func linear(
    _ weight: Tensor, _ bias: Tensor? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    ops.sumsOfProducts.linear.call(Few(self, weight, bias), None(), at: CallSite(file, line))
  }
}
