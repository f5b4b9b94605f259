/// Running maxima, minima and log-sums of exponentials along a dimension.
struct RunningExtremes: Sendable {
  let cummax: Operator<Int> = RunningExtremes.row(
    "cummax", .max,
    samples: [
      .several("a.cummax(0)", [.real([4, 3])]) { pair($0[0].cummax(dim: 0)) },
      .several("a.cummax(-1)", [.real([2, 3, 6])]) { pair($0[0].cummax(dim: -1)) },
    ])
  let cummin: Operator<Int> = RunningExtremes.row(
    "cummin", .min,
    samples: [
      .several("a.cummin(0)", [.real([4, 3])]) { pair($0[0].cummin(dim: 0)) },
      .several("a.cummin(1)", [.real([2, 6, 3])]) { pair($0[0].cummin(dim: 1)) },
    ])

  let logCumSumExp: Operator<Int> = Operator(
    "logcumsumexp", saves: { _ in SavePlan(operands: .operand(0), result: true) },
    forward: { (operands, dim) throws(TensorError) in
      let x = operands[0]!.body
      guard x.dtype.isFloatingPoint else {
        throw .dtype("\"logcumsumexp_out_cpu\" not implemented for '\(x.dtype.torchScalarName)'")
      }
      let result = try Value(Layout(x.layout.shape), x.dtype, on: x.device)
      try withExtendedLifetime(x) { () throws(TensorError) in
        try Scan.logSumExp(x.elements, dim: dim, into: result.elements)
      }
      return result
    },
    backward: { (call, gradient) throws(TensorError) in
      let (x, result, dim) = (try call.operand(0), try call.result(), call.attributes)
      // In logarithms, so that exponents do not overflow; the parts of either sign apart.
      func reaching(_ part: Tensor) -> Tensor {
        let least = Tensor.full([], -gradient.dtype.largest, dtype: gradient.dtype, device: gradient.device)
        let logs = Tensor.where(part .> 0, part.abs().log(), least)
        return ((logs - result).flip(dim).logCumSumExp(dim: dim).flip(dim) + x).exp()
      }
      return Few(reaching(gradient) - reaching(-gradient))
    },
    samples: [
      Sample("a.logcumsumexp(0)", [.real([4, 3])]) { $0[0].logCumSumExp(dim: 0) },
      Sample("a.logcumsumexp(-1)", [.real([2, 6])]) { $0[0].logCumSumExp(dim: -1) },
    ]
  ).onGPU()

  /// The extreme up to each element, and its place: of equal ones the last, or the first NaN.
  private static func row(_ name: String, _ kind: Reduction.Kind, samples: [Sample]) -> Operator<Int> {
    Operator(
      name, auxiliaryCount: 1, saves: { _ in SavePlan(auxiliaries: true) },
      forward: { (operands, dim) throws(TensorError) in
        let x = operands[0]!.body
        var values = try Value(Layout(x.layout.shape), x.dtype, on: x.device)
        let places = try Value(Layout(x.layout.shape), .int64, on: x.device)
        try withExtendedLifetime(x) { () throws(TensorError) in
          try Scan.extreme(x.elements, dim: dim, largest: kind == .max, values: values.elements, places: places.elements)
        }
        values.auxiliaries = [places]
        return values
      },
      backward: { (call, gradient) throws(TensorError) in
        let zeros = Tensor.zeros(call.shape(0), dtype: gradient.dtype, device: gradient.device)
        return Few(zeros.scatterAdd(dim: call.attributes, index: try call.auxiliary(0), source: gradient))
      }, samples: samples
    ).onGPU()
  }
}

extension Tensor {
  /// The largest elements up to each one along `dim` and where they are: of equal ones the last, or the first NaN. Torch's
  /// `cummax`.
  public func cummax(
    dim: Int, file: StaticString = #fileID, line: UInt = #line
  ) -> (values: Tensor, indices: Tensor) { running(by: ops.runningExtremes.cummax, dim, CallSite(file, line)) }

  /// The smallest elements up to each one along `dim` and where they are: of equal ones the last, or the first NaN.
  /// Torch's `cummin`.
  public func cummin(
    dim: Int, file: StaticString = #fileID, line: UInt = #line
  ) -> (values: Tensor, indices: Tensor) { running(by: ops.runningExtremes.cummin, dim, CallSite(file, line)) }

  private func running(
    by row: Operator<Int>, _ dim: Int, _ site: CallSite
  ) -> (values: Tensor, indices: Tensor) {
    checkedPair(row.name, at: site) { layout throws(TensorError) in
      row.callAll(Few(self), try layout.dimension(dim), at: site)
    }
  }

  /// log Σ eˣ of the elements up to each one along `dim`, without overflow. Torch's `logcumsumexp`.
  public func logCumSumExp(dim: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    let site = CallSite(file, line)
    return checked("logcumsumexp", at: site) { layout throws(TensorError) in
      ops.runningExtremes.logCumSumExp(self, try layout.dimension(dim), at: site)
    }
  }
}
