import CKernels

/// Pooling with windows at random places (Graham, 2014), and the way back from the largest elements.
struct FractionalPoolings: Sendable {
  let composites: [Sample] = [
    .several(
      "F.fractional_max_pool2d(a, 2, (3, 2), return_indices=True, _random_samples=b)",
      [.real([2, 2, 6, 5]), .real([2, 2, 2], 0...0.99).withoutGradient]
    ) { pair($0[0].fractionalMaxPool2dWithIndices(2, outputSize: [3, 2], randomSamples: $0[1])) },
    Sample(
      "F.fractional_max_pool2d(a, (2, 3), output_ratio=(0.6, 0.5), _random_samples=b)",
      [.real([2, 6, 7]), .real([1, 2, 2], 0...0.99).withoutGradient]
    ) { $0[0].fractionalMaxPool2d([2, 3], outputRatio: [0.6, 0.5], randomSamples: $0[1]) },
    Sample(
      "F.fractional_max_pool3d(a, 2, (2, 3, 2), _random_samples=b)",
      [.real([1, 2, 4, 5, 6]), .real([1, 2, 3], 0...0.99).withoutGradient]
    ) { $0[0].fractionalMaxPool3d(2, outputSize: [2, 3, 2], randomSamples: $0[1]) },
    Sample("F.max_unpool1d(*F.max_pool1d(a, 2, return_indices=True), 2)", [.real([2, 2, 6])]) {
      let (values, indices) = $0[0].maxPool1dWithIndices(2)
      return values.maxUnpool1d(indices, 2)
    },
    Sample("F.max_unpool2d(*F.max_pool2d(a, 2, return_indices=True), 2, output_size=(5, 7))", [.real([2, 2, 5, 7])]) {
      let (values, indices) = $0[0].maxPool2dWithIndices(2)
      return values.maxUnpool2d(indices, 2, outputSize: [5, 7])
    },
    Sample("F.max_unpool3d(*F.max_pool3d(a, 2, return_indices=True), 2)", [.real([2, 4, 4, 4])]) {
      let (values, indices) = $0[0].maxPool3dWithIndices(2)
      return values.maxUnpool3d(indices, 2)
    },
  ]
}

extension Tensor {
  /// The largest element of windows of `kernelSize` at random places, which cover the image with about equal steps. Torch's
  /// `fractional_max_pool2d`.
  ///
  /// - Parameters:
  ///   - outputSize: How many windows; or
  ///   - outputRatio: what the input's height and width are multiplied by.
  ///   - randomSamples: [n, c, 2] numbers from 0 to 1 that place the windows; drawn from the current generator if missing.
  public func fractionalMaxPool2d(
    _ kernelSize: Size2D, outputSize: Size2D? = nil, outputRatio: [Double]? = nil, randomSamples: Tensor? = nil,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    fractionalMaxPool2dWithIndices(
      kernelSize, outputSize: outputSize, outputRatio: outputRatio, randomSamples: randomSamples, file: file, line: line
    ).values
  }

  /// The largest elements and their positions in their planes, as int64.
  public func fractionalMaxPool2dWithIndices(
    _ kernelSize: Size2D, outputSize: Size2D? = nil, outputRatio: [Double]? = nil, randomSamples: Tensor? = nil,
    file: StaticString = #fileID, line: UInt = #line
  ) -> (values: Tensor, indices: Tensor) {
    fractional(
      "fractional_max_pool2d", kernelSize.sizes, outputSize?.sizes, outputRatio, randomSamples, CallSite(file, line))
  }

  /// The largest element of windows of `kernelSize` at random places, which cover the volume with about equal steps. Torch's
  /// `fractional_max_pool3d`.
  ///
  /// - Parameters:
  ///   - outputSize: How many windows; or
  ///   - outputRatio: what the input's depth, height and width are multiplied by.
  ///   - randomSamples: [n, c, 3] numbers from 0 to 1 that place the windows; drawn from the current generator if missing.
  public func fractionalMaxPool3d(
    _ kernelSize: Size3D, outputSize: Size3D? = nil, outputRatio: [Double]? = nil, randomSamples: Tensor? = nil,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    fractionalMaxPool3dWithIndices(
      kernelSize, outputSize: outputSize, outputRatio: outputRatio, randomSamples: randomSamples, file: file, line: line
    ).values
  }

  /// The largest elements and their positions in their volumes, as int64.
  public func fractionalMaxPool3dWithIndices(
    _ kernelSize: Size3D, outputSize: Size3D? = nil, outputRatio: [Double]? = nil, randomSamples: Tensor? = nil,
    file: StaticString = #fileID, line: UInt = #line
  ) -> (values: Tensor, indices: Tensor) {
    fractional(
      "fractional_max_pool3d", kernelSize.sizes, outputSize?.sizes, outputRatio, randomSamples, CallSite(file, line))
  }

  private func fractional(
    _ name: String, _ kernel: [Int], _ outputSize: [Int]?, _ ratio: [Double]?, _ samples: Tensor?, _ site: CallSite
  ) -> (values: Tensor, indices: Tensor) {
    checkedPair(name, at: site) { layout throws(TensorError) in
      let (rank, shape) = (kernel.count, layout.shape)
      guard outputSize != nil || ratio != nil else {
        throw .argument("\(name) requires specifying either an output_size or an output_ratio")
      }
      guard shape.count == rank + 1 || shape.count == rank + 2, shape.suffix(rank + 1).allSatisfy({ $0 > 0 }) else {
        throw .shape(
          "\(name)(): Expected \(rank + 1)D or \(rank + 2)D tensor with non-zero size for non-batch dimensions, but got "
            + "\(shape)")
      }
      guard dtype.isFloatingPoint else {
        throw .dtype("\"check_uniform_bounds\" not implemented for '\(dtype.torchScalarName)'")
      }
      let input = Array(shape.suffix(rank))
      if let ratio, ratio.count != rank || !ratio.allSatisfy({ $0 > 0 && $0 < 1 }) {
        throw .argument("output_ratio must be between 0 and 1 (got \(ratio))")
      }
      let output = outputSize ?? zip(input, ratio!).map { Int(Double($0) * $1) }
      for (i, what) in ["time", "height", "width"].suffix(rank).enumerated() {
        guard kernel[i] > 0, output[i] >= 0 else {
          throw .argument("kernel_size must be greater than zero and output_size not less, but got \(kernel) and \(output)")
        }
        guard output[i] + kernel[i] - 1 <= input[i] else {
          throw .shape("\(name)(): pool \(what) \(kernel[i]) too large relative to input \(what) \(input[i])")
        }
      }
      let (n, c) = (shape.count == rank + 2 ? shape.at(0) : 1, shape.at(shape.count - rank - 1))
      let draws = samples ?? .rand([n, c, rank], dtype: dtype, device: device)
      guard draws.shape == [n, c, rank] else {
        throw .shape("Expect _random_samples of shape \([n, c, rank] as Shape), got \(draws.shape)")
      }
      if let autocast = AutocastMethod(name, on: self) {
        return try autocast(self, draws) {
          let (values, indices) = $0[0]!.fractional(name, kernel, outputSize, ratio, $0[1]!, site)
          return [values, indices]
        }
      }
      // Images take their samples innermost dimension first, volumes outermost first.
      let starts = try (0..<rank).map { (i) throws(TensorError) in
        try draws.select(dim: 2, index: rank == 2 ? 1 - i : i).windowStarts(planes: n * c, input[i], output[i], kernel[i])
      }
      let single = PoolingSpans(input: 1, starts: [0], kernel: 1)
      let spans = (0..<n * c).map { plane in
        (rank == 2 ? [single] : [])
          + (0..<rank).map { PoolingSpans(input: input[$0], starts: starts[$0][plane], kernel: kernel[$0]) }
      }
      if n * c == 0 {
        let empty = Shape(shape.dropLast(rank) + output)
        return [.zeros(empty, dtype: dtype, device: device), .zeros(empty, dtype: .int64, device: device)]
      }
      return maxima(VolumeWindows(eachPlane: spans), rank: rank)
    }
  }

  /// Where `output` windows begin, for each of these samples; rounded as torch does in this dtype.
  private func windowStarts(planes count: Int, _ input: Int, _ output: Int, _ kernel: Int) throws(TensorError) -> [[Int]] {
    let last = input - kernel
    guard output > 1 else { return Array(repeating: Array(repeating: last, count: output), count: count) }
    let alpha =
      Tensor.full([], Double(last), dtype: dtype, device: .cpu) / Tensor.full([], Double(output - 1), dtype: dtype, device: .cpu)
    let starts = noGrad {
      let samples = detach().reshape([count, 1])
      let steps = Tensor.arange(output - 1, device: device).to(dtype)
      return ((samples + steps) * alpha).to(.int64) - (samples * alpha).to(.int64)
    }
    let flat = try starts.soundArray(of: Int.self)
    return (0..<count).map { Array(flat[$0 * (output - 1)..<($0 + 1) * (output - 1)]) + [last] }
  }

  /// Zeros with these elements where ``maxPool1dWithIndices(_:stride:padding:dilation:ceilMode:file:line:)`` found them.
  /// Torch's `max_unpool1d`.
  ///
  /// - Parameter outputSize: The pooled sequence's length, where several would give this one.
  public func maxUnpool1d(
    _ indices: Tensor, _ kernelSize: Int, stride: Int? = nil, padding: Int = 0, outputSize: Int? = nil,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    unpooled(
      "max_unpool1d", indices, [kernelSize], [stride ?? kernelSize], [padding], outputSize.map { [$0] }, CallSite(file, line))
  }

  /// Zeros with these elements where ``maxPool2dWithIndices(_:stride:padding:dilation:ceilMode:file:line:)`` found them.
  /// Torch's `max_unpool2d`.
  ///
  /// - Parameter outputSize: The pooled image's size, where several would give this one.
  public func maxUnpool2d(
    _ indices: Tensor, _ kernelSize: Size2D, stride: Size2D? = nil, padding: Size2D = 0, outputSize: Size2D? = nil,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    unpooled(
      "max_unpool2d", indices, kernelSize.sizes, (stride ?? kernelSize).sizes, padding.sizes, outputSize?.sizes,
      CallSite(file, line))
  }

  /// Zeros with these elements where ``maxPool3dWithIndices(_:stride:padding:dilation:ceilMode:file:line:)`` found them.
  /// Torch's `max_unpool3d`.
  ///
  /// - Parameter outputSize: The pooled volume's size, where several would give this one.
  public func maxUnpool3d(
    _ indices: Tensor, _ kernelSize: Size3D, stride: Size3D? = nil, padding: Size3D = 0, outputSize: Size3D? = nil,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    unpooled(
      "max_unpool3d", indices, kernelSize.sizes, (stride ?? kernelSize).sizes, padding.sizes, outputSize?.sizes,
      CallSite(file, line))
  }

  private func unpooled(
    _ name: String, _ indices: Tensor, _ kernel: [Int], _ stride: [Int], _ padding: [Int], _ outputSize: [Int]?,
    _ site: CallSite
  ) -> Tensor {
    checked(name, at: site) { layout throws(TensorError) in
      if let poison = indices.body.poison { return Door.poisoned(by: poison, .current) }
      if let autocast = AutocastMethod(name, on: self) {
        return try autocast(self, indices) { $0[0]!.unpooled(name, $0[1]!, kernel, stride, padding, outputSize, site) }
      }
      let (rank, shape) = (kernel.count, layout.shape)
      guard shape.count == rank + 1 || shape.count == rank + 2 else {
        throw .shape("Input to \(name) should be a \(rank + 1)d or \(rank + 2)d Tensor, but got \(shape)")
      }
      guard indices.dtype == .int64 else {
        throw .dtype("elements in indices should be type int64 but got: \(indices.dtype.torchScalarName)")
      }
      guard indices.shape == shape else {
        throw .shape(
          "Expected shape of indices to be same as that of the input tensor (\(shape)) but got indices tensor with shape: "
            + "\(indices.shape)")
      }
      let input = Array(shape.suffix(rank))
      let usual = (0..<rank).map { (input[$0] - 1) * stride[$0] + kernel[$0] - 2 * padding[$0] }
      let output = outputSize ?? usual
      for i in 0..<rank {
        let (low, high) = (usual[i] - stride[i], usual[i] + stride[i])
        guard output[i] > low, output[i] < high || outputSize == nil else {
          let list = output.map(String.init).joined(separator: ", ")
          throw .argument("invalid output_size \"(\(list))\" (dim \(i) must be between \(low) and \(high))")
        }
      }
      let (planes, volume) = (shape.dropLast(rank).reduce(1, *), output.reduce(1, *))
      try indices.checkPositions(below: volume, in: name) {
        "Found an invalid max index\($0) (output volumes are of size \(output.map(String.init).joined(separator: "x"))"
      }
      let each = input.reduce(1, *)
      return reshape([planes, each]).placed(in: [planes, volume], dim: 1, at: indices.reshape([planes, each]))
        .reshape(Shape(shape.dropLast(rank) + output))
    }
  }
}

extension PoolingSpans {
  /// Windows of one size that begin at `starts`.
  init(input: Int, starts: [Int], kernel: Int) {
    self.init(input: input, spans: starts.map { fb_span(first: $0, end: $0 + kernel, step: 1, size: Double(kernel)) })
  }
}
