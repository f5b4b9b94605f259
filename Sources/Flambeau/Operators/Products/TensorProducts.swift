/// Products along chosen dimensions; all but one are made of other rows.
struct TensorProducts: Sendable {
  /// a b − c d, a component of a cross product.
  let cross: Operator<PointwiseArguments> = .map(
    "linalg_cross", .promoted, Program(inputs: 4) { x, _ in x[0] * x[1] - x[2] * x[3] },
    refusal: { $0 == .bool ? "\"cross\" not implemented for 'Bool'" : nil },
    samples: [
      Sample("torch.linalg.cross(a, b)", [.real([2, 3]), .real([2, 3])]) { $0[0].cross($0[1], dim: -1) },
      Sample("torch.linalg.cross(a, b, dim=0)", [.real([3, 2]), .real([3, 1])]) { $0[0].cross($0[1], dim: 0) },
      Sample("torch.cross(a, b, dim=1)", [.real([3, 3, 2]), .real([3, 3, 2])]) { $0[0].cross($0[1], dim: 1) },
    ])

  let composites: [Sample] = [
    Sample("torch.tensordot(a, b, 1)", [.real([2, 3]), .real([3, 4])]) { $0[0].tensordot($0[1], dims: 1) },
    Sample("torch.tensordot(a, b)", [.real([2, 3, 4]), .real([3, 4, 2])]) { $0[0].tensordot($0[1]) },
    Sample("torch.tensordot(a, b, 0)", [.real([2]), .real([3])]) { $0[0].tensordot($0[1], dims: 0) },
    Sample("torch.tensordot(a, b, ([1, 0], [0, -1]))", [.real([2, 3, 4]), .real([3, 5, 2])]) {
      $0[0].tensordot($0[1], dims: [1, 0], [0, -1])
    },
    Sample("torch.tensordot(a, b, ([0], [1]))", [.real([3, 2]), .real([4, 1])]) { $0[0].tensordot($0[1], dims: [0], [1]) },
    Sample("torch.kron(a.contiguous(), b.contiguous())", [.real([2, 3]), .real([2, 2])]) { $0[0].kron($0[1]) },
    Sample("torch.kron(a.contiguous(), b.contiguous())", [.real([3]), .real([2, 1, 2])]) { $0[0].kron($0[1]) },
    Sample("torch.inner(a, b)", [.real([2, 3]), .real([4, 3])]) { $0[0].inner($0[1]) },
    Sample("torch.inner(a, b)", [.real([3]), .real([3])]) { $0[0].inner($0[1]) },
    Sample("torch.inner(a, b)", [.real([2, 3]), .real([])]) { $0[0].inner($0[1]) },
    Sample("torch.linalg.vecdot(a, b)", [.real([2, 3]), .real([3])]) { $0[0].vecdot($0[1]) },
    Sample("torch.linalg.vecdot(a, b, dim=0)", [.real([3, 2]), .real([3, 1])]) { $0[0].vecdot($0[1], dim: 0) },
    Sample("a.trace()", [.real([3, 4])]) { $0[0].trace() },
    Sample("torch.linalg.multi_dot((a, b, c))", [.real([2, 3]), .real([3, 4]), .real([4, 2])]) {
      .multiDot([$0[0], $0[1], $0[2]])
    },
    Sample("torch.linalg.multi_dot((a, b, c))", [.real([3]), .real([3, 4]), .real([4])]) {
      .multiDot([$0[0], $0[1], $0[2]])
    },
    Sample("torch.linalg.multi_dot((a, b))", [.real([2, 3]), .real([3])]) { .multiDot([$0[0], $0[1]]) },
    Sample("a.detach().matrix_power(0)", [.real([2, 3, 3])]) { $0[0].detach().matrixPower(0) },
    Sample("a.matrix_power(1)", [.real([3, 3])]) { $0[0].matrixPower(1) },
    Sample("a.matrix_power(5)", [.real([2, 2, 2], -1...1)]) { $0[0].matrixPower(5) },
    Sample("torch.addbmm(a, b, c)", [.real([2, 4]), .real([3, 2, 3]), .real([3, 3, 4])]) { $0[0].addbmm($0[1], $0[2]) },
    Sample("torch.addbmm(a, b, c, beta=2, alpha=3)", [.real([4]), .real([3, 2, 3]), .real([3, 3, 4])]) {
      $0[0].addbmm($0[1], $0[2], beta: 2, alpha: 3)
    }.widened,
    Sample("a.clone().addbmm_(b, c)", [.real([2, 4]), .real([3, 2, 3]), .real([3, 3, 4])]) {
      $0[0].clone().addbmm_($0[1], $0[2])
    },
    Sample("torch.addr(a, b, c)", [.real([2, 3]), .real([2]), .real([3])]) { $0[0].addr($0[1], $0[2]) },
    Sample("torch.addr(a, b, c, beta=0, alpha=2)", [.real([3]), .real([2]), .real([3])]) {
      $0[0].addr($0[1], $0[2], beta: 0, alpha: 2)
    },
    Sample("a.clone().addr_(b, c)", [.real([2, 3]), .real([2]), .real([3])]) { $0[0].clone().addr_($0[1], $0[2]) },
  ]
}

extension Tensor {
  /// The sum of products over the last `dims` dimensions of this tensor and the first of `other`. Torch's `tensordot`.
  public func tensordot(
    _ other: Tensor, dims: Int = 2, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("tensordot", with: other, at: CallSite(file, line)) { layout throws(TensorError) in
      guard dims >= 0 else { throw .argument("tensordot expects dims >= 0, but got dims=\(dims)") }
      guard dims <= Swift.min(layout.rank, other.ndim) else {
        throw .argument("tensordot expects dims < ndim_a or ndim_b, but got dims=\(dims)")
      }
      return try contracted(other, Array(-dims..<0), Array(0..<dims))
    }
  }

  /// The sum of products over the dimensions `dims` of this tensor and `otherDims` of `other`, pair by pair; the dimensions
  /// left are this tensor's and then the other's. Torch's `tensordot`.
  public func tensordot(
    _ other: Tensor, dims: [Int], _ otherDims: [Int], file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("tensordot", with: other, at: CallSite(file, line)) { _ throws(TensorError) in
      try contracted(other, dims, otherDims)
    }
  }

  private func contracted(_ other: Tensor, _ dims: [Int], _ otherDims: [Int]) throws(TensorError) -> Tensor {
    if let autocast = AutocastMethod("tensordot", on: self) {
      return try autocast(self, other) { (cast) throws(TensorError) in try cast[0]!.contracted(cast[1]!, dims, otherDims) }
    }
    guard dims.count == otherDims.count else { throw .argument("both dimension lists should have same length") }
    guard dtype == other.dtype else { throw .dtype("both inputs should have same dtype") }
    let (p, q) = (try dims.mapDimensions(body.layout), try otherDims.mapDimensions(other.body.layout))
    try p.checkDistinct()
    try q.checkDistinct()
    var (a, b) = (self, other)
    for (i, j) in zip(p, q) {
      let (m, n) = (a.shape.at(i), b.shape.at(j))
      if n == 1 {
        a = a.sum(dim: i, keepDim: true, dtype: dtype)
      } else if m == 1 {
        b = b.sum(dim: j, keepDim: true, dtype: dtype)
      } else if m != n {
        throw .shape(
          "contracted dimensions need to match, but first has size \(m) in dim \(dims[p.firstIndex(of: i)!]) and second has "
            + "size \(n) in dim \(otherDims[q.firstIndex(of: j)!])")
      }
    }
    let rows = (0..<ndim).filter { !p.contains($0) }
    let columns = (0..<other.ndim).filter { !q.contains($0) }
    let (height, width) = (rows.map(a.shape.at), columns.map(b.shape.at))
    let inner = p.reduce(1) { $0 * a.shape.at($1) }
    if rows.isEmpty && columns.isEmpty { return a.permute(p).reshape([inner]).dot(b.permute(q).reshape([inner])) }
    let left = a.permute(rows + p).reshape([height.reduce(1, *), inner])
    let right = b.permute(q + columns).reshape([inner, width.reduce(1, *)])
    return left.mm(right).reshape(Shape(height + width))
  }

  /// Kronecker's product: every element times the whole of `other`. Torch's `kron`.
  public func kron(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    checked("kron", with: other, at: CallSite(file, line)) { layout throws(TensorError) in
      let rank = Swift.max(layout.rank, other.ndim)
      func padded(_ shape: Shape) -> [Int] { Array(repeating: 1, count: rank - shape.count) + shape }
      let (a, b) = (padded(layout.shape), padded(other.shape))
      let apart = reshape(Shape(a.flatMap { [$0, 1] })) * other.reshape(Shape(b.flatMap { [1, $0] }))
      return apart.reshape(Shape(zip(a, b).map { $0 * $1 }))
    }
  }

  /// The sums of products over the last dimensions of both; with a scalar, the product. Torch's `inner`.
  public func inner(_ other: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    checked("inner", with: other, at: CallSite(file, line)) { layout throws(TensorError) in
      if layout.rank == 0 || other.ndim == 0 { return self * other }
      guard layout.shape.at(layout.rank - 1) == other.shape.at(other.ndim - 1) else {
        throw .shape(
          "inner() the last dimension must match on both input tensors but got shapes \(layout.shape) and \(other.shape)")
      }
      return try contracted(other, [-1], [-1])
    }
  }

  /// The sum of products over one dimension; the two broadcast. Torch's `linalg.vecdot`.
  public func vecdot(
    _ other: Tensor, dim: Int = -1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("linalg.vecdot", with: other, at: CallSite(file, line)) { _ throws(TensorError) in
      if let autocast = AutocastMethod("linalg_vecdot", on: self) {
        return try autocast(self, other) { $0[0]!.vecdot($0[1]!, dim: dim, file: file, line: line) }
      }
      guard dtype.isFloatingPoint else {
        throw .dtype(
          "linalg.vecdot: Expected a floating point or complex tensor as input. Got \(dtype.torchScalarName)")
      }
      guard dtype == other.dtype else {
        throw .dtype(
          "linalg.vecdot: Expected x and y to have the same dtype, but found \(dtype.torchScalarName) and "
            + "\(other.dtype.torchScalarName)")
      }
      let shape = try Shape.broadcast(self.shape, other.shape)
      let dim = try Layout(shape).dimension(dim)
      let (a, b) = (expand(shape).moveDim(dim, -1), other.expand(shape).moveDim(dim, -1))
      return a.unsqueeze(-2).matmul(b.unsqueeze(-1)).squeeze(-1).squeeze(-1)
    }
  }

  /// The vectors at right angles to both along a dimension of size 3; the two broadcast. Torch's `cross`.
  ///
  /// - Parameter dim: The first dimension of size 3 if it is nil, as torch's `cross` has it; torch's `linalg.cross` has −1.
  public func cross(
    _ other: Tensor, dim: Int? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    return checked("linalg.cross", with: other, at: site) { layout throws(TensorError) in
      guard layout.rank == other.ndim else {
        throw .shape("linalg.cross: inputs must have the same number of dimensions.")
      }
      guard let named = dim ?? layout.shape.firstIndex(of: 3) else {
        throw .shape("no dimension of size 3 in input")
      }
      let dim = try layout.dimension(named)
      let (m, n) = (layout.rank == 0 ? 1 : layout.shape.at(dim), layout.rank == 0 ? 1 : other.shape.at(dim))
      guard m == 3, n == 3 else {
        throw .shape("linalg.cross: inputs dimension \(named) must have length 3. Got \(m) and \(n)")
      }
      return ops.tensorProducts.cross.call(
        Few([roll(-1, dim: dim), other.roll(-2, dim: dim), roll(-2, dim: dim), other.roll(-1, dim: dim)]),
        PointwiseArguments(), at: site)
    }
  }

  /// The sum of a matrix's diagonal; booleans and integers sum to int64. Torch's `trace`.
  public func trace(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    checked("trace", at: CallSite(file, line)) { layout throws(TensorError) in
      if let autocast = AutocastMethod("trace", on: self) {
        return try autocast(self) { $0[0]!.trace(file: file, line: line) }
      }
      guard layout.rank == 2 else { throw .shape("trace: expected a matrix, but got tensor with dim \(layout.rank)") }
      return diagonal().sum()
    }
  }

  /// A square matrix, or each of a batch [*, n, n], multiplied by itself: `n` factors, from 0 on.
  /// Torch's `linalg.matrix_power`.
  public func matrixPower(_ n: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    checked("linalg.matrix_power", at: CallSite(file, line)) { layout throws(TensorError) in
      guard layout.rank >= 2 else {
        throw .shape("linalg.matrix_power: The input tensor A must have at least 2 dimensions.")
      }
      let (rows, columns) = (layout.shape.at(layout.rank - 2), layout.shape.at(layout.rank - 1))
      guard rows == columns else {
        throw .shape(
          "linalg.matrix_power: A must be batches of square matrices, but they are \(rows) by \(columns) matrices")
      }
      guard n >= 0 else { throw .argument("the power must be 0 or greater, but is \(n)") }
      if n == 0 { return Tensor.eye(rows, dtype: dtype, device: device).expand(layout.shape).clone() }
      var result: Tensor?
      var (square, left) = (self, n)
      while true {
        if left & 1 == 1 { result = result.map { $0.matmul(square) } ?? square }
        left >>= 1
        if left == 0 { break }
        square = square.matmul(square)
      }
      return n == 1 ? clone() : result!
    }
  }

  /// The product of a chain of matrices, multiplied in the order that takes the fewest operations; the first may be a row and
  /// the last a column, as vectors. Torch's `linalg.multi_dot`.
  public static func multiDot(
    _ tensors: [Tensor], file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    guard tensors.count >= 2 else {
      return Door.refuse(
        .argument("multi_dot(): expected at least 2 tensors but got \(tensors.count)"), "linalg.multi_dot", Few(tensors),
        at: site)
    }
    if let poison = tensors.lazy.compactMap(\.body.poison).first { return Door.poisoned(by: poison, .current) }
    return tensors[0].checked("linalg.multi_dot", at: site) { _ throws(TensorError) in
      var chain = tensors
      let (isRow, isColumn) = (chain[0].ndim == 1, chain[chain.count - 1].ndim == 1)
      if isRow { chain[0] = chain[0].unsqueeze(0) }
      if isColumn { chain[chain.count - 1] = chain[chain.count - 1].unsqueeze(-1) }
      for (i, tensor) in chain.enumerated() {
        guard tensor.ndim == 2 else {
          let isEnd = i == 0 || i == chain.count - 1
          throw .shape(
            "multi_dot(): \(i == 0 ? "the first tensor" : isEnd ? "the last tensor" : "tensor \(i)") must be "
              + "\(isEnd ? "1D or 2D" : "2D") but got \(tensors[i].ndim)D")
        }
        guard tensor.dtype == tensors[0].dtype else {
          throw .dtype(
            "multi_dot(): all tensors must have be the same dtype but tensor 0 is "
              + "\(tensors[0].dtype.torchScalarName) and tensor \(i) \(tensor.dtype.torchScalarName)")
        }
      }
      for i in 1..<chain.count where chain[i - 1].shape.at(1) != chain[i].shape.at(0) {
        throw .shape(
          "multi_dot(): tensors \(i - 1) and \(i) with shapes \(chain[i - 1].shape) and \(chain[i].shape) cannot be "
            + "multiplied")
      }
      let split = cheapestSplits([chain[0].shape.at(0)] + chain.map { $0.shape.at(1) })
      func product(_ i: Int, _ j: Int) -> Tensor {
        i == j ? chain[i] : product(i, split[i][j]).mm(product(split[i][j] + 1, j))
      }
      var result = product(0, chain.count - 1)
      if isColumn { result = result.squeeze(-1) }
      return isRow ? result.squeeze(0) : result
    }
  }

  /// Where to cut the chain from matrix i to matrix j; matrix i is sizes[i] by sizes[i + 1].
  private static func cheapestSplits(_ sizes: [Int]) -> [[Int]] {
    let count = sizes.count - 1
    var cost = Array(repeating: Array(repeating: 0.0, count: count), count: count)
    var split = Array(repeating: Array(repeating: 0, count: count), count: count)
    for length in 1..<count {
      for i in 0..<count - length {
        let j = i + length
        cost[i][j] = .infinity
        for k in i..<j {
          let work = cost[i][k] + cost[k + 1][j] + Double(sizes[i]) * Double(sizes[k + 1]) * Double(sizes[j + 1])
          if work < cost[i][j] { (cost[i][j], split[i][j]) = (work, k) }
        }
      }
    }
    return split
  }

  /// beta · self + alpha · Σ a b over batches of matrices [n, …, …]; self is broadcast. Torch's `addbmm`.
  public func addbmm(
    _ a: Tensor, _ b: Tensor, beta: Double = 1, alpha: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("addbmm", with: a, b, at: CallSite(file, line)) { _ throws(TensorError) in
      if let autocast = AutocastMethod("addbmm", on: self) {
        return try autocast(self, a, b) { $0[0]!.addbmm($0[1]!, $0[2]!, beta: beta, alpha: alpha, file: file, line: line) }
      }
      let (left, right) = try Tensor.sideBySide(a, b)
      return addmm(left, right, beta: beta, alpha: alpha, file: file, line: line)
    }
  }

  /// beta · self + alpha · Σ a b, in place. Torch's `addbmm_`.
  @discardableResult
  public func addbmm_(
    _ a: Tensor, _ b: Tensor, beta: Double = 1, alpha: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("addbmm_", with: a, b, at: CallSite(file, line)) { _ throws(TensorError) in
      let (left, right) = try Tensor.sideBySide(a, b)
      return addmm_(left, right, beta: beta, alpha: alpha, file: file, line: line)
    }
  }

  /// Two matrices whose product is the sum of the batches' products.
  private static func sideBySide(_ a: Tensor, _ b: Tensor) throws(TensorError) -> (Tensor, Tensor) {
    guard a.ndim == 3 else { throw .shape("batch1 must be a 3D tensor") }
    guard b.ndim == 3 else { throw .shape("batch2 must be a 3D tensor") }
    let (x, y) = (a.shape, b.shape)
    guard x.at(0) == y.at(0) else {
      throw .shape("batch1 and batch2 must have same number of batches, got \(x.at(0)) and \(y.at(0))")
    }
    guard x.at(2) == y.at(1) else {
      throw .shape("Incompatible matrix sizes for bmm (\(x.at(1))x\(x.at(2)) and \(y.at(1))x\(y.at(2)))")
    }
    let inner = x.at(0) * x.at(2)
    return (a.permute([1, 0, 2]).reshape([x.at(1), inner]), b.reshape([inner, y.at(2)]))
  }

  /// beta · self + alpha · a bᵀ for vectors a and b; self is broadcast. Torch's `addr`.
  public func addr(
    _ a: Tensor, _ b: Tensor, beta: Double = 1, alpha: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("addr", with: a, b, at: CallSite(file, line)) { _ throws(TensorError) in
      if let autocast = AutocastMethod("addr", on: self) {
        return try autocast(self, a, b) { $0[0]!.addr($0[1]!, $0[2]!, beta: beta, alpha: alpha, file: file, line: line) }
      }
      return try plusOuter(a, b, beta, alpha)
    }
  }

  /// beta · self + alpha · a bᵀ, in place. Torch's `addr_`.
  @discardableResult
  public func addr_(
    _ a: Tensor, _ b: Tensor, beta: Double = 1, alpha: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("addr_", with: a, b, at: CallSite(file, line)) { _ throws(TensorError) in
      copy_(try plusOuter(a, b, beta, alpha), file: file, line: line)
    }
  }

  private func plusOuter(_ a: Tensor, _ b: Tensor, _ beta: Double, _ alpha: Double) throws(TensorError) -> Tensor {
    guard a.ndim == 1 else { throw .shape("addr: Expected 1-D argument vec1, but got \(a.ndim)-D") }
    guard b.ndim == 1 else { throw .shape("addr: Expected 1-D argument vec2, but got \(b.ndim)-D") }
    try SumsOfProducts.checkExpands(shape, to: [a.count, b.count])
    let dtype = DType.common(Few(self, a, b))
    if dtype == .bool {
      let product = alpha == 0 ? a.outer(b).zerosLike() : a.outer(b)
      return beta == 0 ? product : product.logicalOr(self)
    }
    let (left, right) = (a.to(dtype).unsqueeze(1), b.to(dtype).unsqueeze(0))
    return to(dtype).addmm(left, right, beta: beta, alpha: alpha)
  }
}
