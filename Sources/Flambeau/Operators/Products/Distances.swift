/// How far vectors are from each other.
struct Distances: Sendable {
  private static let two: [SampleOperand] = [.real([3, 4]), .real([3, 4])]

  let composites: [Sample] = [
    Sample("F.pairwise_distance(a, b)", Distances.two) { $0[0].pairwiseDistance($0[1]) },
    Sample("F.pairwise_distance(a, b, 3, 0.1, True)", [.real([2, 3, 4]), .real([3, 4])]) {
      $0[0].pairwiseDistance($0[1], p: 3, eps: 0.1, keepDim: true)
    },
    Sample("F.cosine_similarity(a, b)", [.real([3, 4], 0.5...2), .real([3, 4], 0.5...2)]) { $0[0].cosineSimilarity($0[1]) },
    Sample("F.cosine_similarity(a, b, dim=-2)", [.real([2, 3, 4], 0.5...2), .real([3, 1], 0.5...2)]) {
      $0[0].cosineSimilarity($0[1], dim: -2)
    },
    Sample("F.normalize(a)", [.real([3, 4], 0.5...2)]) { $0[0].normalize() },
    Sample("F.normalize(a, 3, 0)", [.real([3, 4], 0.5...2)]) { $0[0].normalize(p: 3, dim: 0) },
    Sample("torch.cdist(a, b)", [.real([3, 4]), .real([5, 4], 2.5...4)]) { .cdist($0[0], $0[1]) },
    Sample("torch.cdist(a, b, 1)", [.real([2, 3, 4]), .real([2, 4], 2.5...4)]) { .cdist($0[0], $0[1], p: 1) },
    Sample("torch.pdist(a, 3)", [.real([4, 5])]) { $0[0].pdist(p: 3) },
  ]
}

extension Tensor {
  /// The p-norm of self − other + `eps` over the last dimension. Torch's `pairwise_distance`.
  public func pairwiseDistance(
    _ other: Tensor, p: Double = 2, eps: Double = 1e-6, keepDim: Bool = false, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    checkedOperands("pairwise_distance", [other], CallSite(file, line)) { _ throws(TensorError) in
      (self - other + eps).norm(p, dim: -1, keepDim: keepDim)
    }
  }

  /// The cosine of the angle between vectors along `dim`; shapes broadcast. Torch's `cosine_similarity`.
  ///
  /// - Parameter eps: The least length that is divided by.
  public func cosineSimilarity(
    _ other: Tensor, dim: Int = 1, eps: Double = 1e-8, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checkedOperands("cosine_similarity", [other], CallSite(file, line)) { layout throws(TensorError) in
      let common = dtype.promoted(with: other.dtype)
      guard common.isFloatingPoint else {
        throw .dtype("expected common dtype to be floating point, yet common dtype is \(common.torchScalarName)")
      }
      let shape = try Shape.broadcast(layout.shape, other.shape)
      func direction(_ x: Tensor) -> Tensor {
        let wide = x.to(common).expand(shape)
        let length = wide.norm(2, dim: dim, keepDim: true)
        // The bound changes the value, not the gradient.
        return wide / (length + noGrad { length.clamp(min: eps) - length })
      }
      return (direction(self) * direction(other)).sum(dim: dim)
    }
  }

  /// Vectors along `dim` over their p-norm, or over `eps` if that is larger. Torch's `functional.normalize`.
  public func normalize(
    p: Double = 2, dim: Int = 1, eps: Double = 1e-12, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("normalize", at: CallSite(file, line)) { _ throws(TensorError) in
      guard dtype.isFloatingPoint else {
        throw .dtype(
          "linalg.vector_norm: Expected a floating point or complex tensor as input. Got \(dtype.torchScalarName)")
      }
      return self / norm(p, dim: dim, keepDim: true).clamp(min: eps)
    }
  }

  /// The p-norms of the differences of each row of [*, m, d] and each of [*, n, d], as [*, m, n]. Torch's `cdist`.
  public static func cdist(
    _ x1: Tensor, _ x2: Tensor, p: Double = 2, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    x1.checkedOperands("cdist", [x2], CallSite(file, line)) { layout throws(TensorError) in
      if let autocast = AutocastMethod("cdist", on: x1) {
        return try autocast(x1, x2) { .cdist($0[0]!, $0[1]!, p: p, file: file, line: line) }
      }
      for (name, x) in [("X1", x1), ("X2", x2)] {
        guard x.dtype.isFloatingPoint else {
          throw .dtype("cdist only supports floating-point dtypes, \(name) got: \(x.dtype.torchScalarName)")
        }
        guard x.ndim >= 2 else { throw .shape("cdist only supports at least 2D tensors, \(name) got: \(x.ndim)D") }
      }
      guard x1.shape[-1] == x2.shape[-1] else {
        throw .shape("X1 and X2 must have the same number of columns. X1: \(x1.shape[-1]) X2: \(x2.shape[-1])")
      }
      guard p >= 0 else { throw .argument("cdist only supports non-negative p values") }
      return (x1.unsqueeze(-2) - x2.unsqueeze(-3)).norm(p, dim: -1)
    }
  }

  /// The p-norms of the differences of each two rows of [n, d], as [n (n − 1) / 2]. Torch's `pdist`.
  public func pdist(p: Double = 2, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    checked("pdist", at: CallSite(file, line)) { layout throws(TensorError) in
      guard layout.rank == 2 else { throw .shape("pdist only supports 2D tensors, got: \(layout.rank)D") }
      guard dtype.isFloatingPoint else { throw .dtype("pdist only supports floating-point dtypes") }
      guard p >= 0 else { throw .argument("pdist only supports non-negative p values") }
      let n = layout.shape.at(0)
      let pairs = (0..<n).flatMap { i in (i + 1..<Swift.max(n, i + 1)).map { (Int64(i), Int64($0)) } }
      let (first, second) = (Tensor(pairs.map(\.0), device: device), Tensor(pairs.map(\.1), device: device))
      return (indexSelect(dim: 0, index: first) - indexSelect(dim: 0, index: second)).norm(p, dim: 1)
    }
  }
}
