@testable import Flambeau

extension OpTable {
  mutating func addCreation() {
    one("arange") { c in
      let bounds = [c.input] + [c.argument("end", 1), c.argument("step", 2)].compactMap { $0 }
      let isWhole = bounds.allSatisfy { if case .int = $0 { true } else { false } }
      let dtype = try c.dtype("dtype") ?? (isWhole ? .int64 : .float32)
      let numbers = try bounds.map(Self.number)
      return Tensor.arange(
        numbers.count == 1 ? 0 : numbers[0], numbers.count == 1 ? numbers[0] : numbers[1],
        step: numbers.count == 3 ? numbers[2] : 1,
        dtype: dtype)
    }
    one("linspace", "linspace.tensor_overload") { c in
      Tensor.linspace(
        try Self.number(c.input), try Self.number(c.argument("end", 1)), steps: try c.int("steps", 2),
        dtype: try c.dtype("dtype") ?? .float32)
    }
    one("logspace", "logspace.tensor_overload") { c in
      Tensor.logspace(
        try Self.number(c.input), try Self.number(c.argument("end", 1)), steps: try c.int("steps", 2),
        base: try c.double("base", 3, default: 10),
        dtype: try c.dtype("dtype") ?? .float32)
    }
    one("tril_indices") { c in
      guard case .int(let rows) = c.input else { throw Unmapped(reason: "rows are no number") }
      return Tensor.trilIndices(
        rows, try c.int("col", 1), offset: try c.int("offset", 2, default: 0), dtype: try c.dtype("dtype") ?? .int64)
    }
    one("triu_indices") { c in
      guard case .int(let rows) = c.input else { throw Unmapped(reason: "rows are no number") }
      return Tensor.triuIndices(
        rows, try c.int("col", 1), offset: try c.int("offset", 2, default: 0), dtype: try c.dtype("dtype") ?? .int64)
    }
    one("new_zeros") { c in try c.x.newZeros(try c.shape("size", 1), dtype: try c.dtype("dtype")) }
    one("new_ones") { c in try c.x.newOnes(try c.shape("size", 1), dtype: try c.dtype("dtype")) }
    random("new_empty") { c in try c.x.newEmpty(try c.shape("size", 1), dtype: try c.dtype("dtype")) }
    one("new_full") { c in
      let (x, shape, dtype) = (try c.x, try c.shape("size", 1), try c.dtype("dtype"))
      if case .int(let value)? = c.argument("fill_value", 2) { return x.newFull(shape, value, dtype: dtype) }
      return x.newFull(shape, try c.double("fill_value", 2), dtype: dtype)
    }
    one("normal") { c in
      let mean = try c.x
      if case .tensor(let std)? = c.argument("std", 1) { return Tensor.normal(mean: mean, std: std) }
      return Tensor.normal(mean: mean, std: try c.double("std", 1))
    }
    // Torch's entry draws from a seed of its own.
    random("normal.number_mean") { c in Tensor.normal(mean: try Self.number(c.input), std: try c.tensor("std", 1)) }
    one("uniform") { c in try c.x.clone().uniform_(from: try c.double("from", 1), to: try c.double("to", 2)) }
    one("normal.in_place") { c in
      try c.x.clone().normal_(mean: try c.double("mean", 1, default: 0), std: try c.double("std", 2, default: 1))
    }
    one("exponential") { c in try c.x.clone().exponential_(try c.double("lambd", 1, default: 1)) }
    one("eye") { c in
      guard case .int(let rows) = c.input else { throw Unmapped(reason: "rows are no number") }
      return Tensor.eye(rows, try c.intIfAny("m", 1), dtype: try c.dtype("dtype") ?? .float32)
    }
    one("zeros") { c in Tensor.zeros(try Self.shape(c.input), dtype: try c.dtype("dtype") ?? .float32) }
    one("ones") { c in Tensor.ones(try Self.shape(c.input), dtype: try c.dtype("dtype") ?? .float32) }
    one("full") { c in
      let (shape, dtype) = (try Self.shape(c.input), try c.dtype("dtype"))
      switch c.argument("fill_value", 1) {
      case .int(let value)?: return Tensor.full(shape, value, dtype: dtype ?? .int64)
      case .bool(let value)?: return Tensor.full(shape, value, dtype: dtype ?? .bool)
      default: return Tensor.full(shape, try c.double("fill_value", 1), dtype: dtype ?? .float32)
      }
    }
    one("zeros_like") { c in try c.x.zerosLike(dtype: try c.dtype("dtype")) }
    one("ones_like") { c in try c.x.onesLike(dtype: try c.dtype("dtype")) }
    one("full_like") { c in
      let (x, dtype) = (try c.x, try c.dtype("dtype"))
      switch c.argument("fill_value", 1) {
      case .int(let value)?: return x.fullLike(value, dtype: dtype)
      case .bool(let value)?: return x.fullLike(value ? 1 : 0, dtype: dtype)
      default: return x.fullLike(try c.double("fill_value", 1), dtype: dtype)
      }
    }
    random("empty") { c in Tensor.empty(try Self.shape(c.input), dtype: try c.dtype("dtype") ?? .float32) }
    random("empty_like") { c in try c.x.emptyLike(dtype: try c.dtype("dtype")) }
    one("randn") { c in Tensor.randn(try Self.shape(c.input), dtype: try c.dtype("dtype") ?? .float32) }
    one("randn_like") { c in try c.x.randnLike(dtype: try c.dtype("dtype")) }
    // Torch's entry calls randn_like by mistake: its values say nothing.
    random("rand_like") { c in try c.x.randLike(dtype: try c.dtype("dtype")) }
    one("randint") { c in
      let (dtype, first) = (try c.dtype("dtype") ?? .int64, try Self.whole(c.input))
      guard case .int(let high)? = c.argument("high", 1) else {
        return Tensor.randint(0, first, try c.shape("size", 1), dtype: dtype)
      }
      return Tensor.randint(first, high, try c.shape("size", 2), dtype: dtype)
    }
    one("randint_like") { c in
      let (first, high, dtype) = (try c.int("low", 1), try c.intIfAny("high", 2), try c.dtype("dtype"))
      return try c.x.randintLike(high == nil ? 0 : first, high ?? first, dtype: dtype)
    }
    one("bernoulli") { c in try c.x.bernoulli() }
    one("multinomial") { c in
      try c.x.multinomial(try c.int("num_samples", 1), replacement: try c.bool("replacement", 2))
    }
  }

  private static func number(_ argument: OpArgument?) throws -> Double {
    switch argument {
    case .int(let value)?: Double(value)
    case .float(let value)?: value
    case .tensor(let value)? where value.ndim == 0: value.item()
    default: throw Unmapped(reason: "a bound is no number")
    }
  }

  private static func whole(_ argument: OpArgument) throws -> Int {
    guard case .int(let value) = argument else { throw Unmapped(reason: "no whole number") }
    return value
  }

  private static func shape(_ argument: OpArgument) throws -> Shape {
    guard let sizes = try argument.ints("size") else { throw Unmapped(reason: "no size") }
    return Shape(sizes)
  }
}
