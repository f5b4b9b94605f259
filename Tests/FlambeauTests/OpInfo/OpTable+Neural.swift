@testable import Flambeau

extension OpTable {
  mutating func addNeural() {
    addConvolutions()
    addPoolings()
    addNorms()
    addLosses()
  }

  private mutating func addConvolutions() {
    one("nn.functional.conv2d") { c in
      let (weight, bias) = (try c.tensor("weight", 1), try c.tensorIfAny("bias", 2))
      let (stride, dilation) = (try c.size2D("stride", 3) ?? 1, try c.size2D("dilation", 5) ?? 1)
      let groups = try c.int("groups", 6, default: 1)
      if case .text(let padding)? = c.argument("padding", 4) {
        return try c.x.conv2d(
          weight, bias: bias, stride: stride, padding: padding == "same" ? .same : .valid, dilation: dilation, groups: groups)
      }
      return try c.x.conv2d(
        weight, bias: bias, stride: stride, padding: try c.size2D("padding", 4) ?? 0, dilation: dilation, groups: groups)
    }
  }

  private mutating func addPoolings() {
    several("nn.functional.max_pool2d") { c in
      guard let kernel = try c.size2D("kernel_size", 1) else { throw Unmapped(reason: "no kernel") }
      let (stride, padding) = (try c.size2D("stride", 2), try c.size2D("padding", 3) ?? 0)
      let (dilation, ceil) = (try c.size2D("dilation", 4) ?? 1, try c.bool("ceil_mode", 5))
      guard try c.bool("return_indices", 6) else {
        return [try c.x.maxPool2d(kernel, stride: stride, padding: padding, dilation: dilation, ceilMode: ceil)]
      }
      let pair = try c.x.maxPool2dWithIndices(
        kernel, stride: stride, padding: padding, dilation: dilation, ceilMode: ceil)
      return [pair.values, pair.indices]
    }
    one("nn.functional.avg_pool2d") { c in
      guard let kernel = try c.size2D("kernel_size", 1) else { throw Unmapped(reason: "no kernel") }
      return try c.x.avgPool2d(
        kernel, stride: try c.size2D("stride", 2), padding: try c.size2D("padding", 3) ?? 0,
        ceilMode: try c.bool("ceil_mode", 4), countIncludePad: try c.bool("count_include_pad", 5, default: true),
        divisorOverride: try c.intIfAny("divisor_override", 6))
    }
    one("nn.functional.adaptive_avg_pool2d") { c in
      guard let size = try c.size2D("output_size", 1) else { throw Unmapped(reason: "no size") }
      return try c.x.adaptiveAvgPool2d(size)
    }
    several("nn.functional.adaptive_max_pool2d") { c in
      guard let size = try c.size2D("output_size", 1) else { throw Unmapped(reason: "no size") }
      guard try c.bool("return_indices", 2) else { return [try c.x.adaptiveMaxPool2d(size)] }
      let pair = try c.x.adaptiveMaxPool2dWithIndices(size)
      return [pair.values, pair.indices]
    }
  }

  private mutating func addNorms() {
    one("nn.functional.layer_norm") { c in
      try c.x.layerNorm(
        try c.shape("normalized_shape", 1), weight: try c.tensorIfAny("weight", 2), bias: try c.tensorIfAny("bias", 3),
        eps: try c.double("eps", 4, default: 1e-5))
    }
    one("nn.functional.rms_norm") { c in
      try c.x.rmsNorm(
        try c.shape("normalized_shape", 1), weight: try c.tensorIfAny("weight", 2), eps: try c.doubleIfAny("eps", 3))
    }
    one("nn.functional.group_norm") { c in
      try c.x.groupNorm(
        try c.int("num_groups", 1), weight: try c.tensorIfAny("weight", 2), bias: try c.tensorIfAny("bias", 3),
        eps: try c.double("eps", 4, default: 1e-5))
    }
  }

  private mutating func addLosses() {
    one("nn.functional.cross_entropy") { c in
      try c.x.crossEntropy(
        try c.tensor("target", 1), weight: try c.tensorIfAny("weight"), ignoreIndex: try c.int("ignore_index", default: -100),
        reduction: try c.reduction(), labelSmoothing: try c.double("label_smoothing", default: 0))
    }
    one("nn.functional.nll_loss") { c in
      try c.x.nllLoss(
        try c.tensor("target", 1), weight: try c.tensorIfAny("weight"), ignoreIndex: try c.int("ignore_index", default: -100),
        reduction: try c.reduction())
    }
    one("nn.functional.mse_loss") { c in try c.x.mseLoss(try c.tensor("target", 1), reduction: try c.reduction()) }
    one("nn.functional.l1_loss") { c in try c.x.l1Loss(try c.tensor("target", 1), reduction: try c.reduction()) }
    one("nn.functional.smooth_l1_loss") { c in
      try c.x.smoothL1Loss(
        try c.tensor("target", 1), reduction: try c.reduction(), beta: try c.double("beta", default: 1))
    }
    one("nn.functional.huber_loss") { c in
      try c.x.huberLoss(
        try c.tensor("target", 1), reduction: try c.reduction(), delta: try c.double("delta", default: 1))
    }
    one("nn.functional.binary_cross_entropy") { c in
      try c.x.binaryCrossEntropy(
        try c.tensor("target", 1), weight: try c.tensorIfAny("weight", 2), reduction: try c.reduction())
    }
    one("nn.functional.binary_cross_entropy_with_logits") { c in
      try c.x.binaryCrossEntropyWithLogits(
        try c.tensor("target", 1), weight: try c.tensorIfAny("weight", 2), reduction: try c.reduction(),
        posWeight: try c.tensorIfAny("pos_weight"))
    }
    one("nn.functional.kl_div") { c in
      try c.x.klDiv(
        try c.tensor("target", 1), reduction: try c.divergenceReduction(), logTarget: try c.bool("log_target"))
    }
  }
}
