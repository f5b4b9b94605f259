struct DimensionMapArguments: Sendable {
  let dim: Int
  let map: DimensionMap
  /// Of bytes: the weights are whole numbers, in units of 2⁻ᵇⁱᵗˢ.
  var bits: Int?
}

/// Images of another size.
struct Interpolations: Sendable {
  /// A map along a dimension of float32 or float64, or of bytes, which have no gradient.
  let map: Operator<DimensionMapArguments> = Operator(
    "interpolate",
    forward: { (operands, at) throws(TensorError) in
      let x = try operands[0]!.body.contiguousBody()
      let shape = x.layout.shape
      let result = try Value(Layout(shape.replacing(at.dim, with: at.map.outputSize)), x.dtype, on: x.device)
      let (outer, inner) = (shape.prefix(at.dim).reduce(1, *), shape.dropFirst(at.dim + 1).reduce(1, *))
      try at.map.run(
        x.elements(x.layout.viewed(as: [outer, at.map.inputSize, inner])!),
        into: result.elements(Layout([outer, at.map.outputSize, inner])),
        bits: at.bits)
      withExtendedLifetime(x) {}
      return result
    },
    backward: { (call, gradient) throws(TensorError) in
      let at = call.attributes
      return Few(ops.interpolations.map(gradient, DimensionMapArguments(dim: at.dim, map: at.map.transposed)))
    },
    samples: [
      Sample("F.interpolate(a, 7)", [.real([2, 2, 5])]) { $0[0].interpolate(size: [7]) },
      Sample("F.interpolate(a, scale_factor=(1.7, 0.6))", [.real([1, 2, 4, 5])]) { $0[0].interpolate(scaleFactor: [1.7, 0.6]) },
      Sample("F.interpolate(a, (3, 4, 5))", [.real([1, 2, 2, 3, 4])]) { $0[0].interpolate(size: [3, 4, 5]) },
      Sample("F.interpolate(a, 8, mode='nearest-exact')", [.real([2, 2, 5])]) {
        $0[0].interpolate(size: [8], mode: .nearestExact)
      },
      Sample("F.interpolate(a, (3, 7), mode='nearest-exact')", [.real([1, 2, 4, 3])]) {
        $0[0].interpolate(size: [3, 7], mode: .nearestExact)
      },
      Sample("F.interpolate(a, 7, mode='linear')", [.real([2, 2, 5])]) { $0[0].interpolate(size: [7], mode: .linear) },
      Sample("F.interpolate(a, 3, mode='linear', align_corners=True)", [.real([2, 2, 5])]) {
        $0[0].interpolate(size: [3], mode: .linear, alignCorners: true)
      },
      Sample("F.interpolate(a, (5, 7), mode='bilinear')", [.real([2, 2, 3, 4])]) {
        $0[0].interpolate(size: [5, 7], mode: .bilinear)
      },
      Sample("F.interpolate(a, scale_factor=1.6, mode='bilinear')", [.real([1, 2, 4, 3])]) {
        $0[0].interpolate(scaleFactor: [1.6, 1.6], mode: .bilinear)
      },
      Sample("F.interpolate(a, scale_factor=1.6, mode='bilinear', recompute_scale_factor=True)", [.real([1, 2, 4, 3])]) {
        $0[0].interpolate(scaleFactor: [1.6, 1.6], mode: .bilinear, recomputeScaleFactor: true)
      },
      Sample("F.interpolate(a, (5, 4), mode='bilinear', align_corners=True)", [.real([1, 2, 3, 7])]) {
        $0[0].interpolate(size: [5, 4], mode: .bilinear, alignCorners: true)
      },
      Sample("F.interpolate(a, (6, 3), mode='bicubic')", [.real([1, 2, 4, 5])]) {
        $0[0].interpolate(size: [6, 3], mode: .bicubic)
      },
      Sample("F.interpolate(a, (7, 5), mode='bicubic', align_corners=True)", [.real([1, 1, 4, 3])]) {
        $0[0].interpolate(size: [7, 5], mode: .bicubic, alignCorners: true)
      },
      Sample("F.interpolate(a, (3, 4, 5), mode='trilinear')", [.real([1, 2, 2, 3, 3])]) {
        $0[0].interpolate(size: [3, 4, 5], mode: .trilinear)
      },
      Sample("F.interpolate(a, (3, 2, 5), mode='trilinear', align_corners=True)", [.real([1, 2, 2, 3, 3])]) {
        $0[0].interpolate(size: [3, 2, 5], mode: .trilinear, alignCorners: true)
      },
      Sample("F.interpolate(a, 3, mode='area')", [.real([2, 2, 5])]) { $0[0].interpolate(size: [3], mode: .area) },
      Sample("F.interpolate(a, (3, 7), mode='area')", [.real([2, 2, 5, 4])]) { $0[0].interpolate(size: [3, 7], mode: .area) },
      Sample("F.interpolate(a, (3, 7), mode='bilinear', antialias=True)", [.real([1, 2, 8, 4])]) {
        $0[0].interpolate(size: [3, 7], mode: .bilinear, antialias: true)
      },
      Sample("F.interpolate(a, (3, 4), mode='bicubic', antialias=True)", [.real([1, 1, 7, 9])]) {
        $0[0].interpolate(size: [3, 4], mode: .bicubic, antialias: true)
      },
      Sample("F.interpolate(a, (3, 4), mode='bilinear', antialias=True, align_corners=True)", [.real([1, 1, 7, 9])]) {
        $0[0].interpolate(size: [3, 4], mode: .bilinear, alignCorners: true, antialias: true)
      },
    ]
  ).onGPU()
}

/// How elements between elements are found.
public enum InterpolationMode: Sendable, Hashable {
  /// The element before, as old releases of torch round.
  case nearest
  /// The nearest element.
  case nearestExact
  /// Along sequences [n, c, l].
  case linear
  /// In images [n, c, h, w].
  case bilinear
  /// In images [n, c, h, w], with continuous slopes.
  case bicubic
  /// In volumes [n, c, d, h, w].
  case trilinear
  /// The means of windows of about equal size.
  case area

  /// Torch's name.
  var name: String {
    switch self {
    case .nearestExact: "nearest-exact"
    default: "\(self)"
    }
  }

  /// The number of dimensions of what it works on; nil for any.
  fileprivate var rank: Int? {
    switch self {
    case .linear: 3
    case .bilinear, .bicubic: 4
    case .trilinear: 5
    default: nil
    }
  }

  fileprivate func rule(antialias: Bool) -> ResamplingRule {
    switch self {
    case .nearest: .nearest(exact: false)
    case .nearestExact: .nearest(exact: true)
    case .linear, .bilinear, .trilinear: antialias ? .smooth(.linear) : .taps(.linear)
    case .bicubic: antialias ? .smooth(.cubic) : .taps(.cubic)
    case .area: .area
    }
  }
}

extension Tensor {
  /// Sequences [n, c, l], images [n, c, h, w] or volumes [n, c, d, h, w] in another size. Torch's `interpolate`.
  ///
  /// - Parameters:
  ///   - size: The output's, one for each dimension after the channels; or
  ///   - scaleFactor: what the input's is multiplied by, rounded down.
  ///   - alignCorners: The first and last elements of input and output lie on each other, rather than their outer edges.
  ///     False by default; only for modes with slopes.
  ///   - recomputeScaleFactor: Elements are placed by the sizes, not by `scaleFactor`.
  ///   - antialias: Shrinking averages what lies under an output. Only for `.bilinear` and `.bicubic`.
  public func interpolate(
    size: [Int]? = nil, scaleFactor: [Double]? = nil, mode: InterpolationMode = .nearest, alignCorners: Bool? = nil,
    recomputeScaleFactor: Bool = false, antialias: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("interpolate", at: CallSite(file, line)) { layout throws(TensorError) in
      if mode != .area, let autocast = AutocastMethod("interpolate", on: self) {
        return try autocast(self) {
          $0[0]!.interpolate(
            size: size, scaleFactor: scaleFactor, mode: mode, alignCorners: alignCorners,
            recomputeScaleFactor: recomputeScaleFactor, antialias: antialias, file: file, line: line)
        }
      }
      let shape = layout.shape
      try checkInterpolation(shape, size, scaleFactor, mode, alignCorners, antialias)
      let sizes = size ?? scaleFactor!.enumerated().map { Int((Double(shape.at($0 + 2)) * $1).rounded(.down)) }
      let axes = ["D", "H", "W"].suffix(shape.count - 2)
      guard zip(sizes, shape.dropFirst(2)).allSatisfy({ $0 > 0 && $1 > 0 }) else {
        func text(_ sizes: [Int]) -> String { zip(axes, sizes).map { "\($0): \($1)" }.joined(separator: ", ") }
        throw .shape(
          "Input and output sizes should be greater than 0, but got input (\(text(Array(shape.dropFirst(2))))) and output "
            + "(\(text(sizes)))")
      }
      let factors = recomputeScaleFactor || mode == .area ? nil : scaleFactor
      let isBytes = dtype == .uint8 && (mode == .bilinear || mode == .bicubic)
      let maps = sizes.enumerated().map { (i, size) in
        Resampling(
          input: shape.at(i + 2), output: size, factor: factors?[i], alignCorners: alignCorners ?? false,
          isFine: isBytes || dtype == .float64
        ).map(mode.rule(antialias: antialias))
      }
      if isBytes { return mappedBytes(maps) }
      return mapped(maps, from: 2)
    }
  }

  /// ``interpolate(size:scaleFactor:mode:alignCorners:recomputeScaleFactor:antialias:file:line:)`` to one size in all
  /// dimensions.
  public func interpolate(
    size: Int, mode: InterpolationMode = .nearest, alignCorners: Bool? = nil, antialias: Bool = false,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    interpolate(
      size: Array(repeating: size, count: Swift.max(ndim - 2, 1)), mode: mode, alignCorners: alignCorners,
      antialias: antialias, file: file, line: line)
  }

  /// ``interpolate(size:scaleFactor:mode:alignCorners:recomputeScaleFactor:antialias:file:line:)`` by one factor in all
  /// dimensions.
  public func interpolate(
    scaleFactor: Double, mode: InterpolationMode = .nearest, alignCorners: Bool? = nil, recomputeScaleFactor: Bool = false,
    antialias: Bool = false, file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    interpolate(
      scaleFactor: Array(repeating: scaleFactor, count: Swift.max(ndim - 2, 1)), mode: mode, alignCorners: alignCorners,
      recomputeScaleFactor: recomputeScaleFactor, antialias: antialias, file: file, line: line)
  }

  /// The maps applied to the dimensions from `dim` on, computed in float32 or float64.
  func mapped(_ maps: [DimensionMap?], from dim: Int) -> Tensor {
    var result = to(dtype == .float64 ? .float64 : .float32)
    for (i, map) in maps.enumerated().reversed() {
      if let map { result = ops.interpolations.map(result, DimensionMapArguments(dim: dim + i, map: map)) }
    }
    return result.to(dtype)
  }

  /// Bytes, with weights of 16 bits and rounding after every dimension, as torch does it.
  private func mappedBytes(_ maps: [DimensionMap]) -> Tensor {
    let changed = maps.enumerated().reversed().filter { $1.inputSize != $1.outputSize }
    if changed.isEmpty { return clone() }
    return changed.reduce(self) { result, change in
      let (whole, bits) = change.element.inWholeNumbers
      return ops.interpolations.map(result, DimensionMapArguments(dim: change.offset + 2, map: whole, bits: bits))
    }
  }

  private func checkInterpolation(
    _ shape: Shape, _ size: [Int]?, _ scaleFactor: [Double]?, _ mode: InterpolationMode, _ alignCorners: Bool?,
    _ antialias: Bool
  ) throws(TensorError) {
    if alignCorners != nil && [.nearest, .nearestExact, .area].contains(mode) {
      throw .argument(
        "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear")
    }
    guard (3...5).contains(shape.count) else {
      throw .shape(
        "Input Error: Only 3D, 4D and 5D input Tensors supported (got \(shape.count)D) for the modes: nearest | linear | "
          + "bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got \(mode.name))")
    }
    let spatial = Array(shape.dropFirst(2))
    switch (size, scaleFactor) {
    case (nil, nil): throw .argument("either size or scale_factor should be defined")
    case (_?, _?): throw .argument("only one of size or scale_factor should be defined")
    case (let size?, _) where size.count != spatial.count:
      throw .argument(
        "Input and output must have the same number of spatial dimensions, but got input with spatial dimensions of "
          + "\(spatial) and output size of \(size)")
    case (_, let factor?) where factor.count != spatial.count:
      throw .argument(
        "Input and scale_factor must have the same number of spatial dimensions, but got input with spatial dimensions of "
          + "\(spatial) and scale_factor of shape \(factor)")
    default: break
    }
    if antialias && !((mode == .bilinear || mode == .bicubic) && shape.count == 4) {
      throw .argument(
        "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input")
    }
    if let rank = mode.rank, rank != shape.count {
      throw .shape("Got \(shape.count)D input, but \(mode.name) mode needs \(rank)D input")
    }
  }
}
