/// How elements that meet in one place become one.
public enum ScatterReduction: String, Sendable {
  /// The sum of what lands on an element.
  case sum
  /// The product.
  case prod
  /// The mean.
  case mean
  /// The largest.
  case amax
  /// The smallest.
  case amin

  fileprivate var kind: Reduction.Kind {
    switch self {
    case .sum, .mean: .sum
    case .prod: .prod
    case .amax: .max
    case .amin: .min
    }
  }

  /// Where nothing is included; what everything else wins over.
  fileprivate func identity(_ dtype: DType) -> Number {
    switch self {
    case .sum, .mean: Number(0)
    case .prod: Number(1)
    case .amax: dtype.extremes.least
    case .amin: dtype.extremes.greatest
    }
  }
}

struct ScatterReductionArguments: Sendable {
  let dim: Int
  let reduction: ScatterReduction
  let includeSelf: Bool
}

/// Operand 0 is the table, operand 1 what is put into it, operand 2 the positions along a dimension.
struct ScatterReductions: Sendable {
  let scatterReduce: Operator<ScatterReductionArguments> = Operator<ScatterReductionArguments>(
    "scatter_reduce", saves: { _ in SavePlan(operands: [.operand(0), .operand(1), .operand(2)], result: true) },
    edit: { (operands, at, table) throws(TensorError) in
      let source = operands[1]!.body
      guard let place = try ScatterPlace(table, source, operands[2]!.body, at.dim) else { return }
      try place.checkPositions()
      try withExtendedLifetime(source) { () throws(TensorError) in
        if !at.includeSelf {
          let identity = try Value(Layout([]), table.dtype, on: table.device)
          try identity.elements.fill(at.reduction.identity(table.dtype))
          _ = try withExtendedLifetime(identity.storage) { () throws(TensorError) in
            try place.put(identity.elements.broadcast(to: place.shape), joinedBy: nil)
          }
        }
        try place.put(place.source, joinedBy: at.reduction.kind)
        if at.reduction == .mean { try ScatterReductions.divide(place, includeSelf: at.includeSelf) }
      }
    },
    backward: { (call, gradient) throws(TensorError) in try ScatterReductions.gradients(call, gradient) },
    samples: samples("scatter_reduce") { reduction, includeSelf in
      { $0[0].scatterReduce(dim: 1, index: $0[2], source: $0[1], reduction, includeSelf: includeSelf) }
    } + [
      Sample("a.clone().scatter_reduce_(0, c, b, 'sum')", [.real([3, 2]), .real([5, 2]), .integers([5, 2], 0...2)]) {
        $0[0].clone().scatterReduce_(dim: 0, index: $0[2], source: $0[1], .sum)
      }
    ]
  ).onGPU()

  let composites: [Sample] = [
    Sample("a.index_reduce(0, c, b, 'prod')", [.real([3, 2], 0.5...2), .real([5, 2], 0.5...2), .integers([5], 0...2)]) {
      $0[0].indexReduce(dim: 0, index: $0[2], source: $0[1], .prod)
    },
    Sample("a.index_reduce(1, c, b, 'amax', include_self=False)", [.real([2, 3]), .real([2, 5]), .integers([5], 0...2)]) {
      $0[0].indexReduce(dim: 1, index: $0[2], source: $0[1], .amax, includeSelf: false)
    },
    Sample("a.clone().index_reduce_(0, c, b, 'amin')", [.real([3, 2]), .real([5, 2]), .integers([5], 0...2)]) {
      $0[0].clone().indexReduce_(dim: 0, index: $0[2], source: $0[1], .amin)
    },
  ]

  private typealias Body = @Sendable ([Tensor]) -> Tensor

  private static func samples(_ name: String, _ call: (ScatterReduction, Bool) -> Body) -> [Sample] {
    [ScatterReduction.sum, .prod, .mean, .amax, .amin].flatMap { reduction in
      [true, false].map { includeSelf in
        Sample(
          "a.\(name)(1, c, b, '\(reduction.rawValue)', include_self=\(includeSelf ? "True" : "False"))",
          [.real([2, 4], 0.5...2), .real([2, 6], 0.5...2), .integers([2, 5], 0...2)], call(reduction, includeSelf))
      }
    }
  }

  /// Sums become means: each place is divided by how many have met there.
  private static func divide(_ place: ScatterPlace, includeSelf: Bool) throws(TensorError) {
    let (table, computeClass) = (place.table, place.table.dtype.computeClass)
    let counts = try Value(Layout(table.layout.shape), computeClass.dtype, on: table.device)
    let one = try Value(Layout([]), computeClass.dtype, on: table.device)
    try counts.elements.fill(Number(includeSelf ? 1 : 0))
    try one.elements.fill(Number(1))
    try withExtendedLifetime((counts.storage, one.storage)) { () throws(TensorError) in
      try place.put(one.elements.broadcast(to: place.shape), into: counts.elements, joinedBy: .sum)
      try Backend.map(
        table.dtype.isFloatingPoint ? quotient : flooredQuotient, in: computeClass, inputs: [table, counts.elements],
        into: [table])
    }
  }

  private static let quotient = Program { sum, count in select(gt(count, 1), sum / count, sum) }
  private static let flooredQuotient = Program { sum, count in select(gt(count, 1), floorDiv(sum, count), sum) }

  /// Torch's: of extremes each winner gets an equal part; of products, each the product of the others.
  private static func gradients(
    _ call: Call<ScatterReductionArguments>, _ gradient: Tensor
  ) throws(TensorError) -> Few<Tensor> {
    let at = call.attributes
    let (table, source, index) = (try call.operand(0), try call.operand(1), try call.operand(2))
    let dim = at.dim
    func read(_ x: Tensor) -> Tensor { x.gather(dim: dim, index: index) }
    let used = source.asBeginning(index.shape)
    var toTable: Tensor
    var toSource: Tensor
    switch at.reduction {
    case .sum: (toTable, toSource) = (gradient, read(gradient))
    case .mean:
      let start = at.includeSelf ? gradient.onesLike() : gradient.zerosLike()
      let counts = start.detach().scatterAdd(dim: dim, index: index, source: used.detach().onesLike()).clamp(min: 1)
      let shared = gradient / counts
      (toTable, toSource) = (shared, read(shared))
    case .prod:
      // The product of the others: with a zero among them, of those that are not zero, if it is the only one.
      let base = at.includeSelf ? table : table.scatter(dim: dim, index: index, 1)
      let (baseIsZero, usedIsZero) = (base.detach() .== 0, used.detach() .== 0)
      let zeros = baseIsZero.to(gradient.dtype).scatterAdd(dim: dim, index: index, source: usedIsZero.to(gradient.dtype))
      let (fullBase, fullUsed) = (base.maskedFill(baseIsZero, 1), used.maskedFill(usedIsZero, 1))
      let whole = fullBase.scatterReduce(dim: dim, index: index, source: fullUsed, .prod)
      func others(_ x: Tensor, _ isZero: Tensor, _ whole: Tensor, _ zeros: Tensor) -> Tensor {
        (whole / x).maskedFill((zeros - isZero.to(gradient.dtype)) .> 0, 0)
      }
      toTable = gradient * others(fullBase, baseIsZero, whole, zeros)
      toSource = read(gradient) * others(fullUsed, usedIsZero, read(whole), read(zeros))
    case .amax, .amin:
      let result = try call.result()
      let won = (table.detach() .== result.detach()).to(gradient.dtype)
      let sourceWon = (used.detach() .== read(result.detach())).to(gradient.dtype)
      let start = at.includeSelf ? won : won.scatter(dim: dim, index: index, 0)
      let shared = gradient / start.scatterAdd(dim: dim, index: index, source: sourceWon).clamp(min: 1)
      (toTable, toSource) = (shared * won, read(shared) * sourceWon)
    }
    if !at.includeSelf { toTable = toTable.scatter(dim: dim, index: index, 0) }
    return Few(
      call.needs(0) ? toTable : nil,
      call.needs(1)
        ? (call.shape(1) == index.shape ? toSource : toSource.placed(in: call.shape(1)) { $0.beginning(index.shape) }) : nil)
  }
}

extension DType {
  /// What no number of the dtype is below, and none above.
  fileprivate var extremes: (least: Number, greatest: Number) {
    switch self {
    case _ where isFloatingPoint: (Number(-Double.infinity), Number(Double.infinity))
    case .bool: (Number(0), Number(1))
    case .uint8: (Number(0), Number(255))
    default: (Number(Int64.min >> (64 - 8 * byteCount)), Number(Int64.max >> (64 - 8 * byteCount)))
    }
  }
}

extension Tensor {
  /// The first positions of every dimension.
  fileprivate func asBeginning(_ shape: Shape) -> Tensor {
    var result = self
    for dim in 0..<ndim where result.shape.at(dim) != shape.at(dim) {
      result = result.narrow(dim, start: 0, length: shape.at(dim))
    }
    return result
  }

  /// With the elements of `source` joined to those at the positions `index` of dimension `dim`, by `reduction`. Torch's
  /// `scatter_reduce`.
  ///
  /// - Parameter includeSelf: The elements that were there count, too. Places that `index` does not name stay as they are.
  public func scatterReduce(
    dim: Int, index: Tensor, source: Tensor, _ reduction: ScatterReduction, includeSelf: Bool = true,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let at = ScatterReductionArguments(dim: dim, reduction: reduction, includeSelf: includeSelf)
    return ops.scatterReductions.scatterReduce(self, source, index, at, at: CallSite(file, line))
  }

  /// ``scatterReduce(dim:index:source:_:includeSelf:file:line:)`` in place. Torch's `scatter_reduce_`.
  @discardableResult
  public func scatterReduce_(
    dim: Int, index: Tensor, source: Tensor, _ reduction: ScatterReduction, includeSelf: Bool = true,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    let at = ScatterReductionArguments(dim: dim, reduction: reduction, includeSelf: includeSelf)
    return ops.scatterReductions.scatterReduce.write(Few(self, source, index), at, at: CallSite(file, line))
  }

  /// With the positions of `source` along dimension `dim` joined to those that the vector `index` names, by `reduction`.
  /// Torch's `index_reduce`.
  ///
  /// - Parameter includeSelf: The elements that were there count, too. Places that `index` does not name stay as they are.
  public func indexReduce(
    dim: Int, index: Tensor, source: Tensor, _ reduction: ScatterReduction, includeSelf: Bool = true,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("index_reduce", with: index, source, at: CallSite(file, line)) { layout throws(TensorError) in
      let positions = try layout.spread(index, dim, source)
      return scatterReduce(
        dim: dim, index: positions, source: source, reduction, includeSelf: includeSelf, file: file, line: line)
    }
  }

  /// ``indexReduce(dim:index:source:_:includeSelf:file:line:)`` in place. Torch's `index_reduce_`.
  @discardableResult
  public func indexReduce_(
    dim: Int, index: Tensor, source: Tensor, _ reduction: ScatterReduction, includeSelf: Bool = true,
    file: StaticString = #fileID, line: UInt = #line
  ) -> Tensor {
    checked("index_reduce_", with: index, source, at: CallSite(file, line)) { layout throws(TensorError) in
      let positions = try layout.spread(index, dim, source)
      return scatterReduce_(
        dim: dim, index: positions, source: source, reduction, includeSelf: includeSelf, file: file, line: line)
    }
  }
}

extension Layout {
  /// A vector of positions along `dim` for every place of `source`.
  fileprivate func spread(_ index: Tensor, _ dim: Int, _ source: Tensor) throws(TensorError) -> Tensor {
    let dim = try dimension(dim)
    guard index.ndim <= 1 else { throw .index("index_reduce_(): Index is supposed to be a vector") }
    guard index.dtype == .int64 || index.dtype == .int32 else {
      throw .dtype("index_reduce_(): Expected dtype int32/int64 for index")
    }
    let (to, from) = (atLeastVector.shape, source.body.layout.atLeastVector.shape)
    guard to.count == from.count, to.removing(at: dim) == from.removing(at: dim) else {
      throw .shape(
        "index_reduce_(): source tensor shape must match self tensor shape, excluding the specified dimension. Got "
          + "self.shape = \(shape) source.shape = \(source.shape)")
    }
    guard from.at(dim) == index.count else {
      throw .index(
        "index_reduce_(): Number of indices (\(index.count)) should be equal to self.size(dim) (\(from.at(dim)))")
    }
    if source.ndim == 0 { return index.reshape([]) }
    return index.reshape(Shape(repeating: 1, count: from.count).replacing(dim, with: index.count)).expand(from)
  }
}
