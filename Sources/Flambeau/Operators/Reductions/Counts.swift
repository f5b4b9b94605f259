import CKernels

// How often elements occur.

struct Counts: Sendable {
  /// The most frequent element along a dimension, the smallest of several, and the last place it is at.
  let mode: Operator<PlaceArguments> = Operator(
    "mode", auxiliaryCount: 1, saves: { _ in SavePlan(auxiliaries: true) },
    forward: { (operands, at) throws(TensorError) in
      let x = operands[0]!.body
      return try at.found("mode", in: x) { (values, places) throws(TensorError) in
        try Counts.mode(x, at.dim!, values, places)
      }
    },
    backward: { (call, gradient) throws(TensorError) in try call.attributes.placed(gradient, of: call) },
    samples: [
      // Torch names any of the places of a value that occurs more than once; there is only one here.
      .several("(a + torch.tensor([60, 0, 80, 20], dtype=a.dtype)).mode(-1)", [.real([3, 4])]) {
        pair(($0[0] + Tensor([60, 0, 80, 20]).to($0[0].dtype)).mode(dim: -1))
      },
      Sample("a.detach().round().mode(0, keepdim=True)[0]", [.real([7, 3])]) {
        $0[0].detach().round().mode(dim: 0, keepDim: true).values
      },
      Sample("a.detach().round().mode()[0]", [.real([2, 9])]) { $0[0].detach().round().mode().values },
    ]
  ).onGPU()

  private static func mode(_ x: TensorBody, _ dim: Int, _ values: Elements, _ places: Elements) throws(TensorError) {
    let shape = Layout(x.layout.shape)
    let (sorted, order) = (try Value(shape, x.dtype, on: x.device), try Value(shape, .int64, on: x.device))
    try withExtendedLifetime((x, sorted.storage, order.storage)) { () throws(TensorError) in
      try Sort.run(x.elements, dim: dim, descending: false, values: sorted.elements, indices: order.elements)
      let task = LineTask(.mode, [sorted.elements, order.elements], dim: dim, into: [values, places])
      try KernelCall.task(on: x.device, task) { modes(sorted.elements, order.elements, dim, values, places) }
    }
  }

  private static func modes(_ sorted: Elements, _ order: Elements, _ dim: Int, _ values: Elements, _ places: Elements) {
    let computeClass = sorted.dtype.computeClass
    let dtype = computeClass.dtype
    DenseRows.read(sorted, dim, as: dtype, in: computeClass) { from, rows, width in
      DenseRows.read(order, dim, as: .int64, in: fb_i64) { order, _, _ in
        DenseRows.write(values, dim, as: dtype, in: computeClass) { to in
          DenseRows.write(places, dim, as: .int64, in: fb_i64) { places in
            let places = places.assumingMemoryBound(to: Int64.self)
            let order = order.assumingMemoryBound(to: Int64.self)
            DenseRows.parallel(rows, width) { rows in
              switch computeClass {
              case fb_f32: modes(rows, width, from, order, to, places, Float.self)
              case fb_f64: modes(rows, width, from, order, to, places, Double.self)
              default: modes(rows, width, from, order, to, places, Int64.self)
              }
            }
          }
        }
      }
    }
  }

  /// Of rows in order. No two NaN are equal, and they come first where nothing occurs twice, as in torch.
  @inline(__always)
  private static func modes<Element: Comparable>(
    _ rows: Range<Int>, _ width: Int, _ from: UnsafeRawPointer, _ order: UnsafePointer<Int64>,
    _ to: UnsafeMutableRawPointer, _ places: UnsafeMutablePointer<Int64>, _ type: Element.Type
  ) {
    let (x, y) = (from.assumingMemoryBound(to: type), to.assumingMemoryBound(to: type))
    for row in rows {
      let start = row * width
      let last = start + width - 1
      var (best, length, run) = (start, 0, 0)
      for i in start...last {
        run += 1
        if i < last && x[i] == x[i + 1] { continue }
        if run > length { (best, length) = (i, run) }
        run = 0
      }
      if length == 1 && x[last] != x[last] { best = (start...last).first { x[$0] != x[$0] }! }
      y[row] = x[best]
      places[row] = order[best]
    }
  }

  /// Made of other rows.
  let composites: [Sample] = [
    Sample("torch.bincount(b)", [.real([1]), .integers([7], 0...4)]) { $0[1].bincount() },
    Sample("torch.bincount(b, minlength=8)", [.real([1]), .integers([5], 0...4)]) { $0[1].bincount(minLength: 8) },
    Sample("torch.bincount(b, a)", [.real([5]).withoutGradient, .integers([5], 0...4)]) { $0[1].bincount(weights: $0[0]) },
    Sample("torch.bincount(b)", [.real([1]), .integers([0], 0...4)]) { $0[1].bincount() },
    Sample("a.unique()", [.real([3, 4]).withoutGradient]) { $0[0].unique() },
    Sample("a.round().unique()", [.real([3, 4]).withoutGradient]) { $0[0].round().unique() },
    .several("a.round().unique(return_inverse=True, return_counts=True)", [.real([3, 5]).withoutGradient]) {
      triple($0[0].round().uniqueWithCounts())
    },
    .several("(a > 0).unique(return_inverse=True, return_counts=True, dim=0)", [.real([6, 2]).withoutGradient]) {
      triple(($0[0] .> 0).uniqueWithCounts(dim: 0))
    },
    .several("(a > 0).int().unique(return_inverse=True, return_counts=True, dim=1)", [.real([2, 6, 1]).withoutGradient]) {
      triple(($0[0] .> 0).to(.int32).uniqueWithCounts(dim: 1))
    },
    .several("(a > 0).unique_consecutive(return_inverse=True, return_counts=True)", [.real([3, 4]).withoutGradient]) {
      triple(($0[0] .> 0).uniqueConsecutiveWithCounts())
    },
    .several(
      "(a > 0).unique_consecutive(return_inverse=True, return_counts=True, dim=0)", [.real([6, 1]).withoutGradient]
    ) { triple(($0[0] .> 0).uniqueConsecutiveWithCounts(dim: 0)) },
    Sample("torch.empty(0, 3).unique()", [.real([1])]) { _ in Tensor.empty([0, 3]).unique() },
  ]

  private static func triple(_ results: (values: Tensor, inverse: Tensor, counts: Tensor)) -> [Tensor] {
    [results.values, results.inverse, results.counts]
  }
}

extension Tensor {
  /// The most frequent elements along `dim`, of several as frequent the smallest, and where each is, at the last place of
  /// several. Torch's `mode`.
  public func mode(
    dim: Int = -1, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> (values: Tensor, indices: Tensor) {
    let site = CallSite(file, line)
    return checkedPair("mode", at: site) { layout throws(TensorError) in
      ops.counts.mode.callAll(
        Few(self), PlaceArguments(dim: try layout.dimension(dim), keepDim: keepDim), at: site)
    }
  }

  /// How often each number from 0 on occurs in a vector of whole numbers, at least up to `minLength`; int64. With `weights`
  /// their sums: float32 for float32, float64 for others. Torch's `bincount`.
  public func bincount(
    weights: Tensor? = nil, minLength: Int = 0, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("bincount", at: CallSite(file, line)) { layout throws(TensorError) in
      guard minLength >= 0 else { throw .argument("minlength should be >= 0") }
      guard !dtype.isFloatingPoint, dtype != .bool else {
        throw .dtype("\"bincount_cpu\" not implemented for '\(dtype.torchScalarName)'")
      }
      guard layout.rank == 1 else {
        throw .argument("bincount only supports 1-d non-negative integral inputs.")
      }
      if let poison = weights?.body.poison { return Door.poisoned(by: poison, .current) }
      guard weights == nil || weights!.shape == layout.shape else {
        throw .shape("weights should be 1-d and have the same length as input")
      }
      let bins = to(.int64)
      let (least, most) = count == 0 ? (0, -1) : (bins.min().item(as: Int.self), bins.max().item(as: Int.self))
      guard least >= 0 else { throw .argument("bincount only supports 1-d non-negative integral inputs.") }
      let terms = weights?.detach()
      let sums = terms.map { $0.dtype == .float32 ? $0 : $0.to(.float64) } ?? bins.onesLike()
      return Tensor.zeros([Swift.max(most + 1, minLength)], dtype: sums.dtype, device: sums.device)
        .indexAdd(dim: 0, index: bins, source: sums)
    }
  }

  /// The different elements, in order; with `dim` the different slices along it, in lexical order. No two NaN are equal. Not
  /// differentiable. Torch's `unique`.
  public func unique(dim: Int? = nil, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    groups("unique", dim, isSorted: false, CallSite(file, line)).values
  }

  /// ``unique(dim:file:line:)``, and for each element (slice) which one it equals, and how often each occurs. Torch's `unique`
  /// with `return_inverse` and `return_counts`.
  public func uniqueWithCounts(
    dim: Int? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> (values: Tensor, inverse: Tensor, counts: Tensor) { groups("unique", dim, isSorted: false, CallSite(file, line)) }

  /// The elements, or slices along `dim`, but for those that equal the one before. Torch's `unique_consecutive`.
  public func uniqueConsecutive(dim: Int? = nil, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    groups("unique_consecutive", dim, isSorted: true, CallSite(file, line)).values
  }

  /// ``uniqueConsecutive(dim:file:line:)``, and for each element (slice) which one it is part of, and how long each run is.
  /// Torch's `unique_consecutive` with `return_inverse` and `return_counts`.
  public func uniqueConsecutiveWithCounts(
    dim: Int? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> (values: Tensor, inverse: Tensor, counts: Tensor) {
    groups("unique_consecutive", dim, isSorted: true, CallSite(file, line))
  }

  private func groups(
    _ name: String, _ dim: Int?, isSorted: Bool, _ site: CallSite
  ) -> (values: Tensor, inverse: Tensor, counts: Tensor) {
    var more: (inverse: Tensor, counts: Tensor)?
    let values = checked(name, at: site) { layout throws(TensorError) in
      let whole = detach()
      guard let dim else {
        let line = whole.flatten()
        let order = isSorted ? nil : line.argsort()
        let (firsts, inverse, counts) = (order.map { line[$0] } ?? line).runs(order)
        more = (inverse.reshape(layout.shape), counts)
        return line[firsts]
      }
      guard layout.rank > 0 else {
        guard dim == 0 || dim == -1 else { throw .dimensionRange(dim, rank: 0) }
        more = (.zeros([1], dtype: .int64, device: device), .ones([1], dtype: .int64, device: device))
        return reshape([1])
      }
      let place = try layout.dimension(dim)
      let count = layout.shape.at(place)
      guard layout.elementCount > 0 || count == 0 else {
        throw .shape("There are 0 sized dimensions, and they aren't selected, so unique cannot be applied")
      }
      let rows = whole.moveDim(place, 0).reshape([count, count == 0 ? 0 : layout.elementCount / count])
      let order = isSorted ? nil : try rows.lexicalOrder()
      let (firsts, inverse, counts) = (order.map { rows[$0] } ?? rows).runs(order)
      more = (inverse, counts)
      return whole.indexSelect(dim: place, index: firsts)
    }
    return (values, more?.inverse ?? values, more?.counts ?? values)
  }

  /// Where in the original `order` each run of equal rows begins, the run of each original row, and their lengths.
  private func runs(_ order: Tensor?) -> (firsts: Tensor, inverse: Tensor, counts: Tensor) {
    let count = shape.at(0)
    if count == 0 {
      let nothing = Tensor.zeros([0], dtype: .int64, device: device)
      return (nothing, nothing, nothing)
    }
    var differs = narrow(0, start: 1, length: count - 1) .!= narrow(0, start: 0, length: count - 1)
    if ndim > 1 { differs = differs.any(dim: 1) }
    let begins = Tensor.cat([Tensor.ones([1], dtype: .bool, device: device), differs])
    let run = begins.cumsum(dim: 0) - 1
    let starts = begins.nonzero().flatten()
    let ends = Tensor.cat([starts.narrow(0, start: 1, length: starts.count - 1), Tensor([count], device: device)])
    guard let order else { return (starts, run, ends - starts) }
    return (
      order[starts], Tensor.zeros([count], dtype: .int64, device: device).indexCopy(dim: 0, index: order, source: run),
      ends - starts
    )
  }

  /// The places of the rows in lexical order, of equal ones the first first.
  private func lexicalOrder() throws(TensorError) -> Tensor {
    let (count, width) = (shape.at(0), shape.at(1))
    func order<Element: Comparable>(_ rows: [Element]) -> Tensor {
      let places = (0..<count).sorted { a, b in
        for i in 0..<width {
          let (x, y) = (rows[a * width + i], rows[b * width + i])
          if x < y { return true }
          if x != y { return false }
        }
        return a < b
      }
      return Tensor(places, device: device)
    }
    return dtype.isFloatingPoint ? order(try soundArray(of: Double.self)) : order(try soundArray(of: Int.self))
  }
}
