struct SortArguments: Sendable {
  let dim: Int
  let descending: Bool
}

struct TopArguments: Sendable {
  let k: Int
  let dim: Int
  let largest: Bool
  let sorted: Bool
}

struct RankArguments: Sendable {
  let rank: Sort.Rank
  let place: PlaceArguments
}

/// Order along a dimension. Gradients go back to where the elements were.
struct Sorting: Sendable {
  let sort: Operator<SortArguments> = Operator<SortArguments>(
    "sort", auxiliaryCount: 1, saves: { _ in SavePlan(auxiliaries: true) },
    forward: { (operands, at) throws(TensorError) in
      let x = operands[0]!.body
      var values = try Value(Layout(x.layout.shape), x.dtype, on: x.device)
      let indices = try Value(Layout(x.layout.shape), .int64, on: x.device)
      if x.layout.elementCount > 0 {
        try withExtendedLifetime(x) { () throws(TensorError) in
          try Sort.run(
            x.elements, dim: at.dim, descending: at.descending, values: values.elements, indices: indices.elements)
        }
      }
      values.auxiliaries = [indices]
      return values
    },
    backward: { (call, gradient) throws(TensorError) in
      Few(gradient.placed(in: call.shape(0), dim: call.attributes.dim, at: try call.auxiliary(0)))
    },
    samples: [
      .several("a.sort(stable=True, dim=0)", [.real([5, 4])]) { pair($0[0].sort(dim: 0)) },
      .several("a.sort(stable=True)", [.real([5, 7])]) { pair($0[0].sort()) },
      .several("a.sort(stable=True, dim=1, descending=True)", [.real([2, 6, 3])]) { pair($0[0].sort(dim: 1, descending: true)) },
    ]
  ).onGPU()

  let argsort: Operator<SortArguments> = Operator<SortArguments>(
    "argsort",
    forward: { (operands, at) throws(TensorError) in
      let x = operands[0]!.body
      let indices = try Value(Layout(x.layout.shape), .int64, on: x.device)
      if x.layout.elementCount > 0 {
        try withExtendedLifetime(x) { () throws(TensorError) in
          try Sort.run(x.elements, dim: at.dim, descending: at.descending, values: nil, indices: indices.elements)
        }
      }
      return indices
    },
    samples: [
      Sample("a.argsort(stable=True)", [.real([5, 7])]) { $0[0].argsort() },
      Sample("a.argsort(dim=0, descending=True, stable=True)", [.real([6, 3])]) { $0[0].argsort(dim: 0, descending: true) },
    ]
  ).onGPU()

  let topK: Operator<TopArguments> = Operator<TopArguments>(
    "topk", auxiliaryCount: 1, saves: { _ in SavePlan(auxiliaries: true) },
    forward: { (operands, at) throws(TensorError) in
      let x = operands[0]!.body
      guard x.dtype != .bool else { throw .dtype("topk does not support bool dtypes on CPU") }
      let shape = x.layout.rank == 0 ? [] : x.layout.shape.replacing(at.dim, with: at.k)
      var values = try Value(Layout(shape), x.dtype, on: x.device)
      let indices = try Value(Layout(shape), .int64, on: x.device)
      if shape.elementCount > 0 {
        try withExtendedLifetime(x) { () throws(TensorError) in
          try Sort.top(
            x.elements, dim: at.dim, k: at.k, descending: at.largest, sorted: at.sorted, values: values.elements,
            indices: indices.elements)
        }
      }
      values.auxiliaries = [indices]
      return values
    },
    backward: { (call, gradient) throws(TensorError) in
      Few(gradient.placed(in: call.shape(0), dim: call.attributes.dim, at: try call.auxiliary(0)))
    },
    samples: [
      // Torch names any of equal elements; these are apart in every dtype.
      .several("(a + torch.tensor([60, 0, 80, 20, 40], dtype=a.dtype)).topk(2)", [.real([3, 5])]) {
        pair(($0[0] + Sorting.apart($0[0], [60, 0, 80, 20, 40])).topK(2))
      },
      .several("(a + torch.tensor([[60], [0], [80], [20]], dtype=a.dtype)).topk(3, 0, largest=False)", [.real([4, 3])]) {
        pair(($0[0] + Sorting.apart($0[0], [60, 0, 80, 20]).reshape([4, 1])).topK(3, dim: 0, largest: false))
      },
    ]
  ).onGPU()

  let kthValue: Operator<RankArguments> = Sorting.ranked(
    "kthvalue",
    samples: [
      .several("(a + torch.tensor([60, 0, 80, 20, 40], dtype=a.dtype)).kthvalue(2)", [.real([3, 5])]) {
        pair(($0[0] + Sorting.apart($0[0], [60, 0, 80, 20, 40])).kthValue(2))
      },
      .several(
        "(a + torch.tensor([[60], [0], [80], [20]], dtype=a.dtype)).kthvalue(4, 0, keepdim=True)", [.real([4, 3])]
      ) { pair(($0[0] + Sorting.apart($0[0], [60, 0, 80, 20]).reshape([4, 1])).kthValue(4, dim: 0, keepDim: true)) },
    ])
  let medianDim: Operator<RankArguments> = Sorting.ranked(
    "median",
    samples: [
      .several("(a + torch.tensor([60, 0, 80, 20], dtype=a.dtype)).median(-1)", [.real([3, 4])]) {
        pair(($0[0] + Sorting.apart($0[0], [60, 0, 80, 20])).median(dim: -1))
      },
      .several("(a + torch.tensor([[60], [0], [80]], dtype=a.dtype)).median(0, keepdim=True)", [.real([3, 2])]) {
        pair(($0[0] + Sorting.apart($0[0], [60, 0, 80]).reshape([3, 1])).median(dim: 0, keepDim: true))
      },
    ])
  let nanMedianDim: Operator<RankArguments> = Sorting.ranked(
    "nanmedian",
    samples: [
      .several("(a + torch.tensor([60, 0, 80, 20], dtype=a.dtype)).nanmedian(-1)", [.real([3, 4])]) {
        pair(($0[0] + Sorting.apart($0[0], [60, 0, 80, 20])).nanMedian(dim: -1))
      }
    ])

  let median: Operator<None> = Sorting.middle(
    "median", .middle, samples: [Sample("a.median()", [.real([3, 4])]) { $0[0].median() }])
  let nanMedian: Operator<None> = Sorting.middle(
    "nanmedian", .middleOfNumbers, samples: [Sample("a.nanmedian()", [.real([3, 4])]) { $0[0].nanMedian() }])

  /// The element of a rank along a dimension, and its place.
  private static func ranked(_ name: String, samples: [Sample]) -> Operator<RankArguments> {
    Operator(
      name, auxiliaryCount: 1, saves: { _ in SavePlan(auxiliaries: true) },
      forward: { (operands, at) throws(TensorError) in
        let x = operands[0]!.body
        return try at.place.found(name, in: x) { (values, places) throws(TensorError) in
          try Sort.select(x.elements, dim: at.place.dim, at.rank, values: values, indices: places)
        }
      },
      backward: { (call, gradient) throws(TensorError) in try call.attributes.place.placed(gradient, of: call) }, samples: samples
    ).onGPU()
  }

  /// The middle of the whole tensor; NaN of nothing.
  private static func middle(_ name: String, _ rank: Sort.Rank, samples: [Sample]) -> Operator<None> {
    Operator(
      name, saves: { _ in SavePlan(operands: .operand(0), result: true) },
      forward: { (operands, _) throws(TensorError) in
        let x = operands[0]!.body
        let value = try Value(Layout([]), x.dtype, on: x.device)
        if x.layout.elementCount == 0 {
          guard x.dtype.isFloatingPoint else {
            throw .shape("\(name)(): no elements have no middle but NaN, which \(x.dtype) lacks")
          }
          try value.elements.fill(Number(.nan))
        } else {
          try withExtendedLifetime(x) { () throws(TensorError) in
            try Sort.select(x.elements, dim: nil, rank, values: value.elements, indices: nil)
          }
        }
        return value
      },
      backward: { (call, gradient) throws(TensorError) in
        let x = try call.operand(0)
        let all = ReductionArguments(dims: Array(0..<x.ndim), keepDim: false)
        return Few(
          ops.ties.share(
            gradient.restored(x.shape, all), x, try call.result().restored(x.shape, all),
            TieArguments(dims: all.dims, rule: .equalOrNaN)))
      }, samples: samples
    ).onGPU()
  }

  private static func apart(_ x: Tensor, _ values: [Int]) -> Tensor { Tensor(values, device: x.device).to(x.dtype) }
}

extension Tensor {
  /// The elements along `dim` from the smallest to the largest, and where each was. NaN counts as the largest. Torch's `sort`.
  ///
  /// - Parameter stable: Equal elements keep their order. They always do; the parameter is there for torch's callers.
  public func sort(
    dim: Int = -1, descending: Bool = false, stable: Bool = true, file: StaticString = #fileID, line: UInt = #line
  ) -> (values: Tensor, indices: Tensor) {
    let site = CallSite(file, line)
    return checkedPair("sort", at: site) { layout throws(TensorError) in
      let at = SortArguments(dim: try layout.dimension(dim), descending: descending)
      return ops.sorting.sort.callAll(Few(self), at, at: site)
    }
  }

  /// Where the elements along `dim` are in order of size, of equal ones the first first; int64. Torch's `argsort`.
  public func argsort(
    dim: Int = -1, descending: Bool = false, stable: Bool = true, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let site = CallSite(file, line)
    return checked("argsort", at: site) { layout throws(TensorError) in
      let at = SortArguments(dim: try layout.dimension(dim), descending: descending)
      return ops.sorting.argsort(self, at, at: site)
    }
  }

  /// The `k` largest (or smallest) elements along `dim` and where they are; of equal ones the first. NaN counts as the
  /// largest. Torch's `topk`.
  ///
  /// - Parameter sorted: In order, the best first; otherwise in no particular order.
  public func topK(
    _ k: Int, dim: Int = -1, largest: Bool = true, sorted: Bool = true, file: StaticString = #fileID, line: UInt = #line
  ) -> (values: Tensor, indices: Tensor) {
    let site = CallSite(file, line)
    return checkedPair("topk", at: site) { layout throws(TensorError) in
      let dim = try layout.dimension(dim)
      guard k >= 0 && k <= (layout.rank == 0 ? 1 : layout.shape.at(dim)) else {
        throw .index("selected index k out of range")
      }
      // Of a scalar torch gives the scalar, even for k = 0.
      let at = TopArguments(k: layout.rank == 0 ? 1 : k, dim: dim, largest: largest, sorted: sorted)
      return ops.sorting.topK.callAll(Few(self), at, at: site)
    }
  }

  /// The `k`-th smallest elements along `dim`, counted from 1, and where they are; of equal ones they are counted in order.
  /// Torch's `kthvalue`.
  public func kthValue(
    _ k: Int, dim: Int = -1, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> (values: Tensor, indices: Tensor) {
    let site = CallSite(file, line)
    return checkedPair("kthvalue", at: site) { layout throws(TensorError) in
      let dim = try layout.dimension(dim)
      let size = layout.rank == 0 ? 1 : layout.shape.at(dim)
      if size == 0 { throw .index("kthvalue(): Expected reduction dim \(dim) to have non-zero size.") }
      guard k >= 1 && k <= size else {
        throw .index("kthvalue(): selected number k out of range for dimension \(dim)")
      }
      let at = RankArguments(rank: .at(k - 1), place: PlaceArguments(dim: dim, keepDim: keepDim))
      return ops.sorting.kthValue.callAll(Few(self), at, at: site)
    }
  }

  /// The middle element, of two the lower one; NaN if there is one. The gradient is split evenly over equal elements.
  /// Torch's `median`.
  public func median(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.sorting.median(self, None(), at: CallSite(file, line))
  }

  /// The middle elements along `dim`, of two the lower one, and where they are; the first NaN if there is one.
  /// Torch's `median`.
  public func median(
    dim: Int, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> (values: Tensor, indices: Tensor) {
    ranked(by: ops.sorting.medianDim, .middle, dim, keepDim, CallSite(file, line))
  }

  /// The middle of the elements that are not NaN. Torch's `nanmedian`.
  public func nanMedian(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    ops.sorting.nanMedian(self, None(), at: CallSite(file, line))
  }

  /// The middle of the elements along `dim` that are not NaN, and where they are. Torch's `nanmedian`.
  public func nanMedian(
    dim: Int, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> (values: Tensor, indices: Tensor) {
    ranked(by: ops.sorting.nanMedianDim, .middleOfNumbers, dim, keepDim, CallSite(file, line))
  }

  private func ranked(
    by row: Operator<RankArguments>, _ rank: Sort.Rank, _ dim: Int, _ keepDim: Bool, _ site: CallSite
  ) -> (values: Tensor, indices: Tensor) {
    checkedPair(row.name, at: site) { layout throws(TensorError) in
      let at = RankArguments(rank: rank, place: PlaceArguments(dim: try layout.dimension(dim), keepDim: keepDim))
      return row.callAll(Few(self), at, at: site)
    }
  }
}
