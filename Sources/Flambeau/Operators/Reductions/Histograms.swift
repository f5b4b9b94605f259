/// How many elements lie in each of a row of intervals.
struct Histograms: Sendable {
  let composites: [Sample] = [
    // Torch rounds the places of half types to them.
    Sample("a.float().histc(5, -2, 2)", [.real([3, 7]).withoutGradient]) {
      $0[0].to(.float32).histc(bins: 5, min: -2, max: 2)
    },
    Sample("a.histc(4)", [.real([3, 7]).withoutGradient]) { $0[0].histc(bins: 4) },
    Sample("(a * 0 + 1).histc(3)", [.real([5]).withoutGradient]) { ($0[0] * 0 + 1).histc(bins: 3) },
    .several("a.histogram(5)", [.real([3, 7]).withoutGradient]) { pair($0[0].histogram(bins: 5)) },
    .several(
      "a.double().histogram(4, range=(-1., 1.), weight=b.double(), density=True)",
      [
        .real([9]).withoutGradient, .real([9], 0.5...2).withoutGradient,
      ]
    ) { pair($0[0].to(.float64).histogram(bins: 4, range: -1...1, weight: $0[1].to(.float64), density: true)) },
    .several("a.double().histogram(torch.tensor([-2, -0.5, 0, 1], dtype=torch.float64))", [.real([9]).withoutGradient]) {
      pair($0[0].to(.float64).histogram(bins: Tensor([-2, -0.5, 0, 1]).to(.float64)))
    },
  ]

  private static func pair(_ results: (hist: Tensor, binEdges: Tensor)) -> [Tensor] { [results.hist, results.binEdges] }
}

extension Tensor {
  /// How many elements lie in each of `bins` intervals of one width from `min` to `max`, the end included; others do not count.
  /// Where the two are equal, from the smallest element to the largest. Floating point only; counts have this dtype. Torch's
  /// `histc`.
  public func histc(
    bins: Int = 100, min: Double = 0, max: Double = 0, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("histc", at: CallSite(file, line)) { _ throws(TensorError) in
      guard dtype.isFloatingPoint else {
        throw .dtype("\"histogram_cpu\" not implemented for '\(dtype.torchScalarName)'")
      }
      guard bins > 0 else { throw .argument("torch.histogram(): bins must be > 0, but got \(bins) for dimension 0") }
      guard min <= max else { throw .argument("torch.histc: max must be larger than min") }
      let values = detach().flatten().to(dtype.isHalf ? .float32 : dtype)
      let (low, high) = try values.ends(min == max ? nil : min...max, margin: 1, "torch.histc")
      return values.counted(low, high, bins, nil, edges: nil).to(dtype)
    }
  }

  /// How many elements, or how much of `weight`, lies in each of `bins` intervals of one width over `range`, by default from the
  /// smallest element to the largest, and the edges of the intervals. float32 and float64 only. Torch's `histogram`.
  ///
  /// - Parameter density: The integral over the range is 1.
  public func histogram(
    bins: Int, range: ClosedRange<Double>? = nil, weight: Tensor? = nil, density: Bool = false,
    file: StaticString = #fileID, line: UInt = #line
  ) -> (hist: Tensor, binEdges: Tensor) {
    histogram(weight, density, CallSite(file, line)) { values throws(TensorError) in
      guard bins > 0 else { throw .argument("torch.histogram(): bins must be > 0, but got \(bins) for dimension 0") }
      let (low, high) = try values.ends(range, margin: 0.5, "torch.histogram()")
      return .linspace(low, high, steps: bins + 1, dtype: values.dtype, device: values.device)
    }
  }

  /// How many elements, or how much of `weight`, lies in each of the intervals between the edges `bins`, a rising vector of
  /// this dtype; the last edge is included. Torch's `histogram`.
  public func histogram(
    bins: Tensor, weight: Tensor? = nil, density: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> (hist: Tensor, binEdges: Tensor) {
    let dtype = dtype
    return histogram(weight, density, CallSite(file, line)) { values throws(TensorError) in
      guard bins.ndim == 1 else {
        throw .shape(
          "torch.histogramdd: bins tensor should have one dimension, but got \(bins.ndim) dimensions in the "
            + "bins tensor for dimension 0")
      }
      guard bins.dtype == dtype else {
        throw .dtype(
          "torch.histogram(): input tensor and bins tensors should have the same dtype, but got input with dtype \(dtype) and "
            + "bins with dtype \(bins.dtype)")
      }
      guard bins.count > 0 else {
        throw .shape(
          "torch.histogram(): bins tensor should have at least 1 element, but got 0 elements in the bins tensor")
      }
      return bins.detach()
    }
  }

  private func histogram(
    _ weight: Tensor?, _ density: Bool, _ site: CallSite, _ edges: (Tensor) throws(TensorError) -> Tensor
  ) -> (hist: Tensor, binEdges: Tensor) {
    var found: Tensor?
    let hist = checked("histogram", at: site) { layout throws(TensorError) in
      guard dtype == .float32 || dtype == .float64 else {
        throw .dtype("\"histogram_cpu\" not implemented for '\(dtype.torchScalarName)'")
      }
      if let poison = weight?.body.poison { return Door.poisoned(by: poison, .current) }
      if let weight {
        guard weight.dtype == dtype else {
          throw .dtype(
            "torch.histogram(): if weight tensor is provided, input tensor and weight tensor should have the same "
              + "dtype, but got input(\(dtype)), and weight(\(weight.dtype))")
        }
        guard weight.shape == layout.shape else {
          throw .shape(
            "torch.histogramdd: if weight tensor is provided it should have the same shape as the input tensor excluding its "
              + "innermost dimension, but got input with shape [\(layout.elementCount), 1] and weight with shape [\(weight.count)]"
          )
        }
      }
      let values = detach().flatten()
      let edges = try edges(values)
      found = edges
      let bins = edges.count - 1
      let hist = values.counted(0, 0, bins, weight?.detach().flatten(), edges: edges)
      return density ? hist / (hist.sum() * (edges.diff())) : hist
    }
    return (hist, found ?? hist)
  }

  /// The range of a histogram: the elements' where none is given, and never empty.
  private func ends(_ range: ClosedRange<Double>?, margin: Double, _ name: String) throws(TensorError) -> (Double, Double) {
    var (low, high) = (range?.lowerBound ?? 0, range?.upperBound ?? 0)
    if range == nil, count > 0 {
      let (least, most) = aminmax()
      (low, high) = (least.item(as: Double.self), most.item(as: Double.self))
    }
    guard low.isFinite, high.isFinite else { throw .argument("\(name): range of [\(low), \(high)] is not finite") }
    return low == high ? (low - margin, high + margin) : (low, high)
  }

  /// Into `bins` intervals of one width, or between `edges`.
  private func counted(_ low: Double, _ high: Double, _ bins: Int, _ weight: Tensor?, edges: Tensor?) -> Tensor {
    let place: Tensor
    let (first, last): (Tensor, Tensor)
    if let edges {
      (first, last) = (edges[0], edges[-1])
      place = edges.searchSorted(self, right: true) - 1
    } else {
      (first, last) = (Tensor(low, device: .cpu).to(dtype), Tensor(high, device: .cpu).to(dtype))
      place = ((self - first) * Double(bins) / (last - first)).nanToNum().clamp(min: -1, max: Double(bins)).to(.int64)
    }
    let isInside = (self .>= first).logicalAnd(self .<= last)
    let zeros = Tensor.zeros([Swift.max(bins, 0)], dtype: dtype, device: device)
    if bins == 0 { return zeros }
    return zeros.indexAdd(
      dim: 0, index: place[isInside].clamp(max: bins - 1), source: (weight ?? onesLike())[isInside])
  }
}
