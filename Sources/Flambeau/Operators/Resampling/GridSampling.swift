/// What lies outside of what a grid samples.
public enum GridPadding: Sendable, Hashable {
  /// Points outside read 0 (torch: "zeros").
  case zeros
  /// The edge again and again.
  case border
  /// The image, mirrored at its edges.
  case reflection
}

/// How ``Tensor/gridSample(_:mode:paddingMode:alignCorners:file:line:)`` finds what lies between elements.
public enum GridMode: Sendable, Hashable {
  /// Between the two neighbours in every dimension.
  case bilinear
  /// The nearest element (torch: "nearest").
  case nearest
  /// Between the four neighbours; images only.
  case bicubic
}

/// Images sampled at any places.
struct GridSampling: Sendable {
  private static let images: [SampleOperand] = [.real([2, 2, 4, 5]), .real([2, 3, 2, 2], -1.3...1.3)]
  private static let volumes: [SampleOperand] = [.real([1, 2, 3, 4, 3]), .real([1, 2, 2, 2, 3], -1.3...1.3)]

  // Torch samples half types in their own precision, where a place may be off by an element.
  let composites: [Sample] = [
    Sample("F.grid_sample(a, b, align_corners=False)", GridSampling.images) { $0[0].gridSample($0[1]) },
    Sample("F.grid_sample(a, b, align_corners=True)", GridSampling.images) {
      $0[0].gridSample($0[1], alignCorners: true)
    },
    Sample("F.grid_sample(a, b, padding_mode='border', align_corners=False)", GridSampling.images) {
      $0[0].gridSample($0[1], paddingMode: .border)
    },
    Sample("F.grid_sample(a, b * 2, padding_mode='reflection', align_corners=False)", GridSampling.images) {
      $0[0].gridSample($0[1] * 2, paddingMode: .reflection)
    },
    Sample("F.grid_sample(a, b * 2, padding_mode='reflection', align_corners=True)", GridSampling.images) {
      $0[0].gridSample($0[1] * 2, paddingMode: .reflection, alignCorners: true)
    },
    Sample("F.grid_sample(a, b, mode='nearest', align_corners=False)", GridSampling.images) {
      $0[0].gridSample($0[1], mode: .nearest)
    },
    Sample(
      "F.grid_sample(a, b, mode='nearest', padding_mode='border', align_corners=True)", GridSampling.images
    ) {
      $0[0].gridSample($0[1], mode: .nearest, paddingMode: .border, alignCorners: true)
    },
    Sample("F.grid_sample(a, b, mode='bicubic', align_corners=False)", GridSampling.images) {
      $0[0].gridSample($0[1], mode: .bicubic)
    },
    Sample(
      "F.grid_sample(a, b, mode='bicubic', padding_mode='reflection', align_corners=True)", GridSampling.images
    ) {
      $0[0].gridSample($0[1], mode: .bicubic, paddingMode: .reflection, alignCorners: true)
    },
    Sample("F.grid_sample(a, b, align_corners=False)", GridSampling.volumes) { $0[0].gridSample($0[1]) },
    Sample("F.grid_sample(a, b, padding_mode='border', align_corners=True)", GridSampling.volumes) {
      $0[0].gridSample($0[1], paddingMode: .border, alignCorners: true)
    },
    Sample(
      "F.grid_sample(a, b, mode='nearest', padding_mode='reflection', align_corners=False)",
      GridSampling.volumes
    ) {
      $0[0].gridSample($0[1], mode: .nearest, paddingMode: .reflection)
    },
    Sample("F.affine_grid(a, (2, 3, 4, 5), align_corners=False)", [.real([2, 2, 3])]) {
      .affineGrid($0[0], [2, 3, 4, 5])
    },
    Sample("F.affine_grid(a, (1, 3, 2, 4, 5), align_corners=True)", [.real([1, 3, 4])]) {
      .affineGrid($0[0], [1, 3, 2, 4, 5], alignCorners: true)
    },
  ].map(\.widened)
}

/// A dimension that is sampled.
private struct GridAxis {
  let size: Int
  let padding: GridPadding
  let alignCorners: Bool

  /// From −1 … 1 to elements.
  func place(_ x: Tensor) -> Tensor {
    alignCorners ? (x + 1) * (Double(size - 1) / 2) : (x + 1) * (Double(size) / 2) - 0.5
  }

  /// Within the elements, unless zeros lie outside.
  func held(_ x: Tensor) -> Tensor {
    switch padding {
    case .zeros: return x
    case .border: return clipped(x)
    case .reflection:
      let (low, span) = alignCorners ? (0.0, Double(size - 1)) : (-0.5, Double(size))
      if span == 0 { return x * 0 }
      let distance = (x - low).abs()
      let flips = (distance / span).floor().detach()
      let extra = distance - flips * span
      let turned = Tensor.where(flips.remainder(2) .== 0, extra + low, span - extra + low)
      return clipped(turned)
    }
  }

  /// Held between the outermost elements, where the gradient ends, as torch has it.
  private func clipped(_ x: Tensor) -> Tensor {
    let last = Double(size - 1)
    return .where((x .> 0).logicalAnd(x .< last), x, x.detach().clamp(min: 0, max: last))
  }

  /// Whether whole positions are elements.
  func contains(_ x: Tensor) -> Tensor { (x .>= 0).logicalAnd(x .< Double(size)) }
}

extension Tensor {
  /// Images [n, c, h, w] or volumes [n, c, d, h, w] at the places of `grid`, whose last dimension is (x, y) or (x, y, z) from
  /// −1 to 1. Torch's `grid_sample`.
  ///
  /// - Parameters:
  ///   - grid: [n, h′, w′, 2] or [n, d′, h′, w′, 3], of this dtype.
  ///   - alignCorners: ±1 are the centres of the outermost elements, rather than their outer edges.
  /// - Returns: [n, c, h′, w′] or [n, c, d′, h′, w′].
  public func gridSample(
    _ grid: Tensor, mode: GridMode = .bilinear, paddingMode: GridPadding = .zeros, alignCorners: Bool = false,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("grid_sampler", at: CallSite(file, line)) { layout throws(TensorError) in
      if let poison = grid.body.poison { return Door.poisoned(by: poison, .current) }
      if let autocast = AutocastMethod("grid_sampler", on: self) {
        return try autocast(self, grid) {
          $0[0]!.gridSample(
            $0[1]!, mode: mode, paddingMode: paddingMode, alignCorners: alignCorners, file: file, line: line)
        }
      }
      try checkGrid(layout.shape, grid, mode)
      if dtype.isHalf {
        return to(.float32).gridSample(grid.to(.float32), mode: mode, paddingMode: paddingMode, alignCorners: alignCorners)
          .to(dtype)
      }
      let rank = layout.rank - 2
      let (n, c) = (layout.shape.at(0), layout.shape.at(1))
      let axes = (0..<rank).map {
        GridAxis(size: layout.shape.at($0 + 2), padding: paddingMode, alignCorners: alignCorners)
      }
      // The grid's last dimension counts from the innermost one.
      let places = (0..<rank).map { axes[$0].place(grid.select(dim: -1, index: rank - 1 - $0)) }
      let points = grid.shape.dropFirst().dropLast().reduce(1, *)
      let flat = reshape([n, c, axes.map(\.size).reduce(1, *)])
      let taps = zip(axes, places).map { axis, place in axis.taps(mode, place) }
      var result: Tensor?
      for choice in taps.dropFirst().reduce(
        taps[0].map { [$0] }, { lists, next in lists.flatMap { list in next.map { list + [$0] } } })
      {
        var index = Tensor.zeros([], dtype: .int64, device: device)
        var weight: Tensor?
        for (axis, tap) in zip(axes, choice) {
          let inside = axis.contains(tap.position)
          index = index * axis.size + Tensor.where(inside, tap.position.detach(), 0).to(.int64)
          let share = tap.weight.map { .where(inside, $0, 0) } ?? inside.to(dtype)
          weight = weight.map { $0 * share } ?? share
        }
        let values = flat.gather(dim: 2, index: index.reshape([n, 1, points]).expand([n, c, points]))
        let term = values * weight!.reshape([n, 1, points])
        result = result.map { $0 + term } ?? term
      }
      return result!.reshape(Shape([n, c] + grid.shape.dropFirst().dropLast()))
    }
  }

  private func checkGrid(_ shape: Shape, _ grid: Tensor, _ mode: GridMode) throws(TensorError) {
    let name = "grid_sampler()"
    guard dtype == grid.dtype else {
      throw .dtype(
        "\(name): expected input and grid to have the same dtype, but input has \(dtype) and grid has \(grid.dtype)")
    }
    guard shape.count > 2, grid.ndim > 2, shape.at(0) == grid.shape.at(0) else {
      throw .shape(
        "\(name): expected grid and input to have same batch size, but got input with sizes \(shape) and grid with sizes "
          + "\(grid.shape)")
    }
    guard grid.shape[-1] == shape.count - 2 else {
      throw .shape(
        "\(name): expected grid to have size \(shape.count - 2) in last dimension, but got grid with sizes \(grid.shape)")
    }
    for i in 2..<shape.count where shape.at(i) == 0 {
      throw .shape(
        "\(name): expected input to have non-empty spatial dimensions, but input has sizes \(shape) with dimension \(i) "
          + "being empty")
    }
    guard shape.count == 4 || shape.count == 5, shape.count == grid.ndim else {
      throw .shape(
        "\(name): expected 4D or 5D input and grid with same number of dimensions, but got input with sizes \(shape) and "
          + "grid with sizes \(grid.shape)")
    }
    guard mode != .bicubic || shape.count == 4 else {
      throw .shape("\(name): bicubic interpolation only supports 4D input")
    }
    guard dtype.isFloatingPoint else {
      let kernel = shape.count == 4 ? "grid_sampler_2d_cpu_kernel_impl" : "grid_sampler3d_cpu"
      throw .dtype("\"\(kernel)\" not implemented for '\(dtype.torchScalarName)'")
    }
  }

  /// The places of `size` ([n, c, h, w] or [n, c, d, h, w]) under affine maps, for
  /// ``gridSample(_:mode:paddingMode:alignCorners:file:line:)``. Torch's `affine_grid`.
  ///
  /// - Parameter theta: [n, 2, 3] or [n, 3, 4].
  public static func affineGrid(
    _ theta: Tensor, _ size: Shape, alignCorners: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    theta.checked("affine_grid", at: CallSite(file, line)) { layout throws(TensorError) in
      if let autocast = AutocastMethod("affine_grid", on: theta) {
        return try autocast(theta) { affineGrid($0[0]!, size, alignCorners: alignCorners, file: file, line: line) }
      }
      guard theta.dtype.isFloatingPoint else {
        throw .dtype("Expected theta to have floating point type, but got torch.\(theta.dtype)")
      }
      let text = "(\(size.map(String.init).joined(separator: ", ")))"
      guard size.count == 4 || size.count == 5 else {
        throw .shape(
          "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size \(text).")
      }
      let rank = size.count - 2
      guard layout.shape == [size.at(0), rank, rank + 1] else {
        throw .shape(
          "Expected a batch of \(rank)D affine matrices of shape Nx\(rank)x\(rank + 1) for size \(text). Got "
            + "torch.Size(\(layout.shape)).")
      }
      guard size.allSatisfy({ $0 > 0 }) else {
        throw .shape("Expected non-zero, positive output size. Got \(text)")
      }
      let sizes = Array(size.dropFirst(2))
      var columns: [Tensor] = []
      for axis in (0..<rank).reversed() {
        let count = sizes[axis]
        var steps =
          count > 1
          ? Tensor.linspace(-1, 1, steps: count, dtype: theta.dtype, device: theta.device)
          : .zeros([count], dtype: theta.dtype, device: theta.device)
        if !alignCorners { steps = steps * (Double(count - 1) / Double(count)) }
        var shape = Shape(repeating: 1, count: rank)
        shape.at(axis, put: count)
        columns.append(steps.reshape(shape).expand(Shape(sizes)))
      }
      columns.append(.ones(Shape(sizes), dtype: theta.dtype, device: theta.device))
      let base = Tensor.stack(columns, dim: -1).reshape([1, sizes.reduce(1, *), rank + 1])
      return base.matmul(theta.transpose(1, 2)).reshape(Shape([size.at(0)] + sizes + [rank]))
    }
  }
}

extension GridAxis {
  /// Whole positions and what each counts; nil for all.
  func taps(_ mode: GridMode, _ place: Tensor) -> [(position: Tensor, weight: Tensor?)] {
    switch mode {
    case .nearest: return [(held(place).detach().round(), nil)]
    case .bilinear:
      let x = held(place)
      let first = x.detach().floor()
      let t = x - first
      return [(first, 1 - t), (first + 1, t)]
    case .bicubic:
      let first = place.detach().floor()
      let t = place - first
      let weights = [far(t + 1), near(t), near(1 - t), far(2 - t)]
      return weights.enumerated().map { (held(first + Double($0 - 1)), $1) }
    }
  }

  // The weight at a distance up to 1, and up to 2 (Keys, 1981), with a = −0.75.
  private func near(_ x: Tensor) -> Tensor { (x * 1.25 - 2.25) * x * x + 1 }
  private func far(_ x: Tensor) -> Tensor { ((x * -0.75 + 3.75) * x - 6) * x + 3 }
}
