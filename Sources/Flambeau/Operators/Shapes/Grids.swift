/// Vectors combined with each other, and where triangles lie.
struct Grids: Sendable {
  let composites: [Sample] = [
    .several("torch.meshgrid(a, b, indexing='ij')", [.real([3]), .real([2])]) { Array(Tensor.meshgrid($0)) },
    .several("torch.meshgrid(a, b, c, indexing='xy')", [.real([3]), .real([2]), .real([])]) {
      Array(Tensor.meshgrid($0, indexing: .xy))
    },
    Sample("torch.cartesian_prod(a, b)", [.real([3]), .real([2])]) { .cartesianProd($0) },
    Sample("torch.cartesian_prod(a)", [.real([3])]) { .cartesianProd($0) },
    Sample("torch.combinations(a)", [.real([4])]) { $0[0].combinations() },
    Sample("torch.combinations(a, 3, with_replacement=True)", [.real([3])]) { $0[0].combinations(3, withReplacement: true) },
    Sample("torch.combinations(a, 5)", [.real([3])]) { $0[0].combinations(5) },
    Sample("torch.vander(a)", [.real([3], 0.5...2)]) { $0[0].vander() },
    Sample("torch.vander(a, 5, increasing=True)", [.real([3], 0.5...2)]) { $0[0].vander(5, increasing: true) },
    Sample("torch.diag_embed(a)", [.real([2, 3])]) { $0[0].diagEmbed() },
    Sample("torch.diag_embed(a, -1, 0, 2)", [.real([2, 3])]) { $0[0].diagEmbed(offset: -1, dim1: 0, dim2: 2) },
    Sample("torch.tril_indices(3, 4, 1)", [.real([1])]) { _ in .trilIndices(3, 4, offset: 1) },
    Sample("torch.triu_indices(3, 4, -1)", [.real([1])]) { _ in .triuIndices(3, 4, offset: -1) },
    Sample("torch.logspace(-1, 2, 7, dtype=torch.float64)", [.real([1])]) { _ in
      .logspace(-1, 2, steps: 7, dtype: .float64)
    },
    Sample("torch.logspace(0, 4, 5, base=2, dtype=torch.int32)", [.real([1])]) { _ in
      .logspace(0, 4, steps: 5, base: 2, dtype: .int32)
    },
    Sample("a.new_zeros(2, 3)", [.real([1])]) { $0[0].newZeros([2, 3]) },
    Sample("a.new_ones((2,), dtype=torch.int16)", [.real([1])]) { $0[0].newOnes([2], dtype: .int16) },
    Sample("a.new_full((2, 2), 1)", [.real([1])]) { $0[0].newFull([2, 2], 1) },
    Sample("a.new_empty(2, 0)", [.real([1])]) { $0[0].newEmpty([2, 0]) },
  ]
}

/// Which dimension of a grid the first vector runs along.
public enum GridIndexing: Sendable {
  /// The first.
  case ij
  /// The second; the first is the second vector's.
  case xy
}

extension Tensor {
  /// For every vector a view of it, stretched over the grid that all span: element [i, j, …] of the k-th is that of its k-th
  /// index. Torch's `meshgrid`.
  ///
  /// - Parameter tensors: Vectors or scalars of one dtype.
  public static func meshgrid(
    _ tensors: [Tensor], indexing: GridIndexing = .ij, file: StaticString = #fileID, line: UInt = #line
  ) -> TensorList {
    guard let first = tensors.first else {
      return TensorList(
        poison: Door.refuse(
          .argument("meshgrid expects a non-empty TensorList"), "meshgrid", Few(), at: CallSite(file, line)))
    }
    return first.list("meshgrid", CallSite(file, line)) { _ throws(TensorError) in
      for tensor in tensors {
        guard tensor.ndim <= 1 else {
          throw .shape("torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: \(tensor.shape)")
        }
        guard tensor.dtype == first.dtype else {
          throw .dtype("meshgrid expects all tensors to have the same dtype")
        }
      }
      let isExchanged = indexing == .xy && tensors.count >= 2
      let order = isExchanged ? [tensors[1], tensors[0]] + tensors[2...] : tensors
      let shape = Shape(order.map(\.count))
      var grids = order.enumerated().map { k, tensor in
        tensor.reshape(Shape(repeating: 1, count: shape.count).replacing(k, with: tensor.count)).expand(shape)
      }
      if isExchanged { grids.swapAt(0, 1) }
      return grids
    }
  }

  /// Every choice of one element of each vector: [count, vectors], the last changing fastest; of one vector itself.
  /// Torch's `cartesian_prod`.
  public static func cartesianProd(
    _ vectors: [Tensor], file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    guard let first = vectors.first else {
      return Door.refuse(
        .argument("meshgrid expects a non-empty TensorList"), "cartesian_prod", Few(), at: CallSite(file, line))
    }
    return first.checked("cartesian_prod", at: CallSite(file, line)) { _ throws(TensorError) in
      for vector in vectors where vector.ndim != 1 {
        throw .shape("Expect a 1D vector, but got shape \(vector.shape)")
      }
      if vectors.count == 1 { return first }
      return .stack(meshgrid(vectors, file: file, line: line).map { $0.flatten() }, dim: 1)
    }
  }

  /// Every choice of `r` elements of a vector, in their order: [count, r]; `withReplacement` an element may be chosen again.
  /// Torch's `combinations`.
  public func combinations(
    _ r: Int = 2, withReplacement: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("combinations", at: CallSite(file, line)) { layout throws(TensorError) in
      guard layout.rank == 1 else { throw .shape("Expect a 1D vector, but got shape \(layout.shape)") }
      guard r >= 0 else { throw .argument("Expect a non-negative number, but got \(r)") }
      if r == 0 { return .empty([0], dtype: dtype, device: device) }
      var chosen: [Int] = []
      var choice: [Int] = []
      func choose(from start: Int) {
        if choice.count == r {
          chosen += choice
          return
        }
        for i in start..<Swift.max(layout.elementCount, start) {
          choice.append(i)
          choose(from: withReplacement ? i : i + 1)
          choice.removeLast()
        }
      }
      choose(from: 0)
      return indexSelect(dim: 0, index: Tensor(chosen, device: device), file: file, line: line).reshape([chosen.count / r, r])
    }
  }

  /// The powers of each element of a vector as a row: [count, columns], from the highest to 0, or `increasing`. Torch's
  /// `vander`.
  ///
  /// - Parameter columns: As many as elements by default.
  public func vander(
    _ columns: Int? = nil, increasing: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("vander", at: CallSite(file, line)) { layout throws(TensorError) in
      if let autocast = AutocastMethod("vander", on: self) {
        return try autocast(self) { $0[0]!.vander(columns, increasing: increasing, file: file, line: line) }
      }
      guard layout.rank == 1 else { throw .shape("x must be a one-dimensional tensor.") }
      let columns = columns ?? layout.elementCount
      guard columns >= 0 else { throw .argument("N must be non-negative.") }
      let dtype = dtype.total
      let ones = Tensor.ones([layout.elementCount, Swift.min(columns, 1)], dtype: dtype, device: device)
      if columns < 2 { return ones }
      let powers = to(dtype).unsqueeze(1).expand([-1, columns - 1]).cumprod(dim: 1)
      let rising = Tensor.cat([ones, powers], dim: 1)
      return increasing ? rising : rising.flip(1)
    }
  }

  /// The last dimension as the diagonal of two new ones, `dim1` and `dim2` of the result, 0 elsewhere. Torch's `diag_embed`.
  ///
  /// `offset` counts diagonals: above the main one if positive, below it if negative.
  public func diagEmbed(
    offset: Int = 0, dim1: Int = -2, dim2: Int = -1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("diag_embed", at: CallSite(file, line)) { layout throws(TensorError) in
      let rank = layout.rank + 1
      let (first, second) = (try layout.dimension(dim1, rank: rank), try layout.dimension(dim2, rank: rank))
      guard first != second else {
        throw .argument("diagonal dimensions cannot be identical \(dim1), \(dim2)")
      }
      let (size, overflow) = layout.shape[-1].addingReportingOverflow(Int(clamping: offset.magnitude))
      let side = overflow ? Int.max : size
      let others = Array(layout.shape.dropLast())
      let (low, high) = (Swift.min(first, second), Swift.max(first, second))
      let shape = Shape(others).inserting(side, at: low).inserting(side, at: high)
      _ = try shape.byteCount(of: dtype)
      return placed(in: shape) { $0.diagonal(DiagonalArguments(offset: offset, dim1: first, dim2: second)) }
    }
  }

  /// Where the lower triangle of a matrix lies, up to diagonal number `offset`: its rows, then its columns, [2, count].
  /// Torch's `tril_indices`.
  public static func trilIndices(
    _ rows: Int, _ columns: Int, offset: Int = 0, dtype: DType = .int64, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    triangle(rows, columns, dtype, "tril_indices", CallSite(file, line)) { row in
      0..<Swift.min(Swift.max(row + offset + 1, 0), columns)
    }
  }

  /// Where the upper triangle of a matrix lies, from diagonal number `offset` on: its rows, then its columns, [2, count].
  /// Torch's `triu_indices`.
  public static func triuIndices(
    _ rows: Int, _ columns: Int, offset: Int = 0, dtype: DType = .int64, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    triangle(rows, columns, dtype, "triu_indices", CallSite(file, line)) { row in
      Swift.min(Swift.max(row + offset, 0), columns)..<columns
    }
  }

  private static func triangle(
    _ rows: Int, _ columns: Int, _ dtype: DType, _ name: String, _ site: CallSite, _ kept: (_ row: Int) -> Range<Int>
  ) -> Tensor {
    let places = create(name, at: site) { (_) throws(TensorError) in
      guard rows >= 0 else { throw .argument("row must be non-negative, got\(rows)") }
      guard columns >= 0 else { throw .argument("col must be non-negative, got\(columns)") }
      let count = (0..<rows).reduce(0) { $0 + kept($1).count }
      let value = try Value(checked: [2, count], .int64)
      let place = value.elements.start.assumingMemoryBound(to: Int64.self)
      var next = 0
      for row in 0..<rows {
        for column in kept(row) {
          place[next] = Int64(row)
          place[count + next] = Int64(column)
          next += 1
        }
      }
      return value
    }
    return places.to(dtype)
  }
}
