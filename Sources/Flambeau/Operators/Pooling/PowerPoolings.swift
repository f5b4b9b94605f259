/// Pooling by the norm of every window.
struct PowerPoolings: Sendable {
  let composites: [Sample] = [
    Sample("F.lp_pool1d(a, 2, 3, 2)", [.real([2, 3, 7], 0.2...2)]) { $0[0].lpPool1d(2, 3, stride: 2) },
    Sample("F.lp_pool2d(a, 3, (2, 3), ceil_mode=True)", [.real([2, 2, 5, 7], 0.2...2)]) {
      $0[0].lpPool2d(3, [2, 3], ceilMode: true)
    },
    Sample("F.lp_pool3d(a, 2, 2)", [.real([1, 2, 4, 5, 4], 0.2...2)]) { $0[0].lpPool3d(2, 2) },
  ]
}

extension Tensor {
  /// (Σ xᵖ)^(1/p) of every window of sequences, for p = `normType`. Torch's `lp_pool1d`.
  ///
  /// - Parameter stride: From window to window; the kernel's size by default.
  public func lpPool1d(
    _ normType: Double, _ kernelSize: Int, stride: Int? = nil, ceilMode: Bool = false, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    powers(normType).avgPool1d(kernelSize, stride: stride, ceilMode: ceilMode, file: file, line: line)
      .root(normType, kernelSize)
  }

  /// (Σ xᵖ)^(1/p) of every window of images, for p = `normType`. Torch's `lp_pool2d`.
  ///
  /// - Parameter stride: From window to window; the kernel's size by default.
  public func lpPool2d(
    _ normType: Double, _ kernelSize: Size2D, stride: Size2D? = nil, ceilMode: Bool = false, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    powers(normType).avgPool2d(kernelSize, stride: stride, ceilMode: ceilMode, file: file, line: line)
      .root(normType, kernelSize.area)
  }

  /// (Σ xᵖ)^(1/p) of every window of volumes, for p = `normType`. Torch's `lp_pool3d`.
  ///
  /// - Parameter stride: From window to window; the kernel's size by default.
  public func lpPool3d(
    _ normType: Double, _ kernelSize: Size3D, stride: Size3D? = nil, ceilMode: Bool = false, file: StaticString = #fileID,
    line: UInt = #line
  ) -> Tensor {
    powers(normType).avgPool3d(kernelSize, stride: stride, ceilMode: ceilMode, file: file, line: line)
      .root(normType, kernelSize.sizes.reduce(1, *))
  }

  private func powers(_ p: Double) -> Tensor {
    Int(exactly: p).map { self.pow($0) } ?? self.pow(p)
  }

  /// The root of the mean of powers times their number.
  private func root(_ p: Double, _ count: Int) -> Tensor {
    ((sign() * abs().relu()) * count).pow(1 / p)
  }
}
