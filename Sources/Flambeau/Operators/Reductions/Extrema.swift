import CKernels

struct Extrema: Sendable {
  let max: Operator<ReductionArguments> = Extrema.row(
    "max", .max, .equalOrNaN, samples: [Sample("a.max()", [.real([3, 4])]) { $0[0].max() }])
  let min: Operator<ReductionArguments> = Extrema.row(
    "min", .min, .equalOrNaN, samples: [Sample("a.min()", [.real([3, 4])]) { $0[0].min() }])
  let amax: Operator<ReductionArguments> = Extrema.row(
    "amax", .max, .equal,
    samples: [
      Sample("a.amax()", [.real([3, 4])]) { $0[0].amax() },
      Sample("a.amax(1)", [.real([3, 4, 2])]) { $0[0].amax(dim: 1) },
      Sample("a.amax((0, -1), keepdim=True)", [.real([3, 4, 2])]) { $0[0].amax(dim: [0, -1], keepDim: true) },
    ])
  let amin: Operator<ReductionArguments> = Extrema.row(
    "amin", .min, .equal,
    samples: [
      Sample("a.amin()", [.real([3, 4])]) { $0[0].amin() },
      Sample("a.amin(1)", [.real([3, 4, 2])]) { $0[0].amin(dim: 1) },
      Sample("a.amin((0, -1), keepdim=True)", [.real([3, 4, 2])]) { $0[0].amin(dim: [0, -1], keepDim: true) },
    ])

  let maxDim: Operator<PlaceArguments> = Extrema.placedRow(
    "max", .max,
    samples: [
      .several("a.max(0)", [.real([3, 4])]) { pair($0[0].max(dim: 0)) },
      .several("a.max(-1, keepdim=True)", [.real([3, 4, 2])]) { pair($0[0].max(dim: -1, keepDim: true)) },
    ])
  let minDim: Operator<PlaceArguments> = Extrema.placedRow(
    "min", .min,
    samples: [
      .several("a.min(0)", [.real([3, 4])]) { pair($0[0].min(dim: 0)) },
      .several("a.min(1, keepdim=True)", [.real([3, 4, 2])]) { pair($0[0].min(dim: 1, keepDim: true)) },
    ])

  let argmax: Operator<PlaceArguments> = Extrema.placeRow(
    "argmax", .max,
    samples: [
      Sample("a.argmax()", [.real([3, 4])]) { $0[0].argmax() },
      Sample("a.argmax(keepdim=True)", [.real([3, 4])]) { $0[0].argmax(keepDim: true) },
      Sample("a.argmax(1)", [.real([3, 4, 2])]) { $0[0].argmax(dim: 1) },
      Sample("a.argmax(-1, keepdim=True)", [.real([3, 4, 2])]) { $0[0].argmax(dim: -1, keepDim: true) },
    ])
  let argmin: Operator<PlaceArguments> = Extrema.placeRow(
    "argmin", .min,
    samples: [
      Sample("a.argmin()", [.real([3, 4])]) { $0[0].argmin() },
      Sample("a.argmin(0)", [.real([3, 4, 2])]) { $0[0].argmin(dim: 0) },
      Sample("a.argmin(-1, keepdim=True)", [.real([3, 4, 2])]) { $0[0].argmin(dim: -1, keepDim: true) },
    ])

  /// The extreme, wherever it is.
  private static func row(
    _ name: String, _ kind: Reduction.Kind, _ ties: TieRule, samples: [Sample]
  ) -> Operator<ReductionArguments> {
    Operator(
      name, saves: { _ in SavePlan(operands: .operand(0), result: true) },
      forward: { (operands, at) throws(TensorError) in
        let x = operands[0]!
        try at.checkNotEmpty(name, x.shape)
        return try withExtendedLifetime(x) { () throws(TensorError) in
          try at.reduce(kind, in: x.dtype.computeClass, [x.body.elements], as: x.dtype)
        }
      },
      backward: { (call, gradient) throws(TensorError) in
        let (x, at) = (try call.operand(0), call.attributes)
        return Few(
          ops.ties.share(
            gradient.restored(x.shape, at), x, try call.result().restored(x.shape, at),
            TieArguments(dims: at.dims, rule: ties)))
      }, samples: samples
    ).onGPU()
  }

  /// The extreme along a dimension, and its place.
  private static func placedRow(
    _ name: String, _ kind: Reduction.Kind, samples: [Sample]
  ) -> Operator<PlaceArguments> {
    Operator(
      name, auxiliaryCount: 1, saves: { _ in SavePlan(auxiliaries: true) },
      forward: { (operands, at) throws(TensorError) in
        let x = operands[0]!
        let reduction = at.reduction(x.ndim)
        try reduction.checkNotEmpty(name, x.shape)
        let places = try place(kind, x, at)
        let values = try Value(places.layout, x.dtype, on: x.device)
        let kept = Layout(reduction.kept(x.shape))
        _ = try withExtendedLifetime((x, places.storage)) { () throws(TensorError) in
          try x.body.elements.read(
            along: at.dim!, at: places.elements(kept),
            into: values.elements(kept))
        }
        var result = values
        result.auxiliaries = [places]
        return result
      },
      backward: { (call, gradient) throws(TensorError) in try call.attributes.placed(gradient, of: call) }, samples: samples
    ).onGPU()
  }

  /// Only the place.
  private static func placeRow(
    _ name: String, _ kind: Reduction.Kind, samples: [Sample]
  ) -> Operator<PlaceArguments> {
    Operator(
      name,
      forward: { (operands, at) throws(TensorError) in
        let x = operands[0]!
        guard x.dtype != .bool else { throw .dtype("\(name)(): does not support bool input") }
        if at.dim == nil && x.count == 0 {
          throw .index("\(name)(): Expected reduction dim to be specified for input.numel() == 0.")
        }
        try at.reduction(x.ndim).checkNotEmpty(name, x.shape)
        return try place(kind, x, at)
      }, samples: samples
    ).onGPU()
  }

  private static func place(
    _ kind: Reduction.Kind, _ x: Tensor, _ at: PlaceArguments
  ) throws(TensorError) -> Value {
    let reduction = at.reduction(x.ndim)
    let places = try Value(Layout(reduction.kept(x.shape)), .int64, on: x.device)
    try withExtendedLifetime(x) { () throws(TensorError) in
      try Backend.arg(kind, in: x.dtype.computeClass, x.body.elements, dim: at.dim, into: places.elements)
    }
    return Value(places.storage, Layout(reduction.resultShape(x.shape)), .int64)
  }
}

/// The results as the tests compare them.
func pair(_ results: (values: Tensor, indices: Tensor)) -> [Tensor] { [results.values, results.indices] }

extension Tensor {
  /// The largest element, NaN if there is one; its gradient is split evenly over equal elements. Torch's `max`.
  public func max(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    whole(by: ops.extrema.max, CallSite(file, line))
  }

  /// The smallest element, NaN if there is one; its gradient is split evenly over equal elements. Torch's `min`.
  public func min(file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    whole(by: ops.extrema.min, CallSite(file, line))
  }

  /// The largest elements along `dim` and where they are: of equal ones the first, or the first NaN. Torch's `max`.
  public func max(
    dim: Int, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> (values: Tensor, indices: Tensor) { placed(by: ops.extrema.maxDim, dim, keepDim, CallSite(file, line)) }

  /// The smallest elements along `dim` and where they are: of equal ones the first, or the first NaN. Torch's `min`.
  public func min(
    dim: Int, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> (values: Tensor, indices: Tensor) { placed(by: ops.extrema.minDim, dim, keepDim, CallSite(file, line)) }

  /// The largest element of all, or over the dimensions `dim`; the gradient is split evenly over equal elements.
  /// Torch's `amax`.
  public func amax(
    dim: [Int]? = nil, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { extreme(by: ops.extrema.amax, dim, keepDim, CallSite(file, line)) }

  /// The largest elements along one dimension.
  public func amax(
    dim: Int, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { amax(dim: [dim], keepDim: keepDim, file: file, line: line) }

  /// The smallest element of all, or over the dimensions `dim`; the gradient is split evenly over equal elements.
  /// Torch's `amin`.
  public func amin(
    dim: [Int]? = nil, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { extreme(by: ops.extrema.amin, dim, keepDim, CallSite(file, line)) }

  /// The smallest elements along one dimension.
  public func amin(
    dim: Int, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { amin(dim: [dim], keepDim: keepDim, file: file, line: line) }

  /// Where the largest elements along `dim` are, of equal ones the first, or the first NaN; int64. Without `dim` the place
  /// in the whole tensor, counted row-major. Torch's `argmax`.
  public func argmax(
    dim: Int? = nil, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { place(by: ops.extrema.argmax, dim, keepDim, CallSite(file, line)) }

  /// Where the smallest elements along `dim` are, of equal ones the first, or the first NaN; int64. Without `dim` the place
  /// in the whole tensor, counted row-major. Torch's `argmin`.
  public func argmin(
    dim: Int? = nil, keepDim: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { place(by: ops.extrema.argmin, dim, keepDim, CallSite(file, line)) }

  private func whole(by row: Operator<ReductionArguments>, _ site: CallSite) -> Tensor {
    extreme(by: row, nil, false, site)
  }

  private func extreme(
    by row: Operator<ReductionArguments>, _ dim: [Int]?, _ keepDim: Bool, _ site: CallSite
  ) -> Tensor {
    checked(row.name, at: site) { layout throws(TensorError) in
      if (dim ?? []).isEmpty && layout.elementCount == 0 {
        throw .shape(
          "\(row.name)(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with "
            + "the 'dim' argument.")
      }
      return reduced(by: row, dim, keepDim, site)
    }
  }

  private func place(by row: Operator<PlaceArguments>, _ dim: Int?, _ keepDim: Bool, _ site: CallSite) -> Tensor {
    checked(row.name, at: site) { layout throws(TensorError) in
      let dim = dim == nil ? nil : try layout.dimension(dim!)
      return row(self, PlaceArguments(dim: dim, keepDim: keepDim), at: site)
    }
  }

  private func placed(
    by row: Operator<PlaceArguments>, _ dim: Int, _ keepDim: Bool, _ site: CallSite
  ) -> (values: Tensor, indices: Tensor) {
    checkedPair(row.name, at: site) { layout throws(TensorError) in
      row.callAll(Few(self), PlaceArguments(dim: try layout.dimension(dim), keepDim: keepDim), at: site)
    }
  }

  /// `checked` for a row with indices beside its values.
  func checkedPair(
    _ name: String, at site: CallSite, _ body: (Layout) throws(TensorError) -> [Tensor]
  ) -> (values: Tensor, indices: Tensor) {
    var indices: Tensor?
    let values = checked(name, at: site) { layout throws(TensorError) in
      let results = try body(layout)
      indices = results[1]
      return results[0]
    }
    return (values, indices ?? values)
  }
}
