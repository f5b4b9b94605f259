@testable import Flambeau

extension OpTable {
  /// Shares and counts.
  mutating func addStatistics() {
    share("quantile", { $0.quantile($1, dim: $2, keepDim: $3, interpolation: $4) }) {
      $0.quantile($1, dim: $2, keepDim: $3, interpolation: $4)
    }
    share("nanquantile", { $0.nanQuantile($1, dim: $2, keepDim: $3, interpolation: $4) }) {
      $0.nanQuantile($1, dim: $2, keepDim: $3, interpolation: $4)
    }
    one("nanmean") { c in
      try c.x.nanMean(dim: try c.ints("dim", 1), keepDim: try c.bool("keepdim", 2), dtype: try c.dtype("dtype"))
    }
    several("aminmax") { c in
      let pair = try c.x.aminmax(dim: try c.intIfAny("dim"), keepDim: try c.bool("keepdim"))
      return [pair.min, pair.max]
    }
    ranked("mode") { c in
      let dim = try c.int("dim", 1, default: -1)
      let pair = try c.x.mode(dim: dim, keepDim: try c.bool("keepdim", 2))
      return (pair.values, pair.indices, dim)
    }
    one("renorm") { c in try c.x.renorm(try c.double("p", 1), dim: try c.int("dim", 2), maxNorm: try c.double("maxnorm", 3)) }
    one("dist") { c in try c.x.dist(try c.tensor("other", 1), p: try c.double("p", 2, default: 2)) }
    one("cov") { c in
      try c.x.cov(
        correction: try c.int("correction", default: 1), frequencies: try c.tensorIfAny("fweights"),
        weights: try c.tensorIfAny("aweights"))
    }
    unary("corrcoef") { $0.corrcoef() }
    one("bincount") { c in
      try c.x.bincount(weights: try c.tensorIfAny("weights", 1), minLength: try c.int("minlength", 2, default: 0))
    }
    one("histc") { c in
      try c.x.histc(
        bins: try c.int("bins", 1, default: 100), min: try c.double("min", 2, default: 0), max: try c.double("max", 3, default: 0)
      )
    }
    unary("msort") { $0.msort() }
    unary("argwhere") { $0.argwhere() }
  }

  private mutating func share(
    _ name: String, _ number: @escaping @Sendable (Tensor, Double, Int?, Bool, QuantileInterpolation) -> Tensor,
    _ tensor: @escaping @Sendable (Tensor, Tensor, Int?, Bool, QuantileInterpolation) -> Tensor
  ) {
    let interpolations: [String: QuantileInterpolation] = [
      "linear": .linear, "lower": .lower, "higher": .higher, "midpoint": .midpoint, "nearest": .nearest,
    ]
    one(name) { c in
      let (x, dim, keepDim) = (try c.x, try c.intIfAny("dim", 2), try c.bool("keepdim", 3))
      guard let interpolation = interpolations[try c.text("interpolation") ?? "linear"] else {
        throw Unmapped(reason: "an interpolation that is not here")
      }
      if case .tensor(let q)? = c.argument("q", 1) { return tensor(x, q, dim, keepDim, interpolation) }
      return number(x, try c.double("q", 1), dim, keepDim, interpolation)
    }
  }

  /// Places in what is sorted, and what meets in one place.
  mutating func addPlaces() {
    one("searchsorted") { c in
      let (sorted, right) = (try c.x, try c.bool("right"))
      if case .float(let value)? = c.argument("self", 1) {
        return sorted.searchSorted(
          Tensor([value]).to(sorted.dtype).reshape([]), right: try c.text("side").map { $0 == "right" } ?? right,
          outInt32: try c.bool("out_int32"), sorter: try c.tensorIfAny("sorter"))
      }
      return sorted.searchSorted(
        try c.tensor("self", 1), right: try c.text("side").map { $0 == "right" } ?? right, outInt32: try c.bool("out_int32"),
        sorter: try c.tensorIfAny("sorter"))
    }
    one("bucketize") { c in
      try c.x.bucketize(try c.tensor("boundaries", 1), right: try c.bool("right"), outInt32: try c.bool("out_int32"))
    }
    one("take_along_dim") { c in try c.x.takeAlongDim(try c.tensor("indices", 1), dim: try c.intIfAny("dim", 2)) }
    one("put") { c in
      try c.x.put(try c.tensor("index", 1), try c.tensor("source", 2), accumulate: try c.bool("accumulate", 3))
    }
    one("select_scatter") { c in
      try c.x.selectScatter(try c.tensor("src", 1), dim: try c.int("dim", 2), index: try c.int("index", 3))
    }
    one("slice_scatter") { c in
      try c.x.sliceScatter(
        try c.tensor("src", 1), dim: try c.int("dim", 2, default: 0), start: try c.intIfAny("start", 3),
        end: try c.intIfAny("end", 4), step: try c.int("step", 5, default: 1))
    }
    one("diagonal_scatter") { c in
      try c.x.diagonalScatter(
        try c.tensor("src", 1), offset: try c.int("offset", 2, default: 0), dim1: try c.int("dim1", 3, default: 0),
        dim2: try c.int("dim2", 4, default: 1))
    }
    for reduction in [ScatterReduction.sum, .prod, .mean, .amax, .amin] {
      one("scatter_reduce.\(reduction.rawValue)") { c in
        let includeSelf = try c.bool("include_self", 5, default: true)
        _ = try c.text("reduce", 4)
        return try c.x.scatterReduce(
          dim: try c.int("dim", 1), index: try c.tensor("index", 2), source: try c.tensor("src", 3), reduction,
          includeSelf: includeSelf)
      }
    }
    for reduction in [ScatterReduction.prod, .mean, .amax, .amin] {
      one("index_reduce.\(reduction.rawValue)") { c in
        let includeSelf = try c.bool("include_self", 5, default: true)
        _ = try c.text("reduce", 4)
        return try c.x.indexReduce(
          dim: try c.int("dim", 1), index: try c.tensor("index", 2), source: try c.tensor("source", 3), reduction,
          includeSelf: includeSelf)
      }
    }
  }
}
