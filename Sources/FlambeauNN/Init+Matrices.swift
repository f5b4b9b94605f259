import Flambeau

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension Init {
  /// Fills a matrix with ones on its diagonal and zeros beside: a linear layer that changes nothing. Torch's `nn.init.eye_`.
  @discardableResult
  public static func eye_(_ tensor: Tensor, file: StaticString = #fileID, line: UInt = #line) -> Tensor {
    guard isMatrix(tensor, "eye_", file, line) else { return tensor }
    return noGrad { tensor.copy_(.eye(tensor.shape[0], tensor.shape[1], dtype: tensor.dtype, device: tensor.device)) }
  }

  /// Fills a convolution's weight [out, in, kernel…] so that as many channels as possible come out as they went in, in each of `groups` groups.
  /// Torch's `nn.init.dirac_`.
  @discardableResult
  public static func dirac_(
    _ tensor: Tensor, groups: Int = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    if Context.current.isFailed { return tensor }
    guard (3...5).contains(tensor.ndim) else {
      return refuse(tensor, "Only tensors with 3, 4, or 5 dimensions are supported", "dirac_", file, line)
    }
    guard groups > 0 && tensor.shape[0] % groups == 0 else {
      return refuse(tensor, "dim 0 must be divisible by groups", "dirac_", file, line)
    }
    return noGrad {
      tensor.zero_()
      if tensor.count == 0 { return tensor }
      let channels = tensor.shape[0] / groups
      let passed = Swift.min(channels, tensor.shape[1])
      let one = Tensor.eye(passed, dtype: tensor.dtype, device: tensor.device)
      for group in 0..<groups {
        var centre = tensor.narrow(0, start: group * channels, length: passed).narrow(1, start: 0, length: passed)
        for size in tensor.shape.dropFirst(2) { centre = centre.select(dim: 2, index: size / 2) }
        centre.copy_(one)
      }
      return tensor
    }
  }

  /// Fills a matrix with draws from a normal distribution, and the share `sparsity` of each column, rounded up, with zeros (Martens, 2010).
  /// Torch's `nn.init.sparse_`.
  @discardableResult
  public static func sparse_(
    _ tensor: Tensor, sparsity: Double, std: Double = 0.01, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    guard isMatrix(tensor, "sparse_", file, line) else { return tensor }
    guard 0...1 ~= sparsity else {
      return refuse(tensor, "sparsity must be between 0 and 1, but got \(sparsity)", "sparse_", file, line)
    }
    let (rows, columns) = (tensor.shape[0], tensor.shape[1])
    let zeros = Int((sparsity * Double(rows)).rounded(.up))
    normal_(tensor, std: std, file: file, line: line)
    var isZero = Array(repeating: false, count: rows * columns)
    for column in 0..<columns {
      for row in Generator.current.permutation(rows).prefix(zeros) { isZero[row * columns + column] = true }
    }
    return noGrad { tensor.maskedFill_(Tensor(isZero, shape: [rows, columns]).to(tensor.device), 0) }
  }

  /// Fills with a random matrix [first dimension, all others] whose rows, or columns if there are fewer, are perpendicular and of length `gain`
  /// (Saxe et al., 2013). Torch's `nn.init.orthogonal_`: the same draws.
  @discardableResult
  public static func orthogonal_(
    _ tensor: Tensor, gain: Double = 1, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    if Context.current.isFailed { return tensor }
    guard tensor.ndim >= 2 else {
      return refuse(tensor, "Only tensors with 2 or more dimensions are supported", "orthogonal_", file, line)
    }
    if tensor.count == 0 { return tensor }
    let (rows, columns) = (tensor.shape[0], tensor.count / tensor.shape[0])
    return noGrad {
      let drawn = Tensor.empty([rows, columns], dtype: tensor.dtype, device: tensor.device)
      let matrix = normal_(drawn, file: file, line: line).to(.cpu, dtype: .float64)
      // Columns that were nearly dependent are not quite perpendicular after the first time.
      let columnwise = perpendicular(perpendicular(rows < columns ? matrix.T : matrix))
      let result = rows < columns ? columnwise.T : columnwise
      return tensor.copy_(result.reshape(tensor.shape).to(tensor.device, dtype: tensor.dtype)).mul_(gain)
    }
  }

  /// The columns, made perpendicular and of length 1 one after the other (Gram and Schmidt), half of them at a time: what a QR
  /// decomposition with a positive diagonal gives.
  private static func perpendicular(_ matrix: Tensor) -> Tensor {
    let columns = matrix.shape[1]
    if columns == 1 { return matrix / matrix.square().sum().sqrt() }
    let half = columns / 2
    let left = perpendicular(matrix.narrow(1, start: 0, length: half))
    var right = matrix.narrow(1, start: half, length: columns - half)
    for _ in 0..<2 { right = right - left.mm(left.T.mm(right)) }
    return .cat([left, perpendicular(right)], dim: 1)
  }

  private static func isMatrix(_ tensor: Tensor, _ operation: String, _ file: StaticString, _ line: UInt) -> Bool {
    if Context.current.isFailed { return false }
    if tensor.ndim != 2 { _ = refuse(tensor, "Only tensors with 2 dimensions are supported", operation, file, line) }
    return tensor.ndim == 2
  }

  private static func refuse(
    _ tensor: Tensor, _ problem: String, _ operation: String, _ file: StaticString, _ line: UInt
  ) -> Tensor {
    Door.fail(TensorError(.shape, problem), in: operation, file: file, line: line)
    return tensor
  }
}
