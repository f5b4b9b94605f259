@testable import Flambeau

extension OpTable {
  /// Second names, shares of distributions, places and slopes.
  mutating func addNames() {
    unary("positive") { $0.positive() }
    unary("sgn") { $0.sgn() }
    unary("ravel") { $0.ravel() }
    unary("mT") { $0.mT }
    unary("zero_") { $0.clone().zero_() }
    unary("special.polygamma.special_polygamma_n_0") { $0.digamma() }
    unary("special.erfcx") { $0.erfcx() }
    unary("special.ndtri") { $0.ndtri() }
    unary("special.log_ndtr") { $0.logNdtr() }
    binary("igamma") { $0.igamma($1) }
    binary("igammac") { $0.igammac($1) }
    binary("__rmod__") { $1.remainder($0) }
    binary("__rpow__") { $1.pow($0) }
    one("rsub") { c in
      let alpha = try c.double("alpha", default: 1)
      let (x, other) = (try c.x, try c.tensor("other", 1))
      return alpha == 1 ? other - x : x.dtype.isFloatingPoint ? other - x * alpha : other - x * Int(alpha)
    }
    several("frexp") { c in
      let pair = try c.x.frexp()
      return [pair.mantissa, pair.exponent]
    }
    one("isin") { c in
      _ = try c.bool("assume_unique")
      return try c.x.isIn(try c.tensor("test_elements", 1), invert: try c.bool("invert"))
    }
    several("unravel_index") { c in
      guard let shape = try c.ints("shape", 1) else { throw Unmapped(reason: "no shape") }
      return Array(try c.x.unravelIndex(Shape(shape)))
    }
    several("gradient") { c in
      let (dim, order) = (try c.ints("dim"), try c.int("edge_order", default: 1))
      switch c.argument("spacing") {
      case .list(let parts, _)?:
        if case .tensor? = parts.first {
          return Array(try c.x.gradient(spacing: try parts.map { try $0.tensor() }, dim: dim, edgeOrder: order))
        }
        let spacing = try parts.map { part in
          switch part {
          case .int(let value): Double(value)
          case .float(let value): value
          default: throw Unmapped(reason: "spacing is no number")
          }
        }
        return Array(try c.x.gradient(spacing: spacing, dim: dim, edgeOrder: order))
      default: return Array(try c.x.gradient(spacing: try c.double("spacing", default: 1), dim: dim, edgeOrder: order))
      }
    }
    addShapesOfSeveral()
    addMoreDraws()
  }

  private mutating func addShapesOfSeveral() {
    one("sum_to_size") { c in try c.x.sumToSize(Shape(try c.sizes())) }
    several("broadcast_tensors") { c in
      Array(Tensor.broadcastTensors([try c.x] + (try c.rest().map { try $0.tensor() })))
    }
    one("diagflat") { c in try c.x.diagflat(try c.int("offset", 1, default: 0)) }
    one("as_strided_scatter") { c in
      guard let strides = try c.ints("stride", 3) else { throw Unmapped(reason: "no strides") }
      return try c.x.asStridedScatter(
        try c.tensor("src", 1), try c.shape("size", 2), strides: strides, offset: try c.intIfAny("storage_offset", 4))
    }
    several("unsafe_chunk") { c in Array(try c.x.chunk(try c.int("chunks", 1), dim: try c.int("dim", 2, default: 0))) }
    several("unsafe_split") { c in Array(try c.x.split(try c.int("split_size", 1), dim: try c.int("dim", 2, default: 0))) }
    one("narrow_copy") { c in
      try c.x.narrow(try c.int("dim", 1), start: try c.int("start", 2), length: try c.int("length", 3)).clone()
    }
    one("fill") { c in
      let x = try c.x.clone()
      switch c.argument("value", 1) {
      case .bool(let value)?: return x.fill_(value ? 1 : 0)
      case .tensor(let value)?: return x.copy_(value)
      default: return x.fill_(try c.double("value", 1))
      }
    }
    one("scalar_tensor") { c in
      let dtype = try c.dtype("dtype") ?? .float32
      switch c.input {
      case .int(let value): return Tensor.full([], value, dtype: dtype)
      case .bool(let value): return Tensor.full([], value, dtype: dtype)
      case .float(let value): return Tensor.full([], value, dtype: dtype)
      default: throw Unmapped(reason: "no number")
      }
    }
    one("item") { c in
      let x = try c.x
      if x.dtype == .bool { return Tensor(x.item(as: Bool.self)) }
      return x.dtype.isFloatingPoint ? Tensor(x.item(as: Double.self)) : Tensor(x.item(as: Int.self))
    }
    several("histogram") { c in
      let (weight, density) = (try c.tensorIfAny("weight"), try c.bool("density"))
      if case .tensor(let edges)? = c.argument("bins", 1) {
        let pair = try c.x.histogram(bins: edges, weight: weight, density: density)
        return [pair.hist, pair.binEdges]
      }
      let pair = try c.x.histogram(bins: try c.int("bins", 1), weight: weight, density: density)
      return [pair.hist, pair.binEdges]
    }
    several("unique_consecutive") { c in
      try Self.chosen(c, try c.x.uniqueConsecutiveWithCounts(dim: try c.intIfAny("dim")))
    }
    several("unique") { c in
      // Unsorted, any order is right.
      let (isSorted, dim) = (try c.bool("sorted", default: true), try c.intIfAny("dim"))
      guard isSorted || dim != nil else { throw Unmapped(reason: "an order that nobody names") }
      return try Self.chosen(c, try c.x.uniqueWithCounts(dim: dim))
    }
  }

  private static func chosen(
    _ c: OpCall, _ all: (values: Tensor, inverse: Tensor, counts: Tensor)
  ) throws -> [Tensor] {
    var results = [all.values]
    if try c.bool("return_inverse") { results.append(all.inverse) }
    if try c.bool("return_counts") { results.append(all.counts) }
    return results
  }

  private mutating func addMoreDraws() {
    one("cauchy") { c in
      try c.x.clone().cauchy_(median: try c.double("median", 1, default: 0), sigma: try c.double("sigma", 2, default: 1))
    }
    one("geometric") { c in try c.x.clone().geometric_(try c.double("p", 1)) }
    one("log_normal") { c in
      try c.x.clone().logNormal_(mean: try c.double("mean", 1, default: 1), std: try c.double("std", 2, default: 2))
    }
  }
}
