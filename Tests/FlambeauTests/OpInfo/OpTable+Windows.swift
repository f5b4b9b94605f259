@testable import Flambeau

/// What slides over sequences, images and volumes.
extension OpTable {
  mutating func addWindows() {
    addConvolutions()
    addMaxPoolings()
    addAveragePoolings()
    addResampling()
    addPaddings()
  }

  private mutating func addConvolutions() {
    one("nn.functional.conv1d") { c in
      let (weight, bias) = (try c.tensor("weight", 1), try c.tensorIfAny("bias", 2))
      let (stride, dilation) = (try c.size1D("stride", 3) ?? 1, try c.size1D("dilation", 5) ?? 1)
      let groups = try c.int("groups", 6, default: 1)
      if case .text(let padding)? = c.argument("padding", 4) {
        return try c.x.conv1d(
          weight, bias: bias, stride: stride, padding: padding == "same" ? .same : .valid, dilation: dilation, groups: groups)
      }
      return try c.x.conv1d(
        weight, bias: bias, stride: stride, padding: try c.size1D("padding", 4) ?? 0, dilation: dilation, groups: groups)
    }
    one("nn.functional.conv3d") { c in
      let (weight, bias) = (try c.tensor("weight", 1), try c.tensorIfAny("bias", 2))
      let (stride, dilation) = (try c.size3D("stride", 3) ?? 1, try c.size3D("dilation", 5) ?? 1)
      let groups = try c.int("groups", 6, default: 1)
      if case .text(let padding)? = c.argument("padding", 4) {
        return try c.x.conv3d(
          weight, bias: bias, stride: stride, padding: padding == "same" ? .same : .valid, dilation: dilation, groups: groups)
      }
      return try c.x.conv3d(
        weight, bias: bias, stride: stride, padding: try c.size3D("padding", 4) ?? 0, dilation: dilation, groups: groups)
    }
    one("nn.functional.conv_transpose1d") { c in
      try c.x.convTranspose1d(
        try c.tensor("weight", 1), bias: try c.tensorIfAny("bias", 2), stride: try c.size1D("stride", 3) ?? 1,
        padding: try c.size1D("padding", 4) ?? 0, outputPadding: try c.size1D("output_padding", 5) ?? 0,
        groups: try c.int("groups", 6, default: 1), dilation: try c.size1D("dilation", 7) ?? 1)
    }
    one("nn.functional.conv_transpose2d") { c in
      try c.x.convTranspose2d(
        try c.tensor("weight", 1), bias: try c.tensorIfAny("bias", 2), stride: try c.size2D("stride", 3) ?? 1,
        padding: try c.size2D("padding", 4) ?? 0, outputPadding: try c.size2D("output_padding", 5) ?? 0,
        groups: try c.int("groups", 6, default: 1), dilation: try c.size2D("dilation", 7) ?? 1)
    }
    one("nn.functional.conv_transpose3d") { c in
      try c.x.convTranspose3d(
        try c.tensor("weight", 1), bias: try c.tensorIfAny("bias", 2), stride: try c.size3D("stride", 3) ?? 1,
        padding: try c.size3D("padding", 4) ?? 0, outputPadding: try c.size3D("output_padding", 5) ?? 0,
        groups: try c.int("groups", 6, default: 1), dilation: try c.size3D("dilation", 7) ?? 1)
    }
    one("nn.functional.unfold") { c in
      guard let kernel = try c.size2D("kernel_size", 1) else { throw Unmapped(reason: "no kernel") }
      return try c.x.unfold(
        kernel, dilation: try c.size2D("dilation", 2) ?? 1, padding: try c.size2D("padding", 3) ?? 0,
        stride: try c.size2D("stride", 4) ?? 1)
    }
  }

  private mutating func addMaxPoolings() {
    several("nn.functional.max_pool1d") { c in
      let kernel = try c.kernel1D
      let pair = try c.x.maxPool1dWithIndices(
        kernel, stride: try c.size1D("stride", 2), padding: try c.size1D("padding", 3) ?? 0,
        dilation: try c.size1D("dilation", 4) ?? 1, ceilMode: try c.bool("ceil_mode", 5))
      return try c.bool("return_indices", 6) ? [pair.values, pair.indices] : [pair.values]
    }
    several("nn.functional.max_pool3d") { c in
      guard let kernel = try c.size3D("kernel_size", 1) else { throw Unmapped(reason: "no kernel") }
      let pair = try c.x.maxPool3dWithIndices(
        kernel, stride: try c.size3D("stride", 2), padding: try c.size3D("padding", 3) ?? 0,
        dilation: try c.size3D("dilation", 4) ?? 1, ceilMode: try c.bool("ceil_mode", 5))
      return try c.bool("return_indices", 6) ? [pair.values, pair.indices] : [pair.values]
    }
    several("nn.functional.adaptive_max_pool1d") { c in
      let size = try c.size1D("output_size", 1)
      guard let size else { throw Unmapped(reason: "no size") }
      let pair = try c.x.adaptiveMaxPool1dWithIndices(size)
      return try c.bool("return_indices", 2) ? [pair.values, pair.indices] : [pair.values]
    }
    several("nn.functional.adaptive_max_pool3d") { c in
      guard let size = try c.size3D("output_size", 1) else { throw Unmapped(reason: "no size") }
      let pair = try c.x.adaptiveMaxPool3dWithIndices(size)
      return try c.bool("return_indices", 2) ? [pair.values, pair.indices] : [pair.values]
    }
    for name in ["nn.functional.max_unpool1d", "nn.functional.max_unpool1d.grad"] {
      one(name) { c in
        try c.x.maxUnpool1d(
          try c.tensor("indices", 1), try c.size1D("kernel_size", 2) ?? 0, stride: try c.size1D("stride", 3),
          padding: try c.size1D("padding", 4) ?? 0, outputSize: try c.ints("output_size", 5)?.last)
      }
    }
    for name in ["nn.functional.max_unpool2d", "nn.functional.max_unpool2d.grad"] {
      one(name) { c in
        try c.x.maxUnpool2d(
          try c.tensor("indices", 1), try c.size2D("kernel_size", 2) ?? 0, stride: try c.size2D("stride", 3),
          padding: try c.size2D("padding", 4) ?? 0,
          outputSize: try c.ints("output_size", 5).map { Size2D(height: $0[$0.count - 2], width: $0[$0.count - 1]) })
      }
    }
    for name in ["nn.functional.max_unpool3d", "nn.functional.max_unpool3d.grad"] {
      one(name) { c in
        try c.x.maxUnpool3d(
          try c.tensor("indices", 1), try c.size3D("kernel_size", 2) ?? 0, stride: try c.size3D("stride", 3),
          padding: try c.size3D("padding", 4) ?? 0,
          outputSize: try c.ints("output_size", 5).map {
            Size3D(depth: $0[$0.count - 3], height: $0[$0.count - 2], width: $0[$0.count - 1])
          })
      }
    }
    several("nn.functional.fractional_max_pool2d") { c in
      guard let kernel = try c.size2D("kernel_size", 1) else { throw Unmapped(reason: "no kernel") }
      let pair = try c.x.fractionalMaxPool2dWithIndices(
        kernel, outputSize: try c.size2D("output_size"), outputRatio: try c.doubles("output_ratio"),
        randomSamples: try c.tensorIfAny("_random_samples"))
      return try c.bool("return_indices") ? [pair.values, pair.indices] : [pair.values]
    }
    several("nn.functional.fractional_max_pool3d") { c in
      guard let kernel = try c.size3D("kernel_size", 1) else { throw Unmapped(reason: "no kernel") }
      let pair = try c.x.fractionalMaxPool3dWithIndices(
        kernel, outputSize: try c.size3D("output_size"), outputRatio: try c.doubles("output_ratio"),
        randomSamples: try c.tensorIfAny("_random_samples"))
      return try c.bool("return_indices") ? [pair.values, pair.indices] : [pair.values]
    }
  }

  private mutating func addAveragePoolings() {
    one("nn.functional.avg_pool1d") { c in
      let kernel = try c.kernel1D
      return try c.x.avgPool1d(
        kernel, stride: try c.size1D("stride", 2), padding: try c.size1D("padding", 3) ?? 0,
        ceilMode: try c.bool("ceil_mode", 4), countIncludePad: try c.bool("count_include_pad", 5, default: true))
    }
    one("nn.functional.avg_pool3d") { c in
      guard let kernel = try c.size3D("kernel_size", 1) else { throw Unmapped(reason: "no kernel") }
      return try c.x.avgPool3d(
        kernel, stride: try c.size3D("stride", 2), padding: try c.size3D("padding", 3) ?? 0,
        ceilMode: try c.bool("ceil_mode", 4), countIncludePad: try c.bool("count_include_pad", 5, default: true),
        divisorOverride: try c.intIfAny("divisor_override", 6))
    }
    one("nn.functional.adaptive_avg_pool1d") { c in
      guard let size = try c.size1D("output_size", 1) else { throw Unmapped(reason: "no size") }
      return try c.x.adaptiveAvgPool1d(size)
    }
    one("nn.functional.adaptive_avg_pool3d") { c in
      guard let size = try c.size3D("output_size", 1) else { throw Unmapped(reason: "no size") }
      return try c.x.adaptiveAvgPool3d(size)
    }
  }

  private mutating func addResampling() {
    for (name, mode) in [
      ("nearest", InterpolationMode.nearest), ("nearest-exact", .nearestExact), ("linear", .linear), ("bilinear", .bilinear),
      ("bicubic", .bicubic), ("trilinear", .trilinear), ("area", .area),
    ] {
      one("nn.functional.interpolate.\(name)") { c in
        _ = try c.text("mode", 3)
        let (size, corners) = (try c.ints("size", 1), try c.boolIfAny("align_corners", 4))
        let scale = try c.doubles("scale_factor", 2)
        let (recompute, antialias) = (try c.bool("recompute_scale_factor", 5), try c.bool("antialias", 6))
        if let scale, scale.count == 1 {
          return try c.x.interpolate(
            scaleFactor: scale[0], mode: mode, alignCorners: corners, recomputeScaleFactor: recompute, antialias: antialias)
        }
        if let size, size.count == 1 {
          return try c.x.interpolate(size: size[0], mode: mode, alignCorners: corners, antialias: antialias)
        }
        return try c.x.interpolate(
          size: size, scaleFactor: scale, mode: mode, alignCorners: corners, recomputeScaleFactor: recompute, antialias: antialias
        )
      }
    }
    one("nn.functional.grid_sample") { c in
      let modes: [String: GridMode] = ["bilinear": .bilinear, "nearest": .nearest, "bicubic": .bicubic]
      let paddings: [String: GridPadding] = ["zeros": .zeros, "border": .border, "reflection": .reflection]
      return try c.x.gridSample(
        try c.tensor("grid", 1), mode: modes[try c.text("mode", 2) ?? "bilinear"]!,
        paddingMode: paddings[try c.text("padding_mode", 3) ?? "zeros"]!, alignCorners: try c.bool("align_corners", 4))
    }
  }

  private mutating func addPaddings() {
    for (name, mode) in [
      ("constant", PaddingMode.constant), ("reflect", .reflect), ("replicate", .replicate), ("replicate_negative", .replicate),
      ("circular", .circular),
    ] {
      one("nn.functional.pad.\(name)") { c in
        guard let amounts = try c.ints("pad", 1) else { throw Unmapped(reason: "no amounts") }
        _ = try c.text("mode", 2)
        return try c.x.pad(amounts, mode: mode, value: try c.double("value", 3, default: 0))
      }
    }
  }
}

extension OpCall {
  fileprivate var kernel1D: Int {
    get throws {
      guard let kernel = try size1D("kernel_size", 1) else { throw Unmapped(reason: "no kernel") }
      return kernel
    }
  }

  fileprivate func size1D(_ name: String, _ position: Int? = nil) throws -> Int? {
    guard let found = try ints(name, position) else { return nil }
    guard found.count == 1 else { throw Unmapped(reason: "\(name) has \(found.count) numbers") }
    return found[0]
  }

  fileprivate func size3D(_ name: String, _ position: Int? = nil) throws -> Size3D? {
    guard let found = try ints(name, position) else { return nil }
    guard found.count == 1 || found.count == 3 else { throw Unmapped(reason: "\(name) has \(found.count) numbers") }
    return found.count == 1 ? Size3D(found[0]) : Size3D(depth: found[0], height: found[1], width: found[2])
  }

  /// A number or a list of them.
  fileprivate func doubles(_ name: String, _ position: Int? = nil) throws -> [Double]? {
    guard case .list(let parts, _)? = argument(name, position) else { return try doubleIfAny(name, position).map { [$0] } }
    return try parts.map { part in
      switch part {
      case .int(let value): Double(value)
      case .float(let value): value
      default: throw Unmapped(reason: "\(name) has no numbers")
      }
    }
  }

  fileprivate func boolIfAny(_ name: String, _ position: Int? = nil) throws -> Bool? {
    switch argument(name, position) {
    case nil, OpArgument.none?: nil
    default: try bool(name, position)
    }
  }
}
