/// Slopes of what samples show; made of other rows.
struct Slopes: Sendable {
  let composites: [Sample] = [
    .several("torch.gradient(a)", [.real([3, 4])]) { Array($0[0].gradient()) },
    .several("torch.gradient(a, spacing=0.5, dim=-1)", [.real([3, 4])]) { Array($0[0].gradient(spacing: 0.5, dim: [-1])) },
    .several("torch.gradient(a, spacing=[2, 0.5], edge_order=2)", [.real([3, 4])]) {
      Array($0[0].gradient(spacing: [2, 0.5], edgeOrder: 2))
    },
    .several("torch.gradient(a, spacing=(b.cumsum(0),), dim=0)", [.real([4, 2]), .real([4], 0.5...2).withoutGradient]) {
      Array($0[0].gradient(spacing: [$0[1].cumsum(dim: 0)], dim: [0]))
    },
    .several(
      "torch.gradient(a, spacing=(b.cumsum(0),), dim=1, edge_order=2)",
      [.real([2, 4]), .real([4], 0.5...2).withoutGradient]
    ) {
      Array($0[0].gradient(spacing: [$0[1].cumsum(dim: 0)], dim: [1], edgeOrder: 2))
    },
  ]
}

/// What the slope at a place makes of three neighbours.
private typealias Weights = (Tensor, Tensor, Tensor)

extension Tensor {
  /// The slope along each dimension of `dim`, all of them by default, from the neighbours of every element, which are
  /// `spacing` apart. Torch's `gradient`.
  ///
  /// - Parameter edgeOrder: How many neighbours the slope at an edge is taken from, 1 or 2.
  public func gradient(
    spacing: Double = 1, dim: [Int]? = nil, edgeOrder: Int = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> TensorList {
    slopes(dim, edgeOrder, CallSite(file, line)) { _, along throws(TensorError) in
      try along.map { dim throws(TensorError) in try evenSlope(dim, spacing, edgeOrder) }
    }
  }

  /// The same with a spacing of its own for each dimension.
  public func gradient(
    spacing: [Double], dim: [Int]? = nil, edgeOrder: Int = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> TensorList {
    slopes(dim, edgeOrder, CallSite(file, line)) { layout, along throws(TensorError) in
      try checkSpacing(spacing.count, along.count, dim)
      var slopes: [Tensor] = []
      for (dim, spacing) in zip(along, spacing) { slopes.append(try evenSlope(dim, spacing, edgeOrder)) }
      return slopes
    }
  }

  /// The same with the places of the elements along each dimension, a vector for each.
  public func gradient(
    spacing: [Tensor], dim: [Int]? = nil, edgeOrder: Int = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> TensorList {
    slopes(dim, edgeOrder, CallSite(file, line)) { layout, along throws(TensorError) in
      try checkSpacing(spacing.count, along.count, dim)
      var slopes: [Tensor] = []
      for (dim, places) in zip(along, spacing) {
        guard places.ndim == 1 || places.body.poison != nil else {
          throw .shape(
            "torch.gradient expected each element of spacing to have one dimension, but got an element with "
              + "\(places.ndim) dimensions!")
        }
        guard places.count == layout.shape.at(dim) || places.body.poison != nil else {
          throw .shape(
            "torch.gradient expected each tensor of spacing to have as many elements as its dimension: "
              + "\(places.count) places for size \(layout.shape.at(dim)) of dimension \(dim)")
        }
        slopes.append(try unevenSlope(dim, places, edgeOrder))
      }
      return slopes
    }
  }

  private func slopes(
    _ dim: [Int]?, _ edgeOrder: Int, _ site: CallSite,
    _ body: (Layout, [Int]) throws(TensorError) -> [Tensor]
  ) -> TensorList {
    list("gradient", site) { layout throws(TensorError) in
      guard edgeOrder == 1 || edgeOrder == 2 else {
        throw .argument("torch.gradient only supports edge_order=1 and edge_order=2.")
      }
      guard dtype != .uint8 else { throw .dtype("torch.gradient does not support uint8 input.") }
      var along: [Int] = []
      for dim in dim ?? Array(0..<layout.rank) { along.append(try layout.dimension(dim)) }
      try along.checkDistinct()
      for dim in along where layout.shape.at(dim) < edgeOrder + 1 {
        throw .shape("torch.gradient expected each dimension size to be at least edge_order+1")
      }
      return try body(layout, along)
    }
  }

  private func checkSpacing(_ count: Int, _ dims: Int, _ dim: [Int]?) throws(TensorError) {
    guard count != dims else { return }
    throw .argument(
      "torch.gradient expected spacing to be unspecified, a scalar"
        + (dim == nil
          ? ", or a list of length equal to 'self.dim() = \(ndim)', since dim argument was not given, but got a list of length "
            + "\(count)"
          : " or it's spacing and dim arguments to have the same length, but got a spacing argument of length \(count) and a "
            + "dim argument of length \(dims)."))
  }

  /// `length` positions of `dim` from `start` on, or up to the end from a negative one.
  private func part(_ dim: Int, _ start: Int, _ length: Int = 1) -> Tensor {
    narrow(dim, start: start < 0 ? start + shape.at(dim) : start, length: length)
  }

  private func evenSlope(_ dim: Int, _ spacing: Double, _ edgeOrder: Int) throws(TensorError) -> Tensor {
    let inner = Swift.max(shape.at(dim) - 2, 0)
    let center = (part(dim, shape.at(dim) - inner, inner) - part(dim, 0, inner)) / spacing / 2
    let (first, last): (Tensor, Tensor) =
      edgeOrder == 1
      ? ((part(dim, 1) - part(dim, 0)) / spacing, (part(dim, -1) - part(dim, -2)) / spacing)
      : (
        (-1.5 * part(dim, 0) + 2 * part(dim, 1) - 0.5 * part(dim, 2)) / spacing,
        (0.5 * part(dim, -3) - 2 * part(dim, -2) + 1.5 * part(dim, -1)) / spacing
      )
    return .cat([first, center, last], dim: dim)
  }

  private func unevenSlope(_ dim: Int, _ places: Tensor, _ edgeOrder: Int) throws(TensorError) -> Tensor {
    let (steps, inner) = (places.diff(), shape.at(dim) - 2)
    let (before, after) = (steps.part(0, 0, inner), steps.part(0, 1, inner))
    let apart = Shape(repeating: 1, count: ndim).replacing(dim, with: inner)
    func join(_ weights: Weights, _ start: Int, _ length: Int) -> Tensor {
      weights.0 * part(dim, start, length) + weights.1 * part(dim, start + 1, length) + weights.2 * part(dim, start + 2, length)
    }
    let center = join(
      (
        (-after / (before * (before + after))).reshape(apart), ((after - before) / (before * after)).reshape(apart),
        (before / (after * (before + after))).reshape(apart)
      ), 0, inner)
    let (head, tail) = (steps[0], steps[-1])
    guard edgeOrder == 2 else {
      return .cat([(part(dim, 1) - part(dim, 0)) / head, center, (part(dim, -1) - part(dim, -2)) / tail], dim: dim)
    }
    let (second, secondLast) = (steps[1], steps[-2])
    let first = join(
      (
        -(2 * head + second) / (head * (head + second)), (head + second) / (head * second),
        -head / (second * (head + second))
      ), 0, 1)
    let last = join(
      (
        tail / (secondLast * (tail + secondLast)), (-tail - secondLast) / (tail * secondLast),
        (2 * tail + secondLast) / (tail * (tail + secondLast))
      ), shape.at(dim) - 3, 1)
    return .cat([first, center, last], dim: dim)
  }
}
