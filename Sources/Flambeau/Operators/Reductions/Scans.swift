// Running totals along a dimension.
struct ScanArguments: Sendable {
  let dim: Int
  /// From the last element to the first.
  var isReversed = false
}

struct Scans: Sendable {
  let cumsum: Operator<ScanArguments> = Scans.row(
    "cumsum", .sum,
    backward: { (call, gradient) throws(TensorError) in
      let at = call.attributes
      return Few(ops.scans.cumsum(gradient, ScanArguments(dim: at.dim, isReversed: !at.isReversed)))
    },
    samples: [
      Sample("a.cumsum(0)", [.real([3, 4])]) { $0[0].cumsum(dim: 0) },
      Sample("a.cumsum(-1)", [.real([3, 4])]) { $0[0].cumsum(dim: -1) },
      Sample("a.cumsum(1, dtype=torch.float64)", [.real([2, 3, 4])]) { $0[0].cumsum(dim: 1, dtype: .float64) },
      Sample("a.clone().cumsum_(0)", [.real([3, 4])]) { $0[0].clone().cumsum_(dim: 0) },
    ]
  ).onGPU()

  let cumprod: Operator<ScanArguments> = Scans.row(
    "cumprod", .prod, saves: { _ in SavePlan(operands: .operand(0), result: true) },
    backward: { (call, gradient) throws(TensorError) in
      let dim = call.attributes.dim
      let reaching = ops.scans.recurrence(try call.operand(0), gradient, ScanArguments(dim: dim, isReversed: true))
      return Few(reaching * (try call.result().delayed(dim, first: 1)))
    },
    samples: [
      Sample("a.cumprod(0)", [.real([3, 4], 0.5...1.5)]) { $0[0].cumprod(dim: 0) },
      Sample("a.cumprod(-1)", [.real([3, 4], 0.5...1.5)]) { $0[0].cumprod(dim: -1) },
      Sample("a.cumprod(1, dtype=torch.float64)", [.real([2, 3, 4], 0.5...1.5)]) {
        $0[0].cumprod(dim: 1, dtype: .float64)
      },
      Sample("(a * (torch.arange(5) % 3 != 1)).cumprod(1)", [.real([2, 5], 0.5...1.5)]) {
        ($0[0] * Tensor([true, false, true, true, false])).cumprod(dim: 1)
      },
      Sample("a.clone().cumprod_(0)", [.real([3, 4], 0.5...1.5)]) { $0[0].clone().cumprod_(dim: 0) },
    ]
  ).onGPU()

  /// Of a and b, h[i] = b[i] + a[i]·h[i−1]; reversed, h[i] = b[i] + a[i+1]·h[i+1], which is the gradient of b in the other.
  /// A running product's gradient, without a division and so right with zeros.
  let recurrence: Operator<ScanArguments> = Operator(
    "linear_recurrence_backward",
    saves: { needs in SavePlan(operands: .operand(0), result: needs.contains(0)) },
    forward: { (operands, at) throws(TensorError) in
      let (a, b) = (operands[0]!.body, operands[1]!.body)
      let result = try Value(Layout(b.layout.shape), b.dtype, on: b.device)
      try withExtendedLifetime((a, b)) { () throws(TensorError) in
        try Scan.recurrence(
          in: b.dtype.computeClass, a.elements, b.elements, dim: at.dim, isReversed: at.isReversed, into: result.elements)
      }
      return result
    },
    backward: { (call, gradient) throws(TensorError) in
      let at = call.attributes
      let reaching = ops.scans.recurrence(
        try call.operand(0), gradient, ScanArguments(dim: at.dim, isReversed: !at.isReversed))
      guard call.needs(0) else { return Few(nil, reaching) }
      let result = try call.result()
      let slope = at.isReversed ? result * reaching.delayed(at.dim) : reaching * result.delayed(at.dim)
      return Few(slope, reaching)
    }
  ).onGPU()

  private static func row(
    _ name: String, _ kind: Reduction.Kind, saves: @escaping @Sendable (OperandSet) -> SavePlan = { _ in SavePlan() },
    backward: @escaping Operator<ScanArguments>.Backward, samples: [Sample]
  ) -> Operator<ScanArguments> {
    Operator(
      name, saves: saves,
      plan: { (operands, _) throws(TensorError) in
        let x = operands[0]!.body
        return ResultPlan(layout: Layout(x.layout.shape), dtype: x.dtype.total, compute: x.dtype.total)
      },
      fill: { (operands, at, plan, result) throws(TensorError) in
        let x = operands[0]!.body
        try withExtendedLifetime(x) { () throws(TensorError) in
          try Backend.scan(
            kind, in: plan.compute.computeClass, x.elements, dim: at.dim, isReversed: at.isReversed, into: result)
        }
      },
      backward: backward, samples: samples)
  }
}

extension Tensor {
  /// The sums of the elements up to each one along `dim`; booleans and integers sum to int64. Torch's `cumsum`.
  ///
  /// - Parameter dtype: The elements are converted to it first.
  public func cumsum(dim: Int, dtype: DType? = nil, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    scanned(by: ops.scans.cumsum, dim, as: dtype, CallSite(file, line))
  }

  /// The products of the elements up to each one along `dim`; booleans and integers multiply to int64. Torch's `cumprod`.
  ///
  /// - Parameter dtype: The elements are converted to it first.
  public func cumprod(dim: Int, dtype: DType? = nil, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    scanned(by: ops.scans.cumprod, dim, as: dtype, CallSite(file, line))
  }

  /// ``cumsum(dim:dtype:file:line:)`` in place.
  @discardableResult
  public func cumsum_(dim: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    written(by: ops.scans.cumsum, dim, CallSite(file, line))
  }

  /// ``cumprod(dim:dtype:file:line:)`` in place.
  @discardableResult
  public func cumprod_(dim: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    written(by: ops.scans.cumprod, dim, CallSite(file, line))
  }

  private func scanned(by row: Operator<ScanArguments>, _ dim: Int, as dtype: DType?, _ site: CallSite) -> Tensor {
    checked(row.name, at: site) { layout throws(TensorError) in
      if dtype == .bool { throw .dtype("\"\(row.name)_out_cpu\" not implemented for 'Bool'") }
      let result = row(dtype.map { to($0) } ?? self, ScanArguments(dim: try layout.dimension(dim)), at: site)
      return dtype.map { result.to($0) } ?? result
    }
  }

  private func written(by row: Operator<ScanArguments>, _ dim: Int, _ site: CallSite) -> Tensor {
    checked(row.name + "_", at: site) { layout throws(TensorError) in
      if dtype == .bool { throw .dtype("\"\(row.name)_out_cpu\" not implemented for 'Bool'") }
      return row.write(Few(self), ScanArguments(dim: try layout.dimension(dim)), at: site)
    }
  }

  /// Each element moved one place on along `dim`; `first` comes first, and the last is lost.
  func delayed(_ dim: Int, first: Double = 0) -> Tensor {
    let size = ndim == 0 ? 1 : body.layout.shape.at(dim)
    if size == 0 { return self }
    let line = ndim == 0 ? reshape([1]) : self
    var result = line.narrow(dim, start: 0, length: size - 1).placed(in: line.shape, dim, start: 1)
    if first != 0 {
      let one = Tensor.full(line.shape.replacing(dim, with: 1), first, dtype: dtype, device: device)
      result = result + one.placed(in: line.shape, dim, start: 0)
    }
    return result.reshape(shape)
  }

  /// Zeros of `shape`, with these elements from `start` on along `dim`.
  func placed(in shape: Shape, _ dim: Int, start: Int) -> Tensor {
    let count = body.layout.shape.at(dim)
    return placed(in: shape) { $0.sliced(dim, start: start, count: count) }
  }
}
