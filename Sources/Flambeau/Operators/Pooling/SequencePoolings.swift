/// Pooling of sequences [n, c, l] or [c, l], made of the 2-D rows.
struct SequencePoolings: Sendable {
  let composites: [Sample] = [
    Sample("F.max_pool1d(a, 2)", [.real([2, 3, 7])]) { $0[0].maxPool1d(2) },
    .several("F.max_pool1d(a, 3, 2, 1, 2, True, True)", [.real([3, 8])]) {
      pair($0[0].maxPool1dWithIndices(3, stride: 2, padding: 1, dilation: 2, ceilMode: true))
    },
    .several("F.adaptive_max_pool1d(a, 3, True)", [.real([2, 2, 7])]) { pair($0[0].adaptiveMaxPool1dWithIndices(3)) },
    Sample("F.avg_pool1d(a, 3, 2, 1, True, False)", [.real([2, 3, 8])]) {
      $0[0].avgPool1d(3, stride: 2, padding: 1, ceilMode: true, countIncludePad: false)
    },
    Sample("F.avg_pool1d(a, 2)", [.real([2, 7])]) { $0[0].avgPool1d(2) },
    Sample("F.adaptive_avg_pool1d(a, 3)", [.real([2, 2, 7])]) { $0[0].adaptiveAvgPool1d(3) },
  ]
}

extension Tensor {
  /// The largest element of every window. Torch's `max_pool1d`.
  ///
  /// - Parameters:
  ///   - stride: From window to window; the kernel's size by default.
  ///   - padding: Positions of −∞ on either side.
  ///   - dilation: From element to element of a window.
  ///   - ceilMode: A last window may hang over the edge.
  public func maxPool1d(
    _ kernelSize: Int, stride: Int? = nil, padding: Int = 0, dilation: Int = 1, ceilMode: Bool = false,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    maxPool1dWithIndices(
      kernelSize, stride: stride, padding: padding, dilation: dilation, ceilMode: ceilMode, file: file, line: line
    ).values
  }

  /// The largest elements and where they are, as int64. Torch's `max_pool1d` with `return_indices=True`.
  public func maxPool1dWithIndices(
    _ kernelSize: Int, stride: Int? = nil, padding: Int = 0, dilation: Int = 1, ceilMode: Bool = false,
    file: StaticString = #fileID, line: UInt = #line
  ) -> (values: Tensor, indices: Tensor) {
    checkedPair("max_pool1d", at: CallSite(file, line)) { layout throws(TensorError) in
      guard layout.rank == 2 || layout.rank == 3 else {
        throw .shape(
          "Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, but got:\(layout.shape)")
      }
      for (name, number) in [("kernel_size", kernelSize), ("stride", stride ?? kernelSize), ("dilation", dilation)]
      where number <= 0 {
        throw .argument("max_pool1d() \(name) must be greater than zero, but got \(number)")
      }
      guard padding >= 0 else { throw .argument("max_pool1d() padding must be non-negative, but got \(padding)") }
      guard padding <= kernelSize / 2 else {
        throw .argument(
          "max_pool1d() padding should be at most half of kernel size, but got padding=\(padding) and kernel_size=\(kernelSize)")
      }
      let spans = PoolingSpans(
        input: layout.shape.at(layout.rank - 1), kernel: kernelSize, stride: stride ?? kernelSize, padding: padding,
        dilation: dilation, ceilMode: ceilMode)
      guard spans.count > 0 else { throw .shape("max_pool1d() Invalid computed output size: \(spans.count)") }
      let (values, indices) = unsqueeze(-2).maxPool2dWithIndices(
        Size2D(1, kernelSize), stride: Size2D(1, stride ?? kernelSize), padding: Size2D(0, padding),
        dilation: Size2D(1, dilation), ceilMode: ceilMode, file: file, line: line)
      return [values.squeeze(-2), indices.squeeze(-2)]
    }
  }

  /// The mean of every window. Torch's `avg_pool1d`.
  ///
  /// - Parameters:
  ///   - stride: From window to window; the kernel's size by default.
  ///   - padding: Zeros on either side.
  ///   - ceilMode: A last window may hang over the edge.
  ///   - countIncludePad: The zeros count in the number that sums are divided by.
  public func avgPool1d(
    _ kernelSize: Int, stride: Int? = nil, padding: Int = 0, ceilMode: Bool = false, countIncludePad: Bool = true,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    asRow("avg_pool1d", CallSite(file, line)) { row in
      row.avgPool2d(
        Size2D(1, kernelSize), stride: Size2D(1, stride ?? kernelSize), padding: Size2D(0, padding), ceilMode: ceilMode,
        countIncludePad: countIncludePad, file: file, line: line)
    }
  }

  /// The means of `outputSize` windows of about equal size. Torch's `adaptive_avg_pool1d`.
  public func adaptiveAvgPool1d(_ outputSize: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    asRow("adaptive_avg_pool1d", CallSite(file, line)) { row in
      row.adaptiveAvgPool2d(Size2D(1, outputSize), file: file, line: line)
    }
  }

  /// The largest elements of `outputSize` windows of about equal size. Torch's `adaptive_max_pool1d`.
  public func adaptiveMaxPool1d(_ outputSize: Int, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    adaptiveMaxPool1dWithIndices(outputSize, file: file, line: line).values
  }

  /// The largest elements and where they are, as int64.
  public func adaptiveMaxPool1dWithIndices(
    _ outputSize: Int, file: StaticString = #fileID, line: UInt = #line
  ) -> (values: Tensor, indices: Tensor) {
    checkedPair("adaptive_max_pool1d", at: CallSite(file, line)) { layout throws(TensorError) in
      try layout.checkSequence("adaptive_max_pool1d")
      let (values, indices) = unsqueeze(-2).adaptiveMaxPool2dWithIndices(Size2D(1, outputSize), file: file, line: line)
      return [values.squeeze(-2), indices.squeeze(-2)]
    }
  }

  /// Calls `body` with sequences as images of one row.
  private func asRow(_ name: String, _ site: CallSite, _ body: (Tensor) -> Tensor) -> Tensor {
    checked(name, at: site) { layout throws(TensorError) in
      try layout.checkSequence(name)
      return body(unsqueeze(-2)).squeeze(-2)
    }
  }
}

extension Layout {
  fileprivate func checkSequence(_ name: String) throws(TensorError) {
    guard rank == 2 || rank == 3 else {
      throw .shape(
        "Expected 2 to 3 dimensions, but got \(rank)-dimensional tensor for argument #1 'self' (while checking arguments for "
          + "\(name))")
    }
  }
}
