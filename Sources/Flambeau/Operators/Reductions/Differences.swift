/// Differences of neighbours, and sums between them; made of other rows.
struct Differences: Sendable {
  let composites: [Sample] = [
    Sample("a.diff()", [.real([3, 4])]) { $0[0].diff() },
    Sample("a.diff(2, 0)", [.real([4, 3])]) { $0[0].diff(2, dim: 0) },
    Sample("a.diff(5)", [.real([2, 3])]) { $0[0].diff(5) },
    Sample("a.diff(prepend=b, append=c)", [.real([3, 4]), .real([3, 2]), .real([3, 1])]) {
      $0[0].diff(prepend: $0[1], append: $0[2])
    },
    Sample("torch.trapezoid(a)", [.real([3, 4])]) { $0[0].trapezoid() },
    Sample("torch.trapezoid(a, dx=0.5, dim=0)", [.real([3, 4])]) { $0[0].trapezoid(dx: 0.5, dim: 0) },
    Sample("torch.trapezoid(a, b)", [.real([3, 4]), .real([4])]) { $0[0].trapezoid(x: $0[1]) },
    Sample("torch.trapezoid(a, b, dim=0)", [.real([3, 4]), .real([3])]) { $0[0].trapezoid(x: $0[1], dim: 0) },
    Sample("torch.trapezoid(a, b, dim=1)", [.real([2, 3, 4]), .real([3, 4])]) { $0[0].trapezoid(x: $0[1], dim: 1) },
    Sample("torch.cumulative_trapezoid(a, dx=2)", [.real([3, 4])]) { $0[0].cumulativeTrapezoid(dx: 2) },
    Sample("torch.cumulative_trapezoid(a, b)", [.real([3, 4]), .real([4])]) { $0[0].cumulativeTrapezoid(x: $0[1]) },
  ]
}

extension Tensor {
  /// Each element along `dim` less the one before it, `n` times over; of booleans whether they differ. Torch's `diff`.
  ///
  /// - Parameters:
  ///   - prepend, append: Put before and behind first; of this tensor's shape but for `dim`.
  public func diff(
    _ n: Int = 1, dim: Int = -1, prepend: Tensor? = nil, append: Tensor? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    checked("diff", at: CallSite(file, line)) { layout throws(TensorError) in
      guard layout.rank > 0 else { throw .shape("diff expects input to be at least one-dimensional") }
      guard n >= 0 else { throw .argument("order must be non-negative but got \(n)") }
      let dim = try layout.dimension(dim)
      var result = self
      if n > 0, prepend != nil || append != nil {
        var parts: [Tensor] = [self]
        if let prepend { parts.insert(try prepend.edge(of: layout.shape, dim), at: 0) }
        if let append { parts.append(try append.edge(of: layout.shape, dim)) }
        result = .cat(parts, dim: dim, file: file, line: line)
      }
      for _ in 0..<Swift.min(n, result.shape.at(dim)) {
        let length = Swift.max(result.shape.at(dim) - 1, 0)
        let (after, before) = (
          result.narrow(dim, start: result.shape.at(dim) - length, length: length),
          result.narrow(dim, start: 0, length: length)
        )
        result = dtype == .bool ? after.logicalXor(before) : after - before
      }
      return result
    }
  }

  private func edge(of shape: Shape, _ dim: Int) throws(TensorError) -> Tensor {
    if body.poison != nil { return self }
    guard ndim == shape.count else {
      throw .shape("diff expects prepend or append to be the same dimension as input")
    }
    for i in 0..<ndim where i != dim && self.shape.at(i) != shape.at(i) {
      throw .shape(
        "diff expects the shape of tensor to prepend or append to match that of input except along the differencing "
          + "dimension; input.size(\(i)) = \(shape.at(i)), but got tensor.size(\(i)) = \(self.shape.at(i))")
    }
    return self
  }

  /// The area under the elements along `dim`, `dx` apart, by trapezoids. Torch's `trapezoid`.
  public func trapezoid(
    dx: Double = 1, dim: Int = -1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    trapezoids("trapezoid", dim, nil, CallSite(file, line)) { pairs, _, dim in (pairs * (dx / 2)).sum(dim: dim) }
  }

  /// The area under the elements along `dim`, which are at the places `x`, by trapezoids. Torch's `trapezoid`.
  ///
  /// - Parameter x: A vector, or of a shape that broadcasts with this one's.
  public func trapezoid(
    x: Tensor, dim: Int = -1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    trapezoids("trapezoid", dim, x, CallSite(file, line)) { pairs, widths, dim in (pairs * widths!).sum(dim: dim) / 2 }
  }

  /// The area under the elements along `dim` up to each but the first. Torch's `cumulative_trapezoid`.
  public func cumulativeTrapezoid(
    dx: Double = 1, dim: Int = -1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    trapezoids("cumulative_trapezoid", dim, nil, CallSite(file, line)) { pairs, _, dim in
      (pairs * (dx / 2)).cumsum(dim: dim)
    }
  }

  /// The area under the elements along `dim`, which are at the places `x`, up to each but the first. Torch's
  /// `cumulative_trapezoid`.
  public func cumulativeTrapezoid(
    x: Tensor, dim: Int = -1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    trapezoids("cumulative_trapezoid", dim, x, CallSite(file, line)) { pairs, widths, dim in
      (pairs * widths!).cumsum(dim: dim) / 2
    }
  }

  /// Calls `join` with the sums of neighbours, and with the distances between their places.
  private func trapezoids(
    _ name: String, _ dim: Int, _ x: Tensor?, _ site: CallSite, _ join: (Tensor, Tensor?, Int) -> Tensor
  ) -> Tensor {
    checked(name, at: site) { layout throws(TensorError) in
      guard layout.rank > 0 else { throw .index("Dimension specified as \(dim) but tensor has no dimensions") }
      let dim = try layout.dimension(dim)
      guard dtype != .bool, x?.dtype != .bool else {
        throw .dtype("\(name): received a bool input for `\(dtype == .bool ? "y" : "x")`, but bool is not supported")
      }
      let size = layout.shape.at(dim)
      var widths = x
      if let x, x.body.poison == nil {
        if x.ndim == 1 {
          guard x.count == size else { throw .shape("\(name): There must be one `x` value for each sample point") }
          let apart = Shape(repeating: 1, count: layout.rank).replacing(dim, with: Swift.max(size - 1, 0))
          widths = x.diff().reshape(apart)
        } else {
          guard x.ndim > 0 else { throw .index("Dimension specified as \(dim) but tensor has no dimensions") }
          widths = x.diff(dim: dim - layout.rank)
        }
      }
      let length = Swift.max(size - 1, 0)
      let pairs = narrow(dim, start: 0, length: length) + narrow(dim, start: size - length, length: length)
      return join(pairs, widths, dim)
    }
  }
}
