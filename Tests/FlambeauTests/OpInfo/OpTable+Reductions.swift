@testable import Flambeau

extension OpTable {
  mutating func addReductions() {
    one("sum") { c in
      try c.x.sum(dim: try c.ints("dim", 1), keepDim: try c.bool("keepdim", 2), dtype: try c.dtype("dtype"))
    }
    one("nansum") { c in
      try c.x.nanSum(dim: try c.ints("dim", 1), keepDim: try c.bool("keepdim", 2), dtype: try c.dtype("dtype"))
    }
    one("mean") { c in
      try c.x.mean(dim: try c.ints("dim", 1), keepDim: try c.bool("keepdim", 2), dtype: try c.dtype("dtype"))
    }
    one("prod") { c in
      let (x, dtype) = (try c.x, try c.dtype("dtype"))
      guard let dim = try c.intIfAny("dim", 1) else { return x.prod(dtype: dtype) }
      return x.prod(dim: dim, keepDim: try c.bool("keepdim", 2), dtype: dtype)
    }
    one("amax") { c in try c.x.amax(dim: try c.ints("dim", 1), keepDim: try c.bool("keepdim", 2)) }
    one("amin") { c in try c.x.amin(dim: try c.ints("dim", 1), keepDim: try c.bool("keepdim", 2)) }
    one("all") { c in try c.x.all(dim: try c.ints("dim", 1), keepDim: try c.bool("keepdim", 2)) }
    one("any") { c in try c.x.any(dim: try c.ints("dim", 1), keepDim: try c.bool("keepdim", 2)) }
    one("argmax") { c in try c.x.argmax(dim: try c.intIfAny("dim", 1), keepDim: try c.bool("keepdim", 2)) }
    one("argmin") { c in try c.x.argmin(dim: try c.intIfAny("dim", 1), keepDim: try c.bool("keepdim", 2)) }
    one("count_nonzero") { c in try c.x.countNonzero(dim: try c.ints("dim", 1)) }
    one("logsumexp") { c in
      guard let dim = try c.ints("dim", 1) else { throw Unmapped(reason: "no dim") }
      return try c.x.logSumExp(dim: dim, keepDim: try c.bool("keepdim", 2))
    }
    one("var") { c in try c.x.var(dim: try c.ints("dim", 1), correction: try c.correction, keepDim: try c.bool("keepdim")) }
    one("std") { c in try c.x.std(dim: try c.ints("dim", 1), correction: try c.correction, keepDim: try c.bool("keepdim")) }
    several("var_mean") { c in
      let pair = try c.x.varMean(
        dim: try c.ints("dim", 1), correction: try c.correction, keepDim: try c.bool("keepdim"))
      return [pair.variance, pair.mean]
    }
    several("std_mean") { c in
      let pair = try c.x.stdMean(
        dim: try c.ints("dim", 1), correction: try c.correction, keepDim: try c.bool("keepdim"))
      return [pair.deviation, pair.mean]
    }
    one("std.unbiased") { c in try c.x.std(correction: try c.bool("unbiased", 1, default: true) ? 1 : 0) }
    one("var.unbiased") { c in try c.x.var(correction: try c.bool("unbiased", 1, default: true) ? 1 : 0) }
    one("linalg.vector_norm") { c in
      try c.x.vectorNorm(
        ord: try c.double("ord", 1, default: 2), dim: try c.ints("dim", 2), keepDim: try c.bool("keepdim", 3),
        dtype: try c.dtype("dtype"))
    }
    extreme("max.reduction_with_dim") { $0.max(dim: $1, keepDim: $2) }
    extreme("min.reduction_with_dim") { $0.min(dim: $1, keepDim: $2) }
    unary("max.reduction_no_dim") { $0.max() }
    unary("min.reduction_no_dim") { $0.min() }
    several("median") { c in
      guard let dim = try c.intIfAny("dim", 1) else { return [try c.x.median()] }
      let pair = try c.x.median(dim: dim, keepDim: try c.bool("keepdim", 2))
      return [pair.values, pair.indices]
    }
    several("nanmedian") { c in
      guard let dim = try c.intIfAny("dim", 1) else { return [try c.x.nanMedian()] }
      let pair = try c.x.nanMedian(dim: dim, keepDim: try c.bool("keepdim", 2))
      return [pair.values, pair.indices]
    }
    one("cumsum") { c in try c.x.cumsum(dim: try c.int("dim", 1), dtype: try c.dtype("dtype")) }
    one("cumprod") { c in try c.x.cumprod(dim: try c.int("dim", 1), dtype: try c.dtype("dtype")) }
    several("cummax") { c in
      let pair = try c.x.cummax(dim: try c.int("dim", 1))
      return [pair.values, pair.indices]
    }
    several("cummin") { c in
      let pair = try c.x.cummin(dim: try c.int("dim", 1))
      return [pair.values, pair.indices]
    }
    one("logcumsumexp") { c in try c.x.logCumSumExp(dim: try c.int("dim", 1)) }
    one("diff") { c in
      try c.x.diff(
        try c.int("n", 1, default: 1), dim: try c.int("dim", 2, default: -1), prepend: try c.tensorIfAny("prepend", 3),
        append: try c.tensorIfAny("append", 4))
    }
    for name in ["trapezoid", "trapz"] {
      one(name) { c in
        let dim = try c.int("dim", default: -1)
        if let x = try c.tensorIfAny("x", 1) { return try c.x.trapezoid(x: x, dim: dim) }
        return try c.x.trapezoid(dx: try c.double("dx", default: 1), dim: dim)
      }
    }
    one("cumulative_trapezoid") { c in
      let dim = try c.int("dim", default: -1)
      if let x = try c.tensorIfAny("x", 1) { return try c.x.cumulativeTrapezoid(x: x, dim: dim) }
      return try c.x.cumulativeTrapezoid(dx: try c.double("dx", default: 1), dim: dim)
    }
    several("var_mean.unbiased") { c in
      let pair = try c.x.varMean(correction: try c.bool("unbiased", 1, default: true) ? 1 : 0)
      return [pair.variance, pair.mean]
    }
    several("std_mean.unbiased") { c in
      let pair = try c.x.stdMean(correction: try c.bool("unbiased", 1, default: true) ? 1 : 0)
      return [pair.deviation, pair.mean]
    }
    for name in ["nn.functional.softmin", "nn.functional.softmin.with_dtype"] {
      one(name) { c in try c.x.softmin(dim: try c.int("dim", 1), dtype: try c.dtype("dtype", 2)) }
    }
    ranked("sort") { c in
      let dim = try c.int("dim", 1, default: -1)
      let pair = try c.x.sort(dim: dim, descending: try c.bool("descending", 2), stable: try c.bool("stable"))
      return (pair.values, pair.indices, dim)
    }
    ranked("topk") { c in
      let dim = try c.int("dim", 2, default: -1)
      let pair = try c.x.topK(
        try c.int("k", 1), dim: dim, largest: try c.bool("largest", 3, default: true),
        sorted: try c.bool("sorted", 4, default: true))
      return (pair.values, pair.indices, dim)
    }
    ranked("kthvalue") { c in
      let dim = try c.int("dim", 2, default: -1)
      let pair = try c.x.kthValue(try c.int("k", 1), dim: dim, keepDim: try c.bool("keepdim", 3))
      return (pair.values, pair.indices, dim)
    }
    // The values are the sort's, held above.
    one("argsort") { c in
      let (dim, descending, stable) = (try c.int("dim", 1, default: -1), try c.bool("descending", 2), try c.bool("stable"))
      let x = try c.x
      let order = x.argsort(dim: dim, descending: descending, stable: stable)
      let sorted = x.sort(dim: dim, descending: descending, stable: stable).values
      guard x.gather(dim: dim, index: order).allClose(sorted, rtol: 0, atol: 0, equalNan: true) else {
        throw Disagreement(what: "the order does not sort")
      }
      return order
    }
    self["argsort"]!.hasFreeIndices = true
    one("softmax") { c in try c.x.softmax(dim: try c.int("dim", 1), dtype: try c.dtype("dtype", 2)) }
    one("softmax.with_dtype") { c in try c.x.softmax(dim: try c.int("dim", 1), dtype: try c.dtype("dtype", 2)) }
    one("log_softmax") { c in try c.x.logSoftmax(dim: try c.int("dim", 1), dtype: try c.dtype("dtype", 2)) }
    one("log_softmax.with_dtype") { c in try c.x.logSoftmax(dim: try c.int("dim", 1), dtype: try c.dtype("dtype", 2)) }
  }

  /// Values and where they lie, along one dimension.
  private mutating func extreme(
    _ name: String, call: @escaping @Sendable (Tensor, Int, Bool) -> (values: Tensor, indices: Tensor)
  ) {
    several(name) { c in
      let pair = call(try c.x, try c.int("dim", 1), try c.bool("keepdim", 2))
      return [pair.values, pair.indices]
    }
  }
}

extension OpCall {
  /// `correction=` or `unbiased=`.
  fileprivate var correction: Double {
    get throws {
      if let number = try doubleIfAny("correction") { return number }
      return try bool("unbiased", 2, default: true) ? 1 : 0
    }
  }
}
