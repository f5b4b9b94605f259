import CKernels

struct SearchArguments: Sendable {
  /// Behind equal boundaries instead of before them.
  let right: Bool
  let dtype: DType
}

/// Places in what is sorted, and places read and written by number.
struct Lookups: Sendable {
  /// Operand 0 are the boundaries, operand 1 the values; operand 2, if there is one, says in which order the boundaries are.
  let searchSorted: Operator<SearchArguments> = Operator<SearchArguments>(
    "searchsorted",
    forward: { (operands, at) throws(TensorError) in
      let (boundaries, values) = (operands[0]!.body, operands[1]!.body)
      let (lines, places) = (boundaries.layout.shape, values.layout.shape)
      guard lines.count > 0 else {
        throw .shape("torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 dimension")
      }
      guard lines.count == 1 || places.count > 0 else {
        throw .shape(
          "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we got "
            + "boundaries tensor dim(\(lines.count)) and input value's dim(\(places.count)) numel(\(places.elementCount))")
      }
      guard lines.count == 1 || lines.dropLast().elementsEqual(places.dropLast()) && lines.count == places.count else {
        throw .shape(
          "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor "
            + "and input value tensor must match, but we got boundaries tensor \(lines) and input value tensor \(places)")
      }
      let result = try Value(Layout(places), at.dtype, on: operands.device)
      if places.elementCount == 0 { return result }
      let computeClass = boundaries.dtype.promoted(with: values.dtype).computeClass
      let width = lines.at(lines.count - 1)
      let perLine = lines.count == 1 ? places.elementCount : places.at(places.count - 1)
      try withExtendedLifetime((boundaries, values, operands)) { () throws(TensorError) in
        let task = SearchTask(values.elements, among: boundaries.elements, right: at.right, into: result.elements)
        try KernelCall.task(on: operands.device, task) {
          Lookups.withRows(boundaries.elements, in: computeClass) { edges in
            Lookups.withRows(values.elements, in: computeClass) { sought in
              DenseRows.write(result.elements, Swift.max(places.count - 1, 0), as: .int64, in: fb_i64) { found in
                let search = Search(
                  edges: edges, sought: sought, found: found.assumingMemoryBound(to: Int64.self), width: width,
                  perLine: perLine, right: at.right)
                DenseRows.parallel(places.elementCount, 16) { range in
                  switch computeClass {
                  case fb_f32: search.run(range, Float.self)
                  case fb_f64: search.run(range, Double.self)
                  default: search.run(range, Int64.self)
                  }
                }
              }
            }
          }
        }
      }
      return result
    },
    samples: [
      Sample("torch.searchsorted(a.sort(-1)[0], b)", [.real([2, 5]), .real([2, 3])]) {
        $0[0].sort().values.searchSorted($0[1])
      },
      Sample("torch.searchsorted(a.sort(-1)[0], b, right=True)", [.real([5]), .real([2, 3])]) {
        $0[0].sort().values.searchSorted($0[1], right: true)
      },
      Sample("torch.searchsorted(a, b, out_int32=True, sorter=a.argsort(-1))", [.real([2, 4]), .real([2, 3])]) {
        $0[0].searchSorted($0[1], outInt32: true, sorter: $0[0].argsort())
      },
      Sample("torch.searchsorted(a.float().sort(-1)[0], 0.5)", [.real([4])]) {
        $0[0].to(.float32).sort().values.searchSorted(0.5)
      },
      Sample("torch.bucketize(b, a.sort(-1)[0], right=True)", [.real([4]), .real([2, 3])]) {
        $0[1].bucketize($0[0].sort().values, right: true)
      },
    ]
  ).onGPU()

  private static func withRows(_ elements: Elements, in computeClass: ComputeClass, _ body: (UnsafeRawPointer) -> Void) {
    if elements.layout.elementCount == 0 {
      return withUnsafeTemporaryAllocation(byteCount: 8, alignment: 8) { body($0.baseAddress!) }
    }
    DenseRows.read(elements, nil, as: computeClass.dtype, in: computeClass) { start, _, _ in body(start) }
  }

  private struct Search {
    let edges: UnsafeRawPointer
    let sought: UnsafeRawPointer
    let found: UnsafeMutablePointer<Int64>
    /// Of a line of boundaries.
    let width: Int
    /// How many values are sought in a line.
    let perLine: Int
    let right: Bool

    /// What compares to nothing, NaN, belongs at the end.
    @inline(__always)
    func run<Element: Comparable>(_ range: Range<Int>, _ type: Element.Type) {
      let (edges, sought) = (edges.assumingMemoryBound(to: type), sought.assumingMemoryBound(to: type))
      for i in range {
        let (line, value) = (edges + i / perLine * width, sought[i])
        var (low, high) = (0, width)
        while low < high {
          let middle = (low + high) / 2
          if right ? line[middle] > value : line[middle] >= value { high = middle } else { low = middle + 1 }
        }
        found[i] = Int64(low)
      }
    }
  }

  /// Made of other rows.
  let composites: [Sample] = [
    Sample("torch.take_along_dim(a, b, 1)", [.real([3, 4]), .integers([3, 2], 0...3)]) { $0[0].takeAlongDim($0[1], dim: 1) },
    Sample("torch.take_along_dim(a, b, 0)", [.real([3, 4]), .integers([2, 1], 0...2)]) { $0[0].takeAlongDim($0[1], dim: 0) },
    Sample("torch.take_along_dim(a.contiguous(), b)", [.real([3, 4]), .integers([5], 0...11)]) { $0[0].takeAlongDim($0[1]) },
    Sample("a.put(torch.tensor([[1, -1], [2, 0]]), b)", [.real([3, 4]), .real([4])]) {
      $0[0].put(Tensor([1, -1, 2, 0], shape: [2, 2]), $0[1])
    },
    Sample("a.clone().put_(c, b, accumulate=True)", [.real([3, 4]), .real([5]), .integers([5], -12...11)]) {
      $0[0].clone().put_($0[2], $0[1], accumulate: true)
    },
    Sample("torch.argwhere(a)", [.real([3, 4], 0...2)]) { $0[0].argwhere() },
    Sample("torch.msort(a)", [.real([5, 3])]) { $0[0].msort() },
    Sample("a.select_scatter(b, 1, -1)", [.real([3, 4]), .real([3])]) { $0[0].selectScatter($0[1], dim: 1, index: -1) },
    Sample("a.slice_scatter(b, 1, 1, 4, 2)", [.real([3, 4]), .real([3, 2])]) {
      $0[0].sliceScatter($0[1], dim: 1, start: 1, end: 4, step: 2)
    },
    Sample("a.slice_scatter(b)", [.real([3, 4]), .real([3, 4])]) { $0[0].sliceScatter($0[1]) },
    Sample("a.diagonal_scatter(b, 1)", [.real([3, 4]), .real([3])]) { $0[0].diagonalScatter($0[1], offset: 1) },
  ]
}

extension Tensor {
  /// Where each of `values` belongs in a line of this tensor's sorted last dimension: before the boundaries that are equal, or
  /// with `right` behind them. A vector serves all values; otherwise the dimensions before the last are those of `values`.
  /// int64. Torch's `searchsorted`.
  ///
  /// - Parameters:
  ///   - outInt32: int32 instead.
  ///   - sorter: The order of the boundaries, where they are not sorted, as `argsort` gives it; int64 of this shape.
  public func searchSorted(
    _ values: Tensor, right: Bool = false, outInt32: Bool = false, sorter: Tensor? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    return checked("searchsorted", with: values, at: site) { layout throws(TensorError) in
      var boundaries = self
      if let sorter {
        if let poison = sorter.body.poison { return Door.poisoned(by: poison, .current) }
        guard sorter.shape == layout.shape else {
          throw .shape(
            "torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor \(layout.shape)and "
              + "got sorter tensor \(sorter.shape)")
        }
        guard sorter.dtype == .int64 else {
          throw .dtype(
            "torch.searchsorted(): sorter must be a tensor of long dtype but got dtype \(sorter.dtype.torchScalarName)")
        }
        boundaries = boundaries.detach().gather(dim: -1, index: sorter)
      }
      return ops.lookups.searchSorted(
        boundaries, values, SearchArguments(right: right, dtype: outInt32 ? .int32 : .int64), at: site)
    }
  }

  /// Where the number `value` belongs in a sorted vector. Torch's `searchsorted`.
  public func searchSorted(
    _ value: Double, right: Bool = false, outInt32: Bool = false, sorter: Tensor? = nil, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    searchSorted(Tensor(value, device: .cpu), right: right, outInt32: outInt32, sorter: sorter, file: file, line: line)
  }

  /// Which of the intervals between sorted `boundaries` each element lies in: the number of boundaries below it, or with
  /// `right` of those that do not exceed it. int64. Torch's `bucketize`.
  ///
  /// - Parameters:
  ///   - boundaries: A vector.
  ///   - outInt32: int32 instead.
  public func bucketize(
    _ boundaries: Tensor, right: Bool = false, outInt32: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("bucketize", with: boundaries, at: CallSite(file, line)) { _ throws(TensorError) in
      guard boundaries.ndim == 1 else {
        throw .shape("boundaries tensor must be 1 dimension, but got dim(\(boundaries.ndim))")
      }
      return boundaries.searchSorted(self, right: right, outInt32: outInt32, file: file, line: line)
    }
  }

  /// The elements at positions `indices` of dimension `dim`, the others broadcast; without `dim`, of all elements in a row.
  /// Torch's `take_along_dim`.
  public func takeAlongDim(
    _ indices: Tensor, dim: Int? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("take_along_dim", with: indices, at: CallSite(file, line)) { layout throws(TensorError) in
      guard indices.dtype == .int64 else {
        throw .dtype("torch.take_along_dim(): dtype of indices should be Long but got \(indices.dtype.torchScalarName)")
      }
      guard let dim else {
        return flatten().gather(dim: 0, index: indices.flatten().fromTheStart(of: count), file: file, line: line)
      }
      guard layout.rank == indices.ndim else {
        throw .shape(
          "torch.take_along_dim(): input and indices should have the same number of dimensions, but got \(layout.rank) "
            + "dimensions for input, and \(indices.ndim) dimensions for indices")
      }
      let place = try layout.dimension(dim)
      if layout.rank == 0 { return gather(dim: 0, index: indices, file: file, line: line) }
      let (mine, theirs) = (layout.shape.replacing(place, with: 1), indices.shape.replacing(place, with: 1))
      let both = try Shape.broadcast(mine, theirs)
      let table = expand(both.replacing(place, with: layout.shape.at(place)))
      let index = indices.fromTheStart(of: layout.shape.at(place)).expand(both.replacing(place, with: indices.shape.at(place)))
      return table.gather(dim: place, index: index, file: file, line: line)
    }
  }

  /// With the elements of `source` at the positions `index` of all elements in a row, or added there. Torch's `put`.
  public func put(
    _ index: Tensor, _ source: Tensor, accumulate: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("put", with: index, source, at: CallSite(file, line)) { layout throws(TensorError) in
      try checkPut(index, source)
      return flatten().indexPut([index.flatten()], source.flatten(), accumulate: accumulate).reshape(layout.shape)
    }
  }

  /// ``put(_:_:accumulate:file:line:)`` in place. Torch's `put_`.
  @discardableResult
  public func put_(
    _ index: Tensor, _ source: Tensor, accumulate: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("put_", with: index, source, at: CallSite(file, line)) { layout throws(TensorError) in
      try checkPut(index, source)
      if layout.isContiguous {
        view([layout.elementCount]).indexPut_(
          [index.flatten()], source.flatten(), accumulate: accumulate, file: file, line: line)
        return self
      }
      return copy_(put(index, source, accumulate: accumulate), file: file, line: line)
    }
  }

  private func checkPut(_ index: Tensor, _ source: Tensor) throws(TensorError) {
    guard index.dtype == .int64 else {
      throw .dtype("put_(): Expected a long tensor for index, but got \(index.dtype.torchScalarName)")
    }
    guard dtype == source.dtype else {
      throw .dtype(
        "put_(): self and source expected to have the same dtype, but got self.dtype = \(dtype.torchScalarName) and "
          + "source.dtype = \(source.dtype.torchScalarName)")
    }
    guard index.count == source.count else {
      throw .shape(
        "put_(): Expected source and index to have the same number of elements, but got source.numel() = "
          + "\(source.count), index.numel() = \(index.count)")
    }
    guard count > 0 || index.count == 0 else { throw .index("put_(): Tried to put elements into an empty tensor") }
  }

  /// ``nonzero(file:line:)`` under its other name. Torch's `argwhere`.
  public func argwhere(file: StaticString = #fileID, line: UInt = #line) -> Tensor { nonzero(file: file, line: line) }

  /// The elements along dimension 0 from the smallest to the largest. Torch's `msort`.
  public func msort(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    sort(dim: 0, file: file, line: line).values
  }

  /// With `source` in place of position `index` of dimension `dim`. Torch's `select_scatter`.
  public func selectScatter(
    _ source: Tensor, dim: Int, index: Int, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    replacing("select_scatter", source, CallSite(file, line)) { $0.select(dim: dim, index: index, file: file, line: line) }
  }

  /// With `source` in place of the positions from `start` up to `end`, `step` apart, of dimension `dim`. Torch's
  /// `slice_scatter`.
  public func sliceScatter(
    _ source: Tensor, dim: Int = 0, start: Int? = nil, end: Int? = nil, step: Int = 1, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    return checked("slice_scatter", with: source, at: site) { layout throws(TensorError) in
      let before = Array(repeating: IndexTerm.slice(), count: try layout.dimension(dim))
      return replacing("slice_scatter", source, site) {
        $0.read(before + [IndexTerm.slice(from: start, to: end, step: step)], site)
      }
    }
  }

  /// With `source` in place of a diagonal. Torch's `diagonal_scatter`.
  public func diagonalScatter(
    _ source: Tensor, offset: Int = 0, dim1: Int = 0, dim2: Int = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    replacing("diagonal_scatter", source, CallSite(file, line)) {
      $0.diagonal(offset: offset, dim1: dim1, dim2: dim2, file: file, line: line)
    }
  }

  /// A copy, of which a view has taken the elements of `source`.
  private func replacing(
    _ name: String, _ source: Tensor, _ site: CallSite, _ view: (Tensor) -> Tensor
  ) -> Tensor {
    checked(name, with: source, at: site) { _ throws(TensorError) in
      let result = clone()
      let place = view(result)
      if place.body.poison != nil { return place }
      guard place.shape == source.shape else {
        throw .shape(
          "expected src to have a size equal to the slice of self. src size = \(source.shape), slice size = \(place.shape)")
      }
      place.copy_(source)
      return result
    }
  }
}

extension Tensor {
  /// Positions among `size`, the negative ones counted from the end.
  fileprivate func fromTheStart(of size: Int) -> Tensor { .where(self .< 0, self + size, self) }
}
