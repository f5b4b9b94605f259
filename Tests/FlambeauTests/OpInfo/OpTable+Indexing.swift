@testable import Flambeau

extension OpTable {
  mutating func addIndexing() {
    one("gather") { c in try c.x.gather(dim: try c.int("dim", 1), index: try c.tensor("index", 2)) }
    one("take") { c in try c.x.take(try c.tensor("index", 1)) }
    one("index_select") { c in try c.x.indexSelect(dim: try c.int("dim", 1), index: try c.tensor("index", 2)) }
    one("index_add") { c in
      try c.x.indexAdd(
        dim: try c.int("dim", 1), index: try c.tensor("index", 2), source: try c.tensor("source", 3),
        alpha: try c.double("alpha", default: 1))
    }
    one("index_copy") { c in
      try c.x.indexCopy(dim: try c.int("dim", 1), index: try c.tensor("index", 2), source: try c.tensor("source", 3))
    }
    one("index_fill") { c in
      let (x, dim, index) = (try c.x, try c.int("dim", 1), try c.tensor("index", 2))
      switch c.argument("value", 3) {
      case .tensor(let value)?: return x.indexFill(dim: dim, index: index, value)
      case .int(let value)?: return x.indexFill(dim: dim, index: index, value)
      default: return x.indexFill(dim: dim, index: index, try c.double("value", 3))
      }
    }
    one("scatter") { c in
      let (x, dim, index) = (try c.x, try c.int("dim", 1), try c.tensor("index", 2))
      switch c.argument("src", 3) ?? c.argument("value", 3) {
      case .tensor(let source)?: return x.scatter(dim: dim, index: index, source: source)
      case .int(let value)?: return x.scatter(dim: dim, index: index, value)
      case .float(let value)?: return x.scatter(dim: dim, index: index, value)
      default: throw Unmapped(reason: "nothing to scatter")
      }
    }
    one("scatter_add") { c in
      try c.x.scatterAdd(dim: try c.int("dim", 1), index: try c.tensor("index", 2), source: try c.tensor("src", 3))
    }
    one("masked_select") { c in try c.x.maskedSelect(try c.tensor("mask", 1)) }
    one("masked_scatter") { c in try c.x.maskedScatter(try c.tensor("mask", 1), try c.tensor("source", 2)) }
    one("nonzero") { c in
      guard try !c.bool("as_tuple") else { throw Unmapped(reason: "as_tuple") }
      return try c.x.nonzero()
    }
    one("__getitem__") { c in try c.x.read(try OpTable.terms(c.argument("index", 1)), CallSite(#fileID, #line)) }
    one("index_put") { c in
      guard case .list(let indices, _)? = c.argument("indices", 1) else { throw Unmapped(reason: "no indices") }
      return try c.x.indexPut(
        try indices.map { try $0.tensor() }, try c.tensor("values", 2), accumulate: try c.bool("accumulate", 3))
    }
    one("nn.functional.embedding") { c in
      guard try c.doubleIfAny("max_norm") == nil, try !c.bool("scale_grad_by_freq"), try !c.bool("sparse") else {
        throw Unmapped(reason: "options of embedding that are not here")
      }
      return Tensor.embedding(
        try c.tensor("input", 1), weight: try c.x, paddingIdx: try c.intIfAny("padding_idx"))
    }
    one("nn.functional.one_hot") { c in try c.x.oneHot(try c.int("num_classes", 1, default: -1)) }
  }
}

extension OpTable {
  /// What stands between brackets.
  fileprivate static func terms(_ index: OpArgument?) throws -> [any TensorIndex] {
    guard let index else { throw Unmapped(reason: "no index") }
    if case .list(let parts, isTuple: true) = index { return try parts.map(term) }
    return [try term(index)]
  }

  private static func term(_ index: OpArgument) throws -> any TensorIndex {
    switch index {
    case .int(let position): position
    case .ellipsis: IndexTerm.ellipsis
    case .none: IndexTerm.newAxis
    case .tensor(let tensor): tensor
    case .slice(let from, let to, let step):
      IndexTerm.slice(from: try bound(from), to: try bound(to), step: try bound(step) ?? 1)
    case .list: try index.ints("index") ?? []
    default: throw Unmapped(reason: "an index of a kind that is not here")
    }
  }

  private static func bound(_ argument: OpArgument) throws -> Int? {
    switch argument {
    case .none: nil
    case .int(let value): value
    default: throw Unmapped(reason: "a bound that is no number")
    }
  }
}
