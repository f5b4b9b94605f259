/// Products of vectors, matrices and batches of matrices. Operands of any strides are read where they lie.
struct Products: Sendable {
  /// Two matrices.
  let mm: Operator<None> = Operator<None>(
    "mm", saves: Products.saves,
    forward: { (operands, _) throws(TensorError) in
      let (a, b) = (operands[0]!.body, operands[1]!.body)
      guard a.layout.rank == 2 else { throw .shape("self must be a matrix") }
      guard b.layout.rank == 2 else { throw .shape("mat2 must be a matrix") }
      try Products.checkSameElements(a, b)
      try Products.checkInner(a.layout.shape, b.layout.shape)
      return try MatrixProduct.value(a.elements, b.elements, [a.layout.shape.at(0), b.layout.shape.at(1)])
    },
    backward: { (call, gradient) throws(TensorError) in
      Few(
        call.needs(0) ? gradient.mm(try call.operand(1).T) : nil,
        call.needs(1) ? try call.operand(0).T.mm(gradient) : nil)
    },
    tangent: { (call, t) throws(TensorError) in try Products.tangent(call, t) },
    samples: [
      Sample("a.mm(b)", [.real([3, 4]), .real([4, 5])]) { $0[0].mm($0[1]) },
      Sample("a.mm(b.t())", [.real([1, 4]), .real([6, 4])]) { $0[0].mm($0[1].T) },
      Sample("a.t() @ b", [.real([4, 3]), .real([4, 1])]) { $0[0].T.matmul($0[1]) },
    ]
  ).onGPU()

  /// Matrices in the last two dimensions; the others broadcast.
  let bmm: Operator<None> = Operator<None>(
    "bmm", saves: Products.saves,
    forward: { (operands, _) throws(TensorError) in
      let (a, b) = (operands[0]!.body, operands[1]!.body)
      let shape = try Products.batchedShape(a, b)
      return try MatrixProduct.value(a.elements, b.elements, shape)
    },
    backward: { (call, gradient) throws(TensorError) in
      Few(
        call.needs(0) ? try Products.leftGradient(call, gradient) : nil,
        call.needs(1) ? try Products.rightGradient(call, gradient) : nil)
    },
    tangent: { (call, t) throws(TensorError) in try Products.tangent(call, t) },
    samples: [
      Sample("a.bmm(b)", [.real([2, 3, 4]), .real([2, 4, 5])]) { $0[0].bmm($0[1]) },
      Sample("a.bmm(b.mT)", [.real([3, 2, 4]), .real([3, 1, 4])]) { $0[0].bmm($0[1].transpose(1, 2)) },
      Sample("a @ b", [.real([2, 3, 4]), .real([4, 5])]) { $0[0].matmul($0[1]) },
      Sample("a @ b", [.real([3, 4]), .real([2, 4, 2])]) { $0[0].matmul($0[1]) },
      Sample("a @ b", [.real([2, 1, 3, 4]), .real([3, 4, 2])]) { $0[0].matmul($0[1]) },
      Sample("a @ b", [.real([1, 2, 2, 3]), .real([3, 1, 3, 2])]) { $0[0].matmul($0[1]) },
      Sample("a.transpose(0, 1) @ b", [.real([2, 3, 4]), .real([4, 5])]) { $0[0].transpose(0, 1).matmul($0[1]) },
      Sample("a @ b", [.real([4]), .real([2, 4, 3])]) { $0[0].matmul($0[1]) },
      Sample("a @ b", [.real([4]), .real([4, 3])]) { $0[0].matmul($0[1]) },
    ]
  ).onGPU()

  /// A matrix and a vector.
  let mv: Operator<None> = Operator<None>(
    "mv", saves: Products.saves,
    forward: { (operands, _) throws(TensorError) in
      let (a, x) = (operands[0]!.body, operands[1]!.body)
      try Products.checkMatrixVector(a, x)
      return try Products.matrixVector(a, x)
    },
    backward: { (call, gradient) throws(TensorError) in
      Few(
        call.needs(0) ? gradient.outer(try call.operand(1)) : nil,
        call.needs(1) ? try call.operand(0).T.mv(gradient) : nil)
    },
    tangent: { (call, t) throws(TensorError) in try Products.tangent(call, t) },
    samples: [
      Sample("a.mv(b)", [.real([3, 4]), .real([4])]) { $0[0].mv($0[1]) },
      Sample("a.t() @ b", [.real([4, 5]), .real([4])]) { $0[0].T.matmul($0[1]) },
      Sample("a @ b", [.real([2, 3, 4]), .real([4])]) { $0[0].matmul($0[1]) },
    ]
  ).onGPU()

  /// Two vectors.
  let dot: Operator<None> = Operator<None>(
    "dot", saves: Products.saves,
    forward: { (operands, _) throws(TensorError) in
      let (a, b) = (operands[0]!.body, operands[1]!.body)
      guard a.layout.rank == 1, b.layout.rank == 1 else {
        throw .shape("1D tensors expected, but got \(a.layout.rank)D and \(b.layout.rank)D tensors")
      }
      guard a.dtype == b.dtype else {
        throw .dtype(
          "dot : expected both vectors to have same dtype, but found \(a.dtype.torchScalarName) and "
            + "\(b.dtype.torchScalarName)")
      }
      guard a.layout.elementCount == b.layout.elementCount else {
        let (n, m) = (a.layout.elementCount, b.layout.elementCount)
        throw .shape(
          "inconsistent tensor size, expected tensor [\(n)] and src [\(m)] to have the same number of elements, but got "
            + "\(n) and \(m) elements respectively")
      }
      try Products.checkMultiplies(a.dtype, "dot")
      let result = try Value(Layout([]), a.dtype, on: a.device)
      let cell = result.elements(Layout([1]))
      try withExtendedLifetime((a, b)) { () throws(TensorError) in
        try Backend.reduce(
          .sum, in: a.dtype.computeClass, [a.elements, b.elements], map: Products.multiply, dims: [0], into: cell)
      }
      return result
    },
    backward: { (call, gradient) throws(TensorError) in
      Few(
        call.needs(0) ? gradient * (try call.operand(1)) : nil, call.needs(1) ? gradient * (try call.operand(0)) : nil)
    },
    tangent: { (call, t) throws(TensorError) in try Products.tangent(call, t) },
    samples: [
      Sample("a.dot(b)", [.real([7]), .real([7])]) { $0[0].dot($0[1]) },
      Sample("a @ b", [.real([5]), .real([5])]) { $0[0].matmul($0[1]) },
    ]
  ).onGPU()

  let composites: [Sample] = [
    Sample("torch.outer(a, b)", [.real([3]), .real([4])]) { $0[0].outer($0[1]) }
  ]

  private static let multiply = Program { a, b in a * b }
}

// What several products share.
extension Products {
  /// The gradient of each operand reads the other.
  static func saves(_ needs: OperandSet) -> SavePlan { saves(needs, 0, 1) }

  static func saves(_ needs: OperandSet, _ a: Int, _ b: Int) -> SavePlan {
    var plan = SavePlan()
    if needs.contains(a) { plan.operands.insert(.operand(b)) }
    if needs.contains(b) { plan.operands.insert(.operand(a)) }
    return plan
  }

  /// Of a row linear in each of its first two operands; any others are constants or bring a tangent that is only added.
  static func tangent<Attributes: Sendable>(_ call: Call<Attributes>, _ tangents: Few<Tensor>) throws(TensorError) -> Tensor? {
    var sum: Tensor?
    for i in 0...1 {
      guard let moved = tangents[i] else { continue }
      var operands = Few<Tensor>(count: call.operandCount)
      operands[i] = moved
      operands[1 - i] = try call.operand(1 - i)
      if sum == nil { for k in 2..<Swift.max(2, call.operandCount) { operands[k] = tangents[k] } }
      let term = call.node.row.call(operands, call.attributes)
      sum = sum.map { $0 + term } ?? term
    }
    return sum
  }

  static func checkMultiplies(_ dtype: DType, _ name: String) throws(TensorError) {
    guard dtype != .bool else {
      throw .dtype("\"\(name)\" not implemented for 'Bool'. Convert the operands, such as with .to(.int64).")
    }
  }

  static func checkSameElements(_ a: TensorBody, _ b: TensorBody) throws(TensorError) {
    guard a.dtype == b.dtype else {
      throw .dtype(
        "expected m1 and m2 to have the same dtype, but got: \(a.dtype.torchElementName) != \(b.dtype.torchElementName)")
    }
    try checkMultiplies(a.dtype, "addmm_impl_cpu_")
  }

  /// `a` may have any number of dimensions; all but the last count as rows.
  static func checkInner(_ a: Shape, _ b: Shape) throws(TensorError) {
    let (k, inner) = (a.at(a.count - 1), b.at(0))
    guard k == inner else {
      throw .shape("mat1 and mat2 shapes cannot be multiplied (\(a.rowCount)x\(k) and \(inner)x\(b.at(1)))")
    }
  }

  /// The shape of a product of batches of matrices.
  static func batchedShape(_ a: TensorBody, _ b: TensorBody) throws(TensorError) -> Shape {
    let (x, y) = (a.layout.shape, b.layout.shape)
    if y.count == 2 {
      try checkSameElements(a, b)
      try checkInner(x, y)
      return x.replacing(x.count - 1, with: y.at(1))
    }
    guard a.dtype == b.dtype else {
      throw .dtype("expected scalar type \(a.dtype.torchScalarName) but found \(b.dtype.torchScalarName)")
    }
    try checkMultiplies(a.dtype, "bmm")
    let batch = try Shape.broadcast(Shape(x.dropLast(2)), Shape(y.dropLast(2)))
    let (k, inner) = (x.at(x.count - 1), y.at(y.count - 2))
    guard k == inner else {
      throw .shape(
        "Expected size for first two dimensions of batch2 tensor to be: [\(batch.elementCount), \(k)] but got: "
          + "[\(batch.elementCount), \(inner)].")
    }
    return Shape(Array(batch) + [x.at(x.count - 2), y.at(y.count - 1)])
  }

  private static func leftGradient(_ call: Call<None>, _ gradient: Tensor) throws(TensorError) -> Tensor {
    ops.products.bmm(gradient, try call.operand(1).matricesTransposed, None()).fitted(to: call.shape(0), call.dtype(0))
  }

  private static func rightGradient(_ call: Call<None>, _ gradient: Tensor) throws(TensorError) -> Tensor {
    let a = try call.operand(0)
    if call.shape(1).count > 2 {
      return ops.products.bmm(a.matricesTransposed, gradient, None()).fitted(to: call.shape(1), call.dtype(1))
    }
    // One matrix for the whole batch: its gradient is one product of all rows.
    return a.asRows.T.mm(gradient.asRows)
  }

  static func checkMatrixVector(_ a: TensorBody, _ x: TensorBody, plus input: TensorBody? = nil) throws(TensorError) {
    let rank = input?.layout.rank ?? 1
    guard a.layout.rank == 2, x.layout.rank == 1, rank <= 1 else {
      throw .shape("vector + matrix @ vector expected, got \(rank), \(a.layout.rank), \(x.layout.rank)")
    }
    let (m, k) = (a.layout.shape.at(0), a.layout.shape.at(1))
    let size = input?.layout.elementCount ?? m
    guard k == x.layout.elementCount, size == m || size == 1 else {
      throw .shape("size mismatch, got input (\(size)), mat (\(m)x\(k)), vec (\(x.layout.elementCount))")
    }
    guard a.dtype == x.dtype, input == nil || input!.dtype == a.dtype else {
      let names = [(input ?? x).dtype, a.dtype, x.dtype].map(\.torchScalarName)
      throw .dtype("addmv input tensors must have the same dtype, but got \(names[0]), \(names[1]), and \(names[2])")
    }
    try checkMultiplies(a.dtype, "addmv_impl_cpu")
  }

  /// alpha · a x + beta · input, checked before.
  static func matrixVector(
    _ a: TensorBody, _ x: TensorBody, plus input: TensorBody? = nil, alpha: Double = 1, beta: Double = 1
  ) throws(TensorError) -> Value {
    let m = a.layout.shape.at(0)
    let column = { (body: TensorBody) in body.layout.rank == 0 ? body.layout.inserted(0).inserted(1) : body.layout.inserted(1) }
    let plus = input.map { TensorBody(Value($0.storage, column($0), $0.dtype)) }
    let value = try MatrixProduct.value(
      a.elements, x.elements(column(x)), [m, 1], plus: plus, alpha: alpha, beta: beta)
    return Value(value.storage, Layout([m]), value.dtype)
  }
}

extension Tensor {
  /// The last two dimensions exchanged.
  var matricesTransposed: Tensor { transpose(-2, -1) }

  /// All dimensions but the last as one.
  var asRows: Tensor { ndim == 2 ? self : reshape([shape.rowCount, shape.at(ndim - 1)]) }

  /// The product of two matrices, [m, k] and [k, n]. Torch's `mm`.
  public func mm(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.products.mm(self, other, None(), at: CallSite(file, line))
  }

  /// The products of two batches of matrices, [b, m, k] and [b, k, n]. Torch's `bmm`.
  public func bmm(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checked("bmm", at: site) { layout throws(TensorError) in
      guard layout.rank == 3 else { throw .shape("batch1 must be a 3D tensor") }
      if other.body.poison == nil {
        try Products.checkBatches(layout.shape, other.body.layout.shape)
      }
      return ops.products.bmm(self, other, None(), at: site)
    }
  }

  /// The product of a matrix [m, k] and a vector [k]. Torch's `mv`.
  public func mv(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.products.mv(self, other, None(), at: CallSite(file, line))
  }

  /// The sum of the products of two vectors' elements. Torch's `dot`.
  public func dot(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.products.dot(self, other, None(), at: CallSite(file, line))
  }

  /// Every element of a vector [m] times every element of another [n]: a matrix [m, n]. Torch's `outer`.
  public func outer(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checked("outer", at: site) { layout throws(TensorError) in
      guard layout.rank == 1 else { throw .shape("Expected 1-D argument self, but got \(layout.rank)-D") }
      guard other.ndim == 1 || other.body.poison != nil else {
        throw .shape("Expected 1-D argument vec2, but got \(other.ndim)-D")
      }
      return ops.arithmetic.mul(reshape([layout.elementCount, 1]), other, at: site)
    }
  }
}

extension Products {
  /// Batches of `bmm`, which does not broadcast.
  static func checkBatches(_ a: Shape, _ b: Shape) throws(TensorError) {
    guard b.count == 3 else { throw .shape("batch2 must be a 3D tensor") }
    guard a.at(0) == b.at(0), a.at(2) == b.at(1) else {
      throw .shape(
        "Expected size for first two dimensions of batch2 tensor to be: [\(a.at(0)), \(a.at(2))] but got: "
          + "[\(b.at(0)), \(b.at(1))].")
    }
  }
}
