/// Pooling of volumes [n, c, d, h, w] or [c, d, h, w], and with windows of their own for every plane.
struct VolumePoolings: Sendable {
  /// The positions of the largest elements of [planes, d, h, w] in their planes.
  let maxima: Operator<VolumeWindows> = Operator<VolumeWindows>(
    "max_pool3d",
    forward: { (operands, windows) throws(TensorError) in
      let x = operands[0]!.body
      // The processor's loops know three types.
      let dtype = x.device.isCPU ? x.dtype.computeClass.dtype : x.dtype
      let dense = x.dtype == dtype ? try x.contiguousBody() : TensorBody(try Value(Layout(x.layout.shape), dtype))
      if x.dtype != dtype { try x.elements.copy(to: dense.elements) }
      let result = try Value(Layout(Shape([x.layout.shape.at(0)] + windows.counts)), .int64, on: x.device)
      try windows.maxima(dense.elements, into: result.elements)
      withExtendedLifetime(dense) {}
      return result
    },
    samples: [
      Sample("F.max_pool3d(a, 2)", [.real([2, 2, 4, 4, 5])]) { $0[0].maxPool3d(2) },
      .several("F.max_pool3d(a, (2, 3, 2), (1, 2, 1), 1, (2, 1, 1), True, True)", [.real([2, 4, 5, 4])]) {
        pair($0[0].maxPool3dWithIndices([2, 3, 2], stride: [1, 2, 1], padding: 1, dilation: [2, 1, 1], ceilMode: true))
      },
      .several("F.adaptive_max_pool3d(a, (2, 3, 1), True)", [.real([2, 2, 3, 4, 5])]) {
        pair($0[0].adaptiveMaxPool3dWithIndices([2, 3, 1]))
      },
    ]
  ).onGPU()

  let composites: [Sample] = [
    Sample("F.avg_pool3d(a, 2)", [.real([2, 2, 4, 4, 5])]) { $0[0].avgPool3d(2) },
    Sample("F.avg_pool3d(a, (2, 3, 2), (1, 2, 2), (1, 1, 0), True)", [.real([2, 4, 4, 5])]) {
      $0[0].avgPool3d([2, 3, 2], stride: [1, 2, 2], padding: [1, 1, 0], ceilMode: true)
    },
    Sample("F.avg_pool3d(a, 3, 2, 1, True, False)", [.real([1, 2, 4, 5, 4])]) {
      $0[0].avgPool3d(3, stride: 2, padding: 1, ceilMode: true, countIncludePad: false)
    },
    Sample("F.avg_pool3d(a, 2, 1, 1, divisor_override=3)", [.real([1, 2, 3, 3, 2])]) {
      $0[0].avgPool3d(2, stride: 1, padding: 1, divisorOverride: 3)
    },
    Sample("F.adaptive_avg_pool3d(a, (2, 3, 1))", [.real([2, 2, 3, 4, 5])]) { $0[0].adaptiveAvgPool3d([2, 3, 1]) },
  ]
}

extension Tensor {
  /// The largest element of every window. Torch's `max_pool3d`.
  ///
  /// - Parameters:
  ///   - stride: From window to window; the kernel's size by default.
  ///   - padding: Planes, rows and columns of −∞ on either side.
  ///   - dilation: From element to element of a window.
  ///   - ceilMode: A last window may hang over the edge.
  public func maxPool3d(
    _ kernelSize: Size3D, stride: Size3D? = nil, padding: Size3D = 0, dilation: Size3D = 1, ceilMode: Bool = false,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("max_pool3d", at: CallSite(file, line)) { _ throws(TensorError) in
      if let autocast = AutocastMethod("max_pool3d", on: self) {
        return try autocast(self) {
          $0[0]!.maxPool3d(
            kernelSize, stride: stride, padding: padding, dilation: dilation, ceilMode: ceilMode, file: file, line: line)
        }
      }
      return maxPool3dWithIndices(
        kernelSize, stride: stride, padding: padding, dilation: dilation, ceilMode: ceilMode, file: file, line: line
      ).values
    }
  }

  /// The largest elements and their positions in their volumes, (plane · height + row) · width + column, as int64. Torch's
  /// `max_pool3d` with `return_indices=True`.
  public func maxPool3dWithIndices(
    _ kernelSize: Size3D, stride: Size3D? = nil, padding: Size3D = 0, dilation: Size3D = 1, ceilMode: Bool = false,
    file: StaticString = #fileID, line: UInt = #line
  ) -> (values: Tensor, indices: Tensor) {
    checkedPair("max_pool3d", at: CallSite(file, line)) { layout throws(TensorError) in
      guard dtype != .bool else { throw .dtype("\"max_pool3d\" not implemented for 'Bool'") }
      let spans = try layout.volumeSpans(kernelSize, stride ?? kernelSize, padding, dilation, ceilMode)
      return maxima(VolumeWindows(spans), rank: 3)
    }
  }

  /// The largest elements of `outputSize` windows of about equal size. Torch's `adaptive_max_pool3d`.
  public func adaptiveMaxPool3d(
    _ outputSize: Size3D, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor { adaptiveMaxPool3dWithIndices(outputSize, file: file, line: line).values }

  /// The largest elements and their positions in their volumes, as int64.
  public func adaptiveMaxPool3dWithIndices(
    _ outputSize: Size3D, file: StaticString = #fileID, line: UInt = #line
  ) -> (values: Tensor, indices: Tensor) {
    checkedPair("adaptive_max_pool3d", at: CallSite(file, line)) { layout throws(TensorError) in
      if let autocast = AutocastMethod("adaptive_max_pool3d", on: self) {
        return try autocast(self) {
          let (values, indices) = $0[0]!.adaptiveMaxPool3dWithIndices(outputSize, file: file, line: line)
          return [values, indices]
        }
      }
      try layout.checkAdaptive("adaptive_max_pool3d", outputSize, "Expected 4D or 5D tensor, but got: ")
      guard dtype.isFloatingPoint else {
        throw .dtype("\"adaptive_max_pool3d_cpu\" not implemented for '\(dtype.torchScalarName)'")
      }
      return maxima(VolumeWindows(layout.adaptiveSpans(outputSize)), rank: 3)
    }
  }

  /// The mean of every window. Torch's `avg_pool3d`.
  ///
  /// - Parameters:
  ///   - stride: From window to window; the kernel's size by default.
  ///   - padding: Planes, rows and columns of zeros on either side.
  ///   - ceilMode: A last window may hang over the edge.
  ///   - countIncludePad: The zeros count in the number that sums are divided by.
  ///   - divisorOverride: What sums are divided by, in place of the window's size.
  public func avgPool3d(
    _ kernelSize: Size3D, stride: Size3D? = nil, padding: Size3D = 0, ceilMode: Bool = false, countIncludePad: Bool = true,
    divisorOverride: Int? = nil, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("avg_pool3d", at: CallSite(file, line)) { layout throws(TensorError) in
      if let autocast = AutocastMethod("avg_pool3d", on: self) {
        return try autocast(self) {
          $0[0]!.avgPool3d(
            kernelSize, stride: stride, padding: padding, ceilMode: ceilMode, countIncludePad: countIncludePad,
            divisorOverride: divisorOverride, file: file, line: line)
        }
      }
      if let divisorOverride, divisorOverride == 0 { throw .argument("divisor must be not zero") }
      let step = stride ?? kernelSize
      let spans = try layout.volumeSpans(kernelSize, step, padding, 1, ceilMode, countsPadding: countIncludePad)
      let (size, kernel) = (Array(shape.suffix(3)), kernelSize.sizes)
      guard zip(size, kernel).allSatisfy({ $0 >= $1 }) else {
        throw .shape(
          "input image (T: \(size[0]) H: \(size[1]) W: \(size[2])) smaller than kernel size (kT: \(kernel[0]) kH: \(kernel[1]) "
            + "kW: \(kernel[2]))")
      }
      guard dtype.isFloatingPoint || dtype == .int64 else {
        throw .dtype("\"avg_pool3d_out_frame\" not implemented for '\(dtype.torchScalarName)'")
      }
      if dtype == .int64 { return wholeMeans(spans, kernelSize, step, padding, divisorOverride) }
      let means = mapped(spans.map { $0.map(isMean: divisorOverride == nil) }, from: layout.rank - 3)
      return divisorOverride.map { means / Double($0) } ?? means
    }
  }

  /// The means of `outputSize` windows of about equal size. Torch's `adaptive_avg_pool3d`.
  public func adaptiveAvgPool3d(
    _ outputSize: Size3D, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("adaptive_avg_pool3d", at: CallSite(file, line)) { layout throws(TensorError) in
      if let autocast = AutocastMethod("adaptive_avg_pool3d", on: self) {
        return try autocast(self) { $0[0]!.adaptiveAvgPool3d(outputSize, file: file, line: line) }
      }
      try layout.checkAdaptive("adaptive_avg_pool3d", outputSize, "Expected 4D or 5D tensor, but got ")
      guard dtype.isFloatingPoint else {
        throw .dtype("\"adaptive_avg_pool3d_cpu\" not implemented for '\(dtype.torchScalarName)'")
      }
      return mapped(layout.adaptiveSpans(outputSize).map { $0.map(isMean: true) }, from: layout.rank - 3)
    }
  }

  /// The largest elements of windows of the last `rank` dimensions (2 or 3), and their positions.
  func maxima(_ windows: VolumeWindows, rank: Int) -> [Tensor] {
    let lead = shape.dropLast(rank)
    let planes = lead.reduce(1, *)
    let volume = Array(shape.suffix(rank))
    let flat = reshape([planes, volume.reduce(1, *)])
    let boxes = flat.detach().reshape(Shape([planes] + (rank == 2 ? [1] : []) + volume))
    let positions = ops.volumePoolings.maxima(boxes, windows).reshape([planes, windows.counts.reduce(1, *)])
    let result = Shape(lead + windows.counts.suffix(rank))
    // Dilated windows may lie between all elements.
    let empty = positions .< 0
    let hasEmpty = windows.hasEmpty
    let used = hasEmpty ? Tensor.where(empty, .zeros([], dtype: .int64, device: device), positions) : positions
    var found = flat.gather(dim: 1, index: used)
    if hasEmpty && dtype.isFloatingPoint { found = found.maskedFill(empty, -.infinity) }
    return [found.reshape(result), positions.reshape(result)]
  }

  /// Means of integers, cut off towards 0.
  private func wholeMeans(
    _ spans: [PoolingSpans], _ kernel: Size3D, _ stride: Size3D, _ padding: Size3D, _ divisor: Int?
  ) -> Tensor {
    let (first, lead) = (ndim - 3, Array(shape.dropLast(3)))
    var amounts: [Int] = []
    var windows: [Int: SlidingWindows] = [:]
    for i in (0..<3).reversed() {
      let size = shape.at(first + i)
      let reach = (spans[i].count - 1) * stride.sizes[i] + kernel.sizes[i]
      amounts += [padding.sizes[i], reach - size - padding.sizes[i]]
      windows[first + i] = SlidingWindows(size: reach, kernel: kernel.sizes[i], stride: stride.sizes[i])
    }
    let sum = pad(amounts).windows(windows).sum(dim: [first, first + 2, first + 4])
    if let divisor { return sum.abs().floorDivide(Swift.abs(divisor)) * sum.sign() * divisor.signum() }
    var sizes = Tensor(Int64(1), device: device)
    for i in 0..<3 {
      let each = Tensor(spans[i].spans.map { Int64($0.size) }, device: device)
      sizes = sizes * each.reshape(Shape(repeating: 1, count: 3).replacing(i, with: each.count))
    }
    return sum.abs().floorDivide(sizes.expand(Shape(lead + sizes.shape))) * sum.sign()
  }
}

extension PoolingSpans {
  /// The sum or the mean of every span.
  func map(isMean: Bool) -> DimensionMap {
    let places = spans.flatMap { [$0.first, $0.end, $0.step] }
    let key = MapKey(inputSize: inputSize, places: places, sizes: isMean ? spans.map(\.size) : [])
    return DimensionMap.of(key) {
      DimensionMap(
        inputSize: inputSize,
        spans.map { span in
          Swift.stride(from: span.first, to: span.end, by: span.step).map { ($0, isMean ? 1 / span.size : 1) }
        })
    }
  }

  private struct MapKey: Hashable {
    let inputSize: Int
    let places: [Int]
    let sizes: [Double]
  }
}

extension Layout {
  /// The spans of windows of one size in the last three dimensions; throws torch's sentence if there are none.
  fileprivate func volumeSpans(
    _ kernel: Size3D, _ stride: Size3D, _ padding: Size3D, _ dilation: Size3D, _ ceilMode: Bool, countsPadding: Bool = true
  ) throws(TensorError) -> [PoolingSpans] {
    for (name, size) in [("kernel size", kernel), ("stride", stride), ("dilation", dilation)]
    where !size.sizes.allSatisfy({ $0 > 0 }) {
      throw .argument("\(name) should be greater than zero, but got \(size)")
    }
    for i in 0..<3 {
      let (pad, size, step) = (padding.sizes[i], kernel.sizes[i], dilation.sizes[i])
      guard pad >= 0 else { throw .argument("pad must be non-negative, but got pad: \(pad)") }
      guard pad <= ((size - 1) * step + 1) / 2 else {
        throw .argument(
          "pad should be at most half of effective kernel size, but got pad=\(pad), kernel_size=\(size) and dilation=\(step)")
      }
    }
    guard (rank == 4 || rank == 5) && shape.suffix(4).allSatisfy({ $0 > 0 }) else {
      throw .shape("non-empty 4D or 5D (batch mode) tensor expected for input")
    }
    let spans = (0..<3).map { i in
      PoolingSpans(
        input: shape.at(rank - 3 + i), kernel: kernel.sizes[i], stride: stride.sizes[i], padding: padding.sizes[i],
        dilation: dilation.sizes[i], ceilMode: ceilMode, countsPadding: countsPadding)
    }
    guard spans.allSatisfy({ $0.count > 0 }) else {
      let channels = shape.at(rank - 4)
      func text(_ sizes: [Int]) -> String { ([channels] + sizes).map(String.init).joined(separator: "x") }
      throw .shape(
        "Given input size: (\(text(Array(shape.suffix(3))))). Calculated output size: (\(text(spans.map(\.count)))). Output "
          + "size is too small")
    }
    return spans
  }

  fileprivate func adaptiveSpans(_ output: Size3D) -> [PoolingSpans] {
    (0..<3).map { PoolingSpans(input: shape.at(rank - 3 + $0), adaptiveOutput: output.sizes[$0]) }
  }

  fileprivate func checkAdaptive(_ name: String, _ output: Size3D, _ ranks: String) throws(TensorError) {
    guard rank == 4 || rank == 5 else { throw .shape("\(name)(): \(ranks)\(shape)") }
    for i in rank - 3..<rank where shape.at(i) == 0 {
      throw .shape(
        "\(name)(): Expected input to have non-zero size for non-batch dimensions, but input has sizes \(shape) with "
          + "dimension \(i) being empty")
    }
    guard output.sizes.allSatisfy({ $0 >= 0 }) else {
      throw .argument("\(name): elements of output_size must be greater than or equal to 0 but received \(output)")
    }
  }
}
