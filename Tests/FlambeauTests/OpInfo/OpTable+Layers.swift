@testable import Flambeau

extension OpTable {
  /// What layers are made of: batches and channels normalised, elements dropped, tables summed.
  mutating func addLayers() {
    for name in ["nn.functional.batch_norm", "nn.functional.batch_norm.without_cudnn"] {
      one(name) { c in
        let (mean, variance) = (try c.tensorIfAny("running_mean", 1), try c.tensorIfAny("running_var", 2))
        let (weight, bias) = (try c.tensorIfAny("weight", 3), try c.tensorIfAny("bias", 4))
        let eps = try c.double("eps", 7, default: 1e-5)
        // Of running statistics, which are no result.
        _ = try c.doubleIfAny("momentum", 6)
        if try c.bool("training", 5) { return try c.x.batchNorm(weight: weight, bias: bias, eps: eps).output }
        guard let mean, let variance else { throw Unmapped(reason: "no statistics") }
        return try c.x.batchNorm(mean: mean, variance: variance, weight: weight, bias: bias, eps: eps)
      }
    }
    one("nn.functional.instance_norm") { c in
      let (mean, variance) = (try c.tensorIfAny("running_mean"), try c.tensorIfAny("running_var"))
      let (weight, bias) = (try c.tensorIfAny("weight"), try c.tensorIfAny("bias"))
      let eps = try c.double("eps", default: 1e-5)
      _ = try c.doubleIfAny("momentum")
      if try c.bool("use_input_stats", default: true) { return try c.x.instanceNorm(weight: weight, bias: bias, eps: eps) }
      guard let mean, let variance else { throw Unmapped(reason: "no statistics") }
      return try c.x.batchNorm(mean: mean, variance: variance, weight: weight, bias: bias, eps: eps)
    }
    one("nn.functional.local_response_norm") { c in
      try c.x.localResponseNorm(
        try c.int("size", 1), alpha: try c.double("alpha", default: 1e-4), beta: try c.double("beta", default: 0.75),
        k: try c.double("k", default: 1))
    }
    one("nn.functional.bilinear") { c in
      try c.x.bilinear(try c.tensor("input2", 1), try c.tensor("weight", 2), try c.tensorIfAny("bias", 3))
    }
    one("nn.functional.embedding_bag") { c in
      let modes: [String: EmbeddingBagMode] = ["mean": .mean, "sum": .sum, "max": .max]
      return Tensor.embeddingBag(
        try c.tensor("input", 1), weight: try c.x, offsets: try c.tensorIfAny("offsets"),
        mode: modes[try c.text("mode") ?? "mean"]!, perSampleWeights: try c.tensorIfAny("per_sample_weights"),
        includeLastOffset: try c.bool("include_last_offset"), paddingIdx: try c.intIfAny("padding_idx"))
    }
    addDropouts()
    addPictures()
  }

  private mutating func addDropouts() {
    let dropouts: [(String, @Sendable (Tensor, Double, Bool) -> Tensor)] = [
      ("dropout", { $0.dropout($1, training: $2) }), ("dropout2d", { $0.featureDropout($1, training: $2) }),
      (
        "dropout3d",
        { x, p, training in
          x.ndim == 4 ? x.unsqueeze(0).featureDropout(p, training: training).squeeze(0) : x.featureDropout(p, training: training)
        }
      ), ("alpha_dropout", { $0.alphaDropout($1, training: $2) }),
      ("feature_alpha_dropout.with_train", { $0.featureAlphaDropout($1, training: $2) }),
      ("feature_alpha_dropout.without_train", { $0.featureAlphaDropout($1, training: $2) }),
    ]
    for (name, call) in dropouts {
      one("nn.functional.\(name)") { c in
        return call(try c.x, try c.double("p", default: 0.5), try c.bool("training", default: !name.contains("alpha")))
      }
    }
  }

  private mutating func addPictures() {
    for (name, mode, corners) in [
      ("upsample_nearest", InterpolationMode.nearest, nil as Bool?), ("upsample_bilinear", .bilinear, true),
    ] {
      one("nn.functional.\(name)") { c in
        if let scale = try c.doubleIfAny("scale_factor", 2) {
          return try c.x.interpolate(scaleFactor: scale, mode: mode, alignCorners: corners)
        }
        let size = try c.ints("size", 1)
        if let size, size.count == 1 { return try c.x.interpolate(size: size[0], mode: mode, alignCorners: corners) }
        return try c.x.interpolate(size: size, mode: mode, alignCorners: corners)
      }
    }
    for name in ["grid_sampler_2d", "grid_sampler_3d"] {
      one(name) { c in
        let modes: [GridMode] = [.bilinear, .nearest, .bicubic]
        let paddings: [GridPadding] = [.zeros, .border, .reflection]
        return try c.x.gridSample(
          try c.tensor("grid", 1), mode: modes[try c.int("interpolation_mode", 2)],
          paddingMode: paddings[try c.int("padding_mode", 3)], alignCorners: try c.bool("align_corners", 4))
      }
    }
    one("constant_pad_nd") { c in
      guard let amounts = try c.ints("pad", 1) else { throw Unmapped(reason: "no amounts") }
      return try c.x.pad(amounts, mode: .constant, value: try c.double("value", 2, default: 0))
    }
  }
}
